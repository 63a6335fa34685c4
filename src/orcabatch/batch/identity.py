"""What tells one result from another: versions of all that computes, files as they stand, and keys made of both.

Covers plain functions over files and package metadata. Does not cover what a batch depends on (`Batch.determinants`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orcabatch
from orcabatch.batch.reasons import VERSION_OF
from orcabatch.batch.sources import sources
from orcabatch.host import Fingerprint, fingerprint
from orcabatch.store.values import encode
from orcabatch.versions import DECISIVE, installed_versions

if TYPE_CHECKING:
    from orcabatch.orcaflex.binding import Binding

COMPUTING = ("orcabatch.orcaflex", "orcabatch.store")
"""Our own packages whose source decides what a result is, beside those of the sources (`Source.code`)."""


@cache
def _versions() -> dict[str, str]:
    own = {"orcabatch": f"{orcabatch.__version__} {_own_sources()}", "Python": platform.python_version()}
    return own | installed_versions((*DECISIVE, *(name for one in sources() for name in one.packages)))


def environment(binding: Binding) -> dict[str, Any]:
    """The versions of all that computes."""
    kind = {"orcaflex": str(binding.kind), "OrcFxAPI": binding.version, "OrcaFlex": binding.dll_version}
    return {f"{VERSION_OF}{name}": version for name, version in (kind | _versions()).items()}


def _own_sources() -> str:
    found = hashlib.blake2b(digest_size=16)
    for package in sorted({*COMPUTING, *(name for one in sources() for name in one.code)}):
        place = importlib.util.find_spec(package)
        for folder in (place.submodule_search_locations or []) if place is not None else []:
            for source in sorted(Path(folder).rglob("*.py")):
                found.update(source.read_bytes())
    return found.hexdigest()


def material(content: Mapping[str, Any]) -> bytes:
    """The content as bytes that are the same for the same content, and decode to its items."""
    return encode(sorted(content.items()))


def key_of(kind: str, made_of: bytes) -> bytes:
    """A key for something of that kind, made of what `material` gave."""
    return hashlib.blake2b(made_of, digest_size=16, person=kind.encode()).digest()


def digest(kind: str, content: Mapping[str, Any]) -> bytes:
    """A key for something of that kind with that content; different for any two that differ."""
    return key_of(kind, material(content))


def fingerprint_of(file: Path) -> Fingerprint | None:
    """The file's fingerprint; None where it cannot be read."""
    try:
        return fingerprint(file)
    except OSError:
        return None


def print_of(path: Path) -> list[Any] | None:
    """An output file as it stands: size, time, head and tail; None where it cannot be read."""
    seen = fingerprint_of(path)
    return None if seen is None else [seen.size, seen.mtime_ns, seen.head_tail_hash]
