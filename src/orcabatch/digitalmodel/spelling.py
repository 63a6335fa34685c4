"""A `performance:` section that is misspelt or stands twice, and sections that are missing under their right name.

digitalmodel takes any top-level key, and of one that stands twice the last, and says nothing. For the `performance:`
section that would mean settings without effect, so it is refused, whatever `check` says. Keys below it are checked by
`orcabatch.settings`, all others by `orcabatch.digitalmodel.check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from orcabatch.digitalmodel.outputs import SECTIONS
from orcabatch.errors import SettingsError
from orcabatch.text import MISSPELT, nearest

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


def lookalike(section: str, keys: Iterable[Any]) -> str:
    """The key that looks like a misspelt `section`, or an empty text."""
    return nearest(section, map(str, keys), alike=MISSPELT)


def hint(sections: Iterable[str], cfg: Mapping[str, Any]) -> str:
    """A sentence for every one of `sections` that seems to stand in `cfg` under a name that is none."""
    unknown = [key for key in cfg if key not in SECTIONS]
    found = [(lookalike(section, unknown), section) for section in sections]
    return "".join(f" Is {near!r} meant to be {section}?" for near, section in found if near)
