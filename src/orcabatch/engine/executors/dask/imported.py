"""The sources of the modules that a dask worker has imported: it lives longer than a run, and Python imports once.

Whoever edits a module and runs again has the new one; a worker that had imported it before computes with the old one.
Covers modules from files that people edit; not packages that are installed, whose versions are compared
(`orcabatch.versions`), nor what was edited before this process first looked.
"""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from pathlib import Path

from orcabatch.versions import INSTALLED


class Imported:
    """What this process has imported so far."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Path, str, object]] = {}
        self._library = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")]
        self._count = 0

    def note(self) -> None:
        """Remember the sources of the modules that have come, or come again; to be called soon after they may have."""
        again = self._imported_again()
        if len(sys.modules) == self._count and not again:
            return
        modules = set(sys.modules)
        self._count = len(modules)
        for name in (modules - self._seen.keys()) | again:
            file = _of(name, "__file__")
            if isinstance(file, str) and file.endswith(".py") and self._is_edited_by_people(Path(file)):
                self._seen[name] = Path(file), _hash(Path(file)), _of(name, "__spec__")

    def edited(self) -> list[str]:
        """The modules whose source is another one now; of one that was imported again, once that is noted."""
        changed = {name for name, (file, before, _) in list(self._seen.items()) if _hash(file) != before}
        return sorted(changed - self._imported_again())

    def _imported_again(self) -> set[str]:
        """Each import makes another specification, also one that is done again."""
        seen = list(self._seen.items())
        return {name for name, (_, _, spec) in seen if name in sys.modules and _of(name, "__spec__") is not spec}

    def _is_edited_by_people(self, file: Path) -> bool:
        return INSTALLED.isdisjoint(file.parts) and not any(map(file.is_relative_to, self._library))


def _of(name: str, attribute: str) -> object:
    """What a module that is imported has of this name, without asking it: it may answer by importing."""
    return getattr(sys.modules.get(name), "__dict__", {}).get(attribute)


def _hash(file: Path) -> str:
    try:
        return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""
