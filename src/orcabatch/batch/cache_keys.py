"""What tells one result from another: versions of all that computes, files as they stand, and keys made of both.

Covers plain functions over files and package metadata, and words for what changed between two results of a file. Does
not cover what a batch depends on (`Batch.determinants`), nor the words for that (`BatchReader.reasons`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.batch.readers import readers
from orcabatch.doctor.assumptions import BY_NAME
from orcabatch.doctor.verdicts import broken_assumptions
from orcabatch.host import Fingerprint, fingerprint
from orcabatch.store.values import encode
from orcabatch.versions import DECISIVE, installed_version, installed_versions

if TYPE_CHECKING:
    from orcabatch.orcaflex.binding import Binding

VERSION_OF = "version of "
DOUBTS = "doubts"
"""Results that were computed before the doctor found out what does not hold are not used after it."""
AGAIN = "Done before, and done again"
OVERWRITTEN = (
    "Another program wrote over output files of this run: {0}. Is it a plain loop over the same folder? What "
    "stands there may be its numbers. Run the same command again when that has ended: they will be written again."
)
CHANGED_MEANWHILE = (
    "{0} was changed or removed after this run had found the results of {1} unchanged, and before it began. Did "
    "another run write to the same folder, or was a simulation run again? Run the same command again."
)

COMPUTING = ("orcabatch.orcaflex", "orcabatch.store")
"""Our own packages whose source decides what a result is, beside those of the readers (`BatchReader.code`)."""


@cache
def _versions() -> dict[str, str]:
    own = {"orcabatch": f"{installed_version('orcabatch')} {_own_sources()}", "Python": platform.python_version()}
    return own | installed_versions((*DECISIVE, *(name for one in readers() for name in one.packages)))


def environment(binding: Binding) -> dict[str, Any]:
    """The versions of all that computes, and what is known not to hold of them."""
    kind = {"orcaflex": str(binding.kind), "OrcFxAPI": binding.version, "OrcaFlex": binding.dll_version}
    versions: dict[str, Any] = {f"{VERSION_OF}{name}": version for name, version in (kind | _versions()).items()}
    doubts = sorted(each.name for each in broken_assumptions(binding) if BY_NAME[each.name].decides)
    return versions | ({DOUBTS: doubts} if doubts else {})


def _own_sources() -> str:
    found = hashlib.blake2b(digest_size=16)
    for package in sorted({*COMPUTING, *(name for one in readers() for name in one.code)}):
        place = importlib.util.find_spec(package)
        if place is None:
            continue
        folders = place.submodule_search_locations
        here = [Path(place.origin)] if folders is None and place.origin else []
        for source in sorted([*here, *(each for folder in folders or () for each in Path(folder).rglob("*.py"))]):
            found.update(source.read_bytes())
    return found.hexdigest()


def encoded_by_key(content: Mapping[str, Any]) -> bytes:
    """The content as bytes that are the same for the same content, and decode to its items."""
    return encode(sorted(content.items()))


def key_of(kind: str, made_of: bytes) -> bytes:
    """A key for something of that kind, made of what `encoded_by_key` gave."""
    return hashlib.blake2b(made_of, digest_size=16, person=kind.encode()).digest()


def digest(kind: str, content: Mapping[str, Any]) -> bytes:
    """A key for something of that kind with that content; different for any two that differ."""
    return key_of(kind, encoded_by_key(content))


def fingerprint_of(file: Path) -> Fingerprint | None:
    """The file's fingerprint; None where it cannot be read."""
    try:
        return fingerprint(file)
    except OSError:
        return None


def output_print(path: Path) -> list[Any] | None:
    """An output file as it stands: size, time, head and tail; None where it cannot be read."""
    seen = fingerprint_of(path)
    return None if seen is None else [seen.size, seen.mtime_ns, seen.head_tail_hash]


def changed(before: Any, now: Mapping[str, Any], first: str) -> str:
    """What differs between all that determined a result then and now; empty where nothing does.

    Args:
        before: as it was kept.
        now: as it is.
        first: the name of the batch's first file.
    """
    if not isinstance(before, Mapping):
        return ""
    known = {"file": "the .sim file changed", DOUBTS: "the doctor found out what does not hold"} | {
        key: said for one in readers() for key, said in one.reasons.items()
    }
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
