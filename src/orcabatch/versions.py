"""Versions of installed packages. What they are compared for is the affair of those who ask."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from functools import cache

DECISIVE = ("digitalmodel", "assetutilities", "pandas", "numpy")
"""Packages beside OrcFxAPI whose version decides what a result is, to the last byte."""


@cache
def installed_version(package: str) -> str:
    """Its version; empty where it is not installed.

    Read once a process: a package that is replaced meanwhile stays in use as it was imported.
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of those that are installed, by name."""
    return {name: version for name in packages if (version := installed_version(name))}
