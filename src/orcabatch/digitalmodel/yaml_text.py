"""YAML that anybody may have written: read whole within seconds and a bounded memory, or refused in one sentence.

A few lines of anchors that stand for each other unfold to billions of values, an anchor that holds itself to no end of
them, and the reader itself raises whatever Python raises for a date or a number that is none.
"""

from __future__ import annotations

from typing import Any

import yaml

MOST_LETTERS = 5_000_000
"""The reader takes some 2 s for a million. 1,000 columns have 200,000 letters: fewer would refuse what programs write,
more would let it read for minutes."""

MOST_VALUES = 200_000
"""Once anchors are written out; 1,000 columns have 20,000. Each costs 10 us and 200 bytes where its line is noted."""

DEEPEST = 60
"""A digitalmodel YAML has eight levels. What follows goes through it level by level, and Python through 1,000 calls."""


class UnreadableYaml(ValueError):  # noqa: N818 - says what the text is
    """The text is no YAML that can be read; says where and why, to follow the name of the file."""


def parse_yaml(text: str) -> tuple[Any, yaml.Node | None]:
    """The content, and the nodes that it was made of, which know their lines; None where there is none.

    Raises:
        UnreadableYaml: it cannot be read.
    """
    if len(text) > MOST_LETTERS:
        raise UnreadableYaml(f": it has {len(text):,} letters, more than {MOST_LETTERS:,}")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, None
        _check(node)
        return loader.construct_document(node), node
    except yaml.YAMLError as error:
        raise UnreadableYaml(_place_of(error, text)) from error
    except UnreadableYaml:
        raise
    except Exception as error:  # the reader makes dates and numbers of what looks like one, unguarded
        raise UnreadableYaml(f": a value is not what it looks like or is marked as: {error}") from error


_TOO_DEEP = f": its sections stand more than {DEEPEST} levels deep in each other"


class _Loader(yaml.SafeLoader):
    """Stops where it is too deep: it looks at all open brackets with each further one."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self._depth > DEEPEST:
            raise UnreadableYaml(_TOO_DEEP)
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _check(root: yaml.Node) -> None:
    """Refuse what would not be finished, before anything is made of it."""
    counted: dict[int, tuple[int, int]] = {}
    waiting: list[tuple[yaml.Node, bool]] = [(root, False)]
    inside: set[int] = set()
    while waiting:
        node, left = waiting.pop()
        if left:
            inside.discard(id(node))
            below = [counted[id(each)] for each in _inner(node)]
            size, depth = 1 + sum(size for size, _ in below), 1 + max((depth for _, depth in below), default=0)
            if size > MOST_VALUES:
                raise UnreadableYaml(f"{_at(node)}: its anchors, written out, make more than {MOST_VALUES:,} values")
            if depth > DEEPEST:
                raise UnreadableYaml(_TOO_DEEP)
            counted[id(node)] = size, depth
        elif id(node) in inside:
            raise UnreadableYaml(f"{_at(node)}: an anchor holds itself, so it has no end")
        elif id(node) not in counted:
            inside.add(id(node))
            waiting.append((node, True))
            waiting += [(each, False) for each in _inner(node)]


def _inner(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _at(node: yaml.Node) -> str:
    return f" at line {node.start_mark.line + 1}"


def _place_of(error: yaml.YAMLError, text: str) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    line = text.split("\n")[mark.line : mark.line + 1] if mark is not None else []
    indented_by_tab = any("\t" in each[: len(each) - len(each.lstrip())] for each in line)
    hint = "; use spaces instead of the tab" if indented_by_tab or "'\\t'" in str(problem) else ""
    return f"{where}: {problem or error}{hint}"
