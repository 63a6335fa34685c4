"""What a test may need of the system it runs on, asked of the system itself and not of its name.

    @needs("symbolic links")     skips a test, with the reason
    require("symbolic links")    the same inside a helper or a fixture

`tests/test_capabilities.py` sees that whoever uses such a thing asks for it first.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import signal
import tempfile
from pathlib import Path

import pytest


@functools.cache
def _links() -> bool:
    """On Windows it takes a privilege, or the developer mode."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            (Path(folder) / "link").symlink_to(Path(folder) / "target")
        except (OSError, NotImplementedError):
            return False
    return True


def _signals() -> bool:
    """Linux says which signal a descriptor sends."""
    return hasattr(importlib.import_module("fcntl"), "F_SETSIG")


HAS = {
    "symbolic links": _links,
    "SIGKILL": lambda: hasattr(signal, "SIGKILL"),
    "SIGSTOP": lambda: hasattr(signal, "SIGSTOP"),
    "SIGHUP": lambda: hasattr(signal, "SIGHUP"),
    "fork": lambda: hasattr(os, "fork"),
    "/proc": lambda: Path("/proc/self/fd").is_dir(),
    "named pipes": lambda: hasattr(os, "mkfifo"),
    "process groups": lambda: hasattr(os, "killpg"),
    "terminals": lambda: importlib.util.find_spec("pty") is not None,
    "resource": lambda: importlib.util.find_spec("resource") is not None,
    "folders that are removed while somebody works in them": lambda: os.name == "posix",
    "pipes whose reader may go": lambda: hasattr(signal, "SIGPIPE"),
    "pipes that say when they are full": lambda: os.name == "posix",
    "signals from a descriptor": lambda: importlib.util.find_spec("fcntl") is not None and _signals(),
    "names that are bytes": lambda: os.name == "posix",
}


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip the test where the system lacks one of these."""
    lacking = [name for name in names if not HAS[name]()]
    return pytest.mark.skipif(bool(lacking), reason=f"this system has no {' and no '.join(lacking)}")


def require(*names: str) -> None:
    """Skip the running test where the system lacks one of these."""
    for name in names:
        if not HAS[name]():
            pytest.skip(f"this system has no {name}")


def die() -> None:
    """End this process at once, as a crash does, on every system."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
