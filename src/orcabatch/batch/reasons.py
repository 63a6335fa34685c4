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
    "path": "its path is spelled in another way, which a function can see",
    "output": "another result folder, or other settings of the output files",
    "digitalmodel": "digitalmodel's sources changed",
    "function": "another function or version",
    "initializer": "another initializer",
    "code": "the function's code changed, or a constant, default or enclosed value of it",
    "case": "its load case changed",
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
    differing = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    words = [_WORDS[key] for key in differing if key in _WORDS]
    if "uses" in differing:
        words.append(f"what the function uses changed{_which(before.get('uses'), now.get('uses', {}))}")
    if "settled" in differing:
        words.append(f"the first file of the list ({first}) settles the configuration anew")
    versions = [key.removeprefix(VERSION_OF) for key in differing if key.startswith(VERSION_OF)]
    words += [f"another version of {', '.join(versions)}"] if versions else []
    if not differing:
        return "its output files were changed or removed"
    return ", ".join(dict.fromkeys(words))


def _which(before: Any, now: Mapping[str, Any]) -> str:
    if not isinstance(before, Mapping):
        return ""
    names = [str(name) for name in before.keys() | now.keys() if before.get(name) != now.get(name)]
    return f" ({', '.join(sorted(names))})"
