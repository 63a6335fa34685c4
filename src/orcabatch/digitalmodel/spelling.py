"""Sections of a digitalmodel YAML that are misspelt or stand twice.

digitalmodel takes any top-level key, and of one that stands twice the last, and says nothing. For the `performance:`
section that would mean settings without effect, so it is refused. Other keys that look like misspelt ones are said: one
may be somebody's own. Keys below `performance:` are checked by `orcabatch.settings`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from orcabatch.digitalmodel.arguments import SECTIONS
from orcabatch.digitalmodel.base_config import OUTPUTS, STATISTICS
from orcabatch.errors import SettingsError

_AS_ALIKE_AS = 0.8
_OUTPUT = {"flag", "statistics"}
KEYS: Mapping[str, Collection[str]] = {
    "": SECTIONS,
    "meta": {"basename", "library", "label", "description", "version"},
    "file_management": {"flag", "input_directory", "output_directory", "filename", "input_files", "files"},
    "file_management.filename": {"extension", "pattern", "filters"},
    "file_management.filename.filters": {"contains", "not_contains"},
    "orcaflex": {"postprocess", "preprocess", "analysis", "file"},
    "orcaflex.postprocess": OUTPUTS,
    **{f"orcaflex.postprocess.{output}": _OUTPUT for output in OUTPUTS},
    "orcaflex.postprocess.summary.statistics": STATISTICS,
}
"""The keys that digitalmodel reads in each section, as far as a misspelt one would change a batch in silence."""
_TWICE = re.compile(r"^(['\"]?)performance\1\s*:", re.MULTILINE)


def check_performance(text: str, asked: Mapping[str, Any], yaml_name: str) -> None:
    """Refuse a YAML whose `performance:` section would be left unread.

    Args:
        text: the YAML as it stands in the file.
        asked: what it holds.
        yaml_name: for the message.

    Raises:
        SettingsError: the section stands twice, or under a misspelt name.
    """
    if len(_TWICE.findall(text)) > 1:
        raise SettingsError(
            f"{yaml_name}: the section performance stands more than once, and only the last one would count. "
            "Put all its keys under one `performance:`."
        )
    near = lookalike("performance", (key for key in asked if key != "performance"))
    if near:
        raise SettingsError(f"{yaml_name}: {near!r} is no section. Did you mean performance? Nothing was run.")


def misspelt(asked: Mapping[str, Any]) -> Iterator[str]:
    """What to say of each key that digitalmodel does not read, where a key that it does read looks like it."""
    for path, known in KEYS.items():
        section: Any = asked
        for name in path.split(".") if path else ():
            section = section.get(name) if isinstance(section, Mapping) else None
        if isinstance(section, Mapping):
            for key in section.keys() - set(known):
                near = lookalike(str(key), known)
                if near and near not in section:
                    where = f"{path}.{key}" if path else str(key)
                    yield f"{where}: digitalmodel does not read this key. Did you mean {near}?"


def lookalike(section: str, keys: Iterable[Any]) -> str:
    """The key that looks like a misspelt `section`, or an empty text."""
    near = difflib.get_close_matches(section, [str(key) for key in keys], n=1, cutoff=_AS_ALIKE_AS)
    return near[0] if near else ""


def hint(sections: Iterable[str], cfg: Mapping[str, Any], known: Iterable[str]) -> str:
    """A sentence for every one of `sections` that seems to stand in `cfg` under a name that is none of the `known`."""
    unknown = [key for key in cfg if key not in set(known)]
    found = [(lookalike(section, unknown), section) for section in sections]
    return "".join(f" Is {near!r} meant to be {section}?" for near, section in found if near)
