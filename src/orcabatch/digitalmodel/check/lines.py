"""Where in a YAML something stands, and which keys stand twice.

YAML readers forget both: of a key that stands twice the last one counts, and nothing is said. Pure: text in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Twice:
    """A key that stands twice in one section, with different contents.

    Attributes:
        path: where.
        line: of the first one, which is lost.
    """

    path: tuple[str | int, ...]
    line: int


@dataclass(frozen=True, slots=True)
class YamlLines:
    """The lines of a YAML by path; of nothing where the configuration comes from no YAML.

    Attributes:
        file: the YAML's name, for messages.
        at: the line (from 1) of each key and each item of a list.
        twice: keys that stand twice.
        below: those of `default_yaml`, which digitalmodel reads as if it stood below.
    """

    file: str = ""
    at: dict[tuple[str | int, ...], int] = field(default_factory=dict)
    twice: tuple[Twice, ...] = ()
    below: YamlLines | None = None

    def origin(self, path: tuple[str | int, ...]) -> str:
        """`dm.yml, line 12`; the file alone for what stands in no YAML, such as words of a command line."""
        found = self._found(path)
        if found is not None:
            return f"{found[0].file}, line {found[1]}"
        return self.file

    def place(self, path: tuple[str | int, ...]) -> tuple[bool, int]:
        """For sorting in the order of the YAML: what stands in a file below comes later."""
        found = self._found(path)
        return (found is not None and found[0] is not self, found[1] if found is not None else 0)

    def _found(self, path: tuple[str | int, ...]) -> tuple[YamlLines, int] | None:
        # The lower file first: digitalmodel reads both as one text, and the last one counts.
        for lines in (self.below, self):
            if lines is not None and path[:1] in lines.at:
                known = next(path[:length] for length in range(len(path), 0, -1) if path[:length] in lines.at)
                return lines, lines.at[known]
        return None


def lines_of(node: yaml.Node | None, file: str) -> YamlLines:
    """The lines of a YAML that has been parsed to nodes (`yaml.compose`)."""
    at: dict[tuple[str | int, ...], int] = {}
    twice: list[Twice] = []
    for path, line, lost in _walk(node, (), set()):
        if lost:
            twice.append(Twice(path, at[path]))
        at[path] = line
    return YamlLines(file, at, tuple(twice))


def _walk(
    node: yaml.Node | None, path: tuple[str | int, ...], inside: set[int]
) -> Iterator[tuple[tuple[str | int, ...], int, bool]]:
    """Every key and item with its line, and whether it takes the place of another one."""
    if node is None or id(node) in inside:  # an anchor that holds itself
        return
    inside = inside | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), item.start_mark.line + 1, False
            yield from _walk(item, (*path, index), inside)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, yaml.Node] = {}
        for key, value in sorted(node.value, key=lambda pair: bool(pair[0].tag != _MERGE)):
            if key.tag == _MERGE:
                for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    yield from ((place, line, False) for place, line, _ in _walk(merged, path, inside))
                continue
            name = str(key.value)
            lost = name in seen and _plain(seen[name]) != _plain(value)
            seen[name] = value
            yield (*path, name), key.start_mark.line + 1, lost
            yield from _walk(value, (*path, name), inside)


def _plain(node: yaml.Node) -> Any:
    """What a node holds, for comparing two."""
    if isinstance(node, yaml.MappingNode):
        return [(_plain(key), _plain(value)) for key, value in node.value]
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    return node.value
