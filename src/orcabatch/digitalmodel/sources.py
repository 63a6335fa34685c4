"""digitalmodel's sources, looked at without importing any of it.

What the ledger has to know before it can say that nothing need be done: where the post-process lives, which sources
decide its results, and the two habits of newer clones that matter. `orcabatch.digitalmodel.layout` says the same of the
digitalmodel that was imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from orcabatch.digitalmodel.layout import CALLED, PACKAGES, digest_of, place_of


@dataclass(frozen=True, slots=True)
class Sources:
    """The installed digitalmodel, from outside.

    Attributes:
        package: the package its post-process lives in.
        digest: as `Layout.digest`.
        has_pool: whether its own post-process runs a pool of processes unless told otherwise.
        discovers: whether merging masters may look into `.sim` files.
        has_gate: whether it wants to import OrcFxAPI itself, before anybody else.
    """

    package: str
    digest: str
    has_pool: bool
    discovers: bool
    has_gate: bool


def find_sources() -> Sources | None:
    """The installed digitalmodel; None where there is none, or it cannot be told without importing it."""
    found = importlib.util.find_spec("digitalmodel")
    for folder in (found.submodule_search_locations or ()) if found is not None else ():
        for package in PACKAGES:
            place = place_of(package, Path(folder))
            if (place / "opp.py").is_file():
                return _described(package, place)
    return None


def _described(package: str, place: Path) -> Sources | None:
    try:
        text = (place / "opp.py").read_text(encoding="utf-8")
        hashes = {name: _hash(place / f"{name}.py") for name in CALLED}
    except (OSError, UnicodeDecodeError):
        return None
    return Sources(
        package=package,
        digest=digest_of(hashes),
        has_pool="\ndef process_single_file(" in text,
        discovers="_discover_line_names" in text,
        has_gate=(place / "orcaflex_api.py").exists(),
    )


def _hash(source: Path) -> str:
    return hashlib.sha256(source.read_bytes().replace(b"\r\n", b"\n")).hexdigest() if source.exists() else ""
