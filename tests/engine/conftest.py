"""After every test of the engine nothing may be left over."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator

import psutil
import pytest


def descriptors() -> int:
    """Open descriptors of this process; 0 where the system does not say."""
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0  # noqa: PTH208 - the listing itself counts


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """No thread, no process and no descriptor more than before."""
    threads, files = set(threading.enumerate()), descriptors()
    yield
    assert set(threading.enumerate()) <= threads
    assert psutil.Process().children() == []
    assert descriptors() <= files
