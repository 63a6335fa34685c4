"""Why a file that was done before is done again, in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VERSION_OF = "version of "
AGAIN = "Done before, and done again: {files}: {reason}."

_WORDS = {
    "file": "the .sim file changed",
    "configuration": "the configuration changed",
    "merged": "the configuration changed",
    "item": "the file is named in another way",
    "output": "another result folder, or other settings of the output files",
    "digitalmodel": "digitalmodel's sources changed",
    "function": "another function or version",
    "initializer": "another initializer",
}


def changed(before: Any, now: Mapping[str, Any], first: str) -> str:
    """What differs between all that determined a result then and now; empty where nothing does.

    Args:
        before: as it was kept.
        now: as it is.
        first: the name of the batch's first file.
    """
    if not isinstance(before, Mapping):
        return ""
    differing = [key for key in now if before.get(key) != now[key]]
    words = [_WORDS[key] for key in differing if key in _WORDS]
    if "settled" in differing:
        words.append(f"the first file of the list ({first}) settles the configuration anew")
    versions = [key.removeprefix(VERSION_OF) for key in differing if key.startswith(VERSION_OF)]
    words += [f"another version of {', '.join(versions)}"] if versions else []
    if not differing:
        return "its output files were changed or removed"
    return ", ".join(dict.fromkeys(words))
