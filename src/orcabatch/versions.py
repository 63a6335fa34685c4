"""Versions of installed packages and of the system. What they are compared for is the affair of those who ask."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
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


INSTALLED = frozenset(["site-packages", "dist-packages"])
"""Folders of installed packages, which have a version; what lies elsewhere is somebody's own."""

SAME = ("orcabatch", "orcfxapi", *DECISIVE)
"""Packages whose version must be the caller's where either has them: results are equal only then."""


def versions_of_results() -> tuple[tuple[str, str], ...]:
    """What must be the same wherever files of one batch are done; an empty version where a package is not there."""
    found = [("Python", ".".join(map(str, sys.version_info[:2])))]
    return (*found, *((name, installed_version(name)) for name in SAME))


def other_versions(wanted: Iterable[tuple[str, str]]) -> str:
    """Which of these versions are others here, in words; empty: none."""
    here = dict(versions_of_results())
    other = [
        f"{name} {here.get(name) or 'missing'} instead of {there or 'none'}"
        for name, there in wanted
        if there != here.get(name)
    ]
    return ", ".join(other)


def system_version() -> str:
    """The operating system and its release: `Linux 6.8.0`, `Windows 11 (10.0.22631)`.

    Not by `platform` on Windows: from Python 3.12 on that asks WMI, even for the host's name. Where WMI may not be
    asked that takes seconds, where it hangs for ever, and a late answer may end the process
    (https://github.com/python/cpython/issues/112278, https://github.com/python/cpython/issues/130727).
    """
    if sys.platform != "win32":
        return f"{platform.system()} {platform.release()}"
    told = sys.getwindowsversion()
    return windows_version((told.major, told.minor, told.build), is_server=told.product_type == _SERVER)


_SERVER = 3
"""VER_NT_SERVER."""
_ELEVEN = 22000
"""The first build of Windows 11, which still calls itself 10.0."""


def windows_version(numbers: tuple[int, int, int], *, is_server: bool) -> str:
    """What Windows with these numbers is called."""
    name = "Server" if is_server else "11" if numbers >= (10, 0, _ELEVEN) else str(numbers[0])
    return f"Windows {name} ({'.'.join(map(str, numbers))})"
