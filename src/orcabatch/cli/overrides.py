"""What may stand behind the YAML on a command line, whatever package reads it, in digitalmodel's own habits.

    file_management.input_directory=./sims     a dotted key and its value
    "{'meta': {'label': 'x'}}"                 a Python dictionary as text
    --meta label=x file.deep=1                 a section, then keys in it, up to the next `--`
    --workers 30                               the number of threads that the user wants

Values are read as digitalmodel reads them: true, false, none, numbers, quoted text, else text (so `005` is the number
5; quote it to keep the zeros); beside that `null`, and lists or sections in brackets. Dictionary text is read as a
literal and never evaluated. Pure: no file is read. Does not cover orcabatch's own options (`orcabatch.cli.run`), nor
which sections there are: those of the YAMLs that are read (`BatchReader.sections`).
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from orcabatch.batch.readers import readers
from orcabatch.digitalmodel.mappings import merged
from orcabatch.errors import SettingsError
from orcabatch.settings import nearest_key
from orcabatch.text import nearest, shortened

_WORDS = {"true": True, "false": False, "none": None, "null": None}


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line changes in the YAML.

    Attributes:
        mapping: sections to be merged over the YAML.
        notes: how a word was understood, where that is worth saying.
    """

    mapping: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def parse_overrides(words: Sequence[str], *, options: Iterable[str] = ()) -> Overrides:
    """What `words`, the command line without YAMLs and orcabatch's own options, change in the YAML.

    Args:
        words: as they came from the shell; a later one wins over an earlier one.
        options: orcabatch's own options (such as `--fresh`), to be suggested for a misspelt one.

    Raises:
        SettingsError: words that mean nothing; all of them at once.
    """
    waiting, layers, faults = deque(words), list[Mapping[str, Any]](), list[str]()
    known = _Known(frozenset(section for reader in readers() for section in reader.sections), tuple(options))
    while waiting:
        word = waiting.popleft()
        try:
            layers.append(_layer(word, waiting, known))
        except SettingsError as fault:
            faults.append(str(fault))
    if faults:
        raise SettingsError("\n".join(faults))
    return _understood(reduce(merged, layers, {}), known.sections)


@dataclass(frozen=True, slots=True)
class _Known:
    """The sections there are, and our own options: what a misspelt word may be meant for."""

    sections: frozenset[str]
    options: tuple[str, ...]

    def check(self, word: str, section: str) -> None:
        """Refuse a word about what is no section."""
        if section in self.sections:
            return
        near = nearest(section, [*sorted(self.sections), *self.options])
        if not near and (setting := nearest_key(word.removeprefix("--").partition("=")[0])):
            near = f"performance.{setting}"
        meant = f" Did you mean {near}?" if near else ""
        what = "neither an option (`--help` lists them) nor a" if word.startswith("--") else "no"
        raise SettingsError(f"{word}: {section!r} is {what} section of a digitalmodel post-process YAML.{meant}")


def _layer(word: str, waiting: deque[str], known: _Known) -> Mapping[str, Any]:
    if word.strip().startswith("{"):
        return _dictionary(word)
    if not word.startswith("--"):
        return _assignment(word, known)
    key, has_value, value = word[2:].partition("=")
    if has_value:
        return _assignment(f"{key}={value}", known)
    following = []
    while waiting and not waiting[0].startswith(("--", "{")):
        following.append(waiting.popleft())
    known.check(word, key)
    return {key: _section(word, following, known)}


def _dictionary(word: str) -> Mapping[str, Any]:
    try:
        read = ast.literal_eval(word.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        read = None
    if not isinstance(read, dict) or not all(isinstance(key, str) for key in read):
        raise SettingsError(
            f"{word}: not a dictionary of plain values. "
            "Write \"{'meta': {'label': 'x'}}\", with quotes around every text, and True, False, None as in Python."
        )
    return read


def _assignment(word: str, known: _Known) -> Mapping[str, Any]:
    key, equals, value = word.partition("=")
    if not equals or not all(key.split(".")):
        raise SettingsError(f"{word}: neither a YAML that exists nor key=value, such as meta.label=03c.")
    known.check(word, key.split(".")[0])
    return _nested(key, value)


def _section(word: str, following: Sequence[str], known: _Known) -> Any:
    """What stands behind `--section`: nothing (True), one value, or keys with values."""
    if not following:
        return True
    if len(following) == 1 and "=" not in following[0]:
        return read_value(following[0])
    return reduce(merged, [_key_in_section(word, one, known) for one in following], {})


def _key_in_section(word: str, following: str, known: _Known) -> Mapping[str, Any]:
    key, equals, value = following.partition("=")
    first = key.split(".")[0]
    if not equals or not all(key.split(".")):
        raise SettingsError(f"{following}: behind {word} only key=value is understood.")
    if first in known.sections and "." in key:
        raise SettingsError(f"{following}: behind {word} this would be a key of {word[2:]}. Write it before {word}.")
    return _nested(key, value)


def _nested(key: str, value: str) -> dict[str, Any]:
    inner: Any = read_value(value)
    for part in reversed(key.split(".")):
        inner = {part: inner}
    return dict(inner)


def read_value(text: str) -> Any:
    """The value that `text` stands for: a word such as true, a number, a list in brackets, or the text itself."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if text.startswith(("[", "{")):
        return _bracketed(text)
    try:
        return float(text) if "." in text or "e" in text.lower() else int(text)
    except ValueError:
        return text


def _bracketed(text: str) -> Any:
    from orcabatch.digitalmodel.yaml_text import UnreadableYaml, parse_yaml  # a start without brackets needs no reader

    try:
        return parse_yaml(text)[0]
    except UnreadableYaml as error:
        shown = shortened(text, 80)
        raise SettingsError(f"{shown}: not a list or section in brackets, such as [a, b]{error}.") from error


def _understood(mapping: Mapping[str, Any], sections: Collection[str]) -> Overrides:
    """Takes `workers`, which digitalmodel itself accepts and ignores, for the wish it is."""
    rest = {key: value for key, value in mapping.items() if key != "workers"}
    unknown = [key for key in rest if key not in sections]
    notes = [f"{key}: no section that a post-process reads; passed on to digitalmodel" for key in unknown]
    if "workers" not in mapping:
        return Overrides(rest, tuple(notes))
    workers = mapping["workers"]
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise SettingsError(
            f"--workers {workers}: a whole number of threads from 1 on is needed, such as --workers 30."
        )
    asked = {"performance": {"threading": {"max_threads": workers}}}
    both: dict[str, Any] = merged(asked, rest)
    used = both["performance"]["threading"]["max_threads"]
    said = "understood as performance.threading.max_threads" if used == workers else f"max_threads={used} wins over it"
    return Overrides(both, (*notes, f"--workers {workers}: {said} (digitalmodel itself ignores --workers)"))
