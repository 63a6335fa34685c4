"""Why a file that was done before is done again, in words.

Words for what a batch depends on come from its source (`orcabatch.batch.sources`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orcabatch.batch.sources import sources

VERSION_OF = "version of "
AGAIN = "Done before, and done again: {files}: {reason}."


def changed(before: Any, now: Mapping[str, Any], first: str) -> str:
    """What differs between all that determined a result then and now; empty where nothing does.

    Args:
        before: as it was kept.
        now: as it is.
        first: the name of the batch's first file.
    """
    if not isinstance(before, Mapping):
        return ""
    known = {"file": "the .sim file changed"} | {key: said for one in sources() for key, said in one.reasons.items()}
    differing = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    words = [known[key].format(first=first) for key in differing if key in known]
    if "uses" in differing:
        words.append(f"what the function uses changed{_which(before.get('uses'), now.get('uses', {}))}")
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
