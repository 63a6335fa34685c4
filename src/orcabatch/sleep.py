"""The machine's sleep: a batch holds it off, and what the machine slept all the same is nobody's time.

    held_off   while a batch runs Windows does not fall asleep for want of keys and mouse: computing is not enough there
    awake_s    the clock of whatever is timed, waited for or limited: it stands still while the machine sleeps
    slept_s    for who has to read Python's clock: what that went on meanwhile

On Linux Python's clocks stand still as well; on Windows they go on. After a night each file in work would have passed
its `timeout`, each process that starts would hang, each share be silent, and the next plan would learn hours.

Windows' libraries are handed in, so that both are tested without it; on Windows itself none of this has been run.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_CONTINUOUS, _SYSTEM_REQUIRED = 0x80000000, 0x00000001

_TICKS_PER_S = 10_000_000

_python_s = time.perf_counter
"""Kept from the beginning: a function may set the clocks of its process (a mock of `time`), and would end no wait."""


def awake_s() -> float:
    """Seconds that the machine was awake, from some moment on that all its processes share."""
    return _clock()()


def slept_s() -> float:
    """How far Python's clock is ahead of `awake_s`: it grows by what the machine sleeps."""
    return _python_s() - awake_s()


@functools.cache
def _clock() -> Callable[[], float]:
    if sys.platform == "win32":
        import ctypes

        try:
            # Not `WinDLL`, which lets go of Python's lock, and then waits for it: at every look at the clock.
            return interrupt_clock(ctypes.PyDLL("api-ms-win-core-realtime-l1-1-1.dll"))
        except (OSError, AttributeError):  # before Windows 10: there sleep counts
            return _python_s
    return _python_s


def interrupt_clock(library: Any) -> Callable[[], float]:
    """Windows' clock that stands still while it sleeps.

    Raises:
        AttributeError: the library has none.
    """
    import ctypes

    read, reference, uint64 = library.QueryUnbiasedInterruptTimePrecise, ctypes.byref, ctypes.c_uint64

    def seconds() -> float:
        ticks = uint64()
        read(reference(ticks))
        return float(ticks.value / _TICKS_PER_S)

    return seconds


@contextmanager
def held_off(kernel: Any) -> Iterator[None]:
    """While the block runs the machine does not fall asleep by itself; then what this thread had said before counts.

    Args:
        kernel: kernel32; None where this is not Windows: nothing is done.
    """
    before = 0 if kernel is None else _say(kernel, _CONTINUOUS | _SYSTEM_REQUIRED)
    if before & ~(_CONTINUOUS | _SYSTEM_REQUIRED):  # the caller wants the screen to stay on, as well
        _say(kernel, before | _CONTINUOUS | _SYSTEM_REQUIRED)
    try:
        yield
    finally:
        if before:
            _say(kernel, before | _CONTINUOUS)


def _say(kernel: Any, state: int) -> int:
    """What this thread needs from now on; returns what it needed before, 0 where the system does not listen."""
    return int(kernel.SetThreadExecutionState(state)) & 0xFFFFFFFF
