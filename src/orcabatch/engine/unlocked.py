"""CPU seconds of this process during which Python's interpreter lock (the GIL) was let go: mostly inside the DLL.

    function of the DLL ── its class is one that reads the thread's CPU clock around the call ──> an account per thread
    code of ours that lets the lock go ── `with UNLOCKED.here()` ──────────────────────────────┘

Reading the clock twice costs more than the smallest calls take. So functions that are called often and are short are
read in moments only (`adjust`), and what they took then stands for the time between: all that is read costs a thread
less than `MOST_COST`. Only the class of such a function object changes: it stays the object that OrcFxAPI has, and
what compares it finds it unchanged.

Windows counts a thread's CPU in ticks of 16 ms (https://github.com/python/cpython/issues/135304). A shorter call used
nothing there, or a whole tick: what is said of such calls is said of many together.

Does not cover what follows from it: see `orcabatch.engine.gil`.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import get_ident
from typing import Any

from orcabatch.sleep import slept_s
from orcabatch.win32 import kernel32

EXPORT: Any = ctypes.CFUNCTYPE(None).__mro__[1]
"""The class of every function of a DLL."""

MOST_COST = 0.004
"""Share of the time that reading the clock around calls may take. Less: short calls are read so seldom that what they
take is chance. More: work that consists of short calls is slowed down by being watched."""
LONG_NS = 100_000
"""Calls that take so long are all read: two clock readings are not a hundredth of them. Less: what all of them cost is
no longer small. More: long calls are judged by the few that fall into a moment of reading."""
SHORT_NS = 20_000
"""Where calls are shorter than this, taking the lock back can cost as much CPU as the call: it is left out, by what
the quickest took. Less: waiting for the lock passes for work of the DLL. More: calls that differ are all taken for
the quickest."""
OFTEN_AS_LONG = 2
"""A short call counts at most this many times the quickest of its function."""
BESIDE_OTHERS = 3
"""What a call computes may take so many times as long before it is waiting: other programs have their share of a core.
Less: a core that is shared passes for a DLL that serialises. More: calls that compute in a lock do not seem to wait."""
TICK_NS = 15_625_000 if sys.platform == "win32" else 0
"""What a thread's CPU is counted in; 0: so finely that each call can be told."""
TOGETHER = 16
"""In calls that took so many ticks, those that fell into them say what computed. Fewer: chance decides that, and calls
that compute seem to stand still. More: of functions that are seldom called it is known late whether calls wait in
them."""
THREAD_QUERY_LIMITED_INFORMATION = 0x800
FILETIME_NS = 100
"""Windows counts time in these."""
SLEPT_NS = 1_000_000_000
"""From so long on it is asked whether the machine slept in a call: the clock that tells costs as much as short calls
take. Less: more calls pay for it. More: a machine that sleeps for less is taken for a DLL that lets a call wait."""
CALIBRATING = 200
"""Calls by which the cost of reading is known."""

_call = EXPORT.__call__
_clock, _wall = time.thread_time_ns, time.perf_counter_ns


class _Account:
    """One thread's: nanoseconds of CPU with the lock let go, and since when it is in such a call (-1: it is not).

    `alone_ns`, `waited_ns`: what its calls would have taken with nobody else in the DLL, and waited in it:
    `UnlockedCpu.alone_s`, `waited_s`. `files_ns`: of the first, what reads or writes files.
    """

    __slots__ = ("alone_ns", "began_ns", "calls", "files_ns", "ns", "waited_ns")

    def __init__(self) -> None:
        self.ns, self.calls, self.began_ns, self.alone_ns, self.files_ns, self.waited_ns = 0, 0, -1, 0, 0, 0


@dataclass(slots=True, eq=False)
class _Watched:
    """A function of the DLL.

    Attributes:
        plain, reading: its class as it comes, and the one that reads the clock.
        of_files: reads or writes a file: how long it stands still says nothing of others in the DLL.
        calls, ns, least_ns: seen so far; CPU of the quickest call. quickest_ns: wall of the quickest call.
        still_ns, waited_ns: least that a call stood still, and by how much all of them did so for longer.
        together_ns: what the calls took of which is told together how much they waited; 0: it is told of each.
        some, share: calls not told of yet, what they took, and their CPU; the share that was told last.
        seen_calls, seen_ns, seen_waited_ns: of those, what was there at the last look.
        until_s: not read before; 0: it is being read.
        rate, calls_per_s, waits: what it took meanwhile, CPU seconds per second, how often it was called, and waited.
    """

    function: Any
    plain: type
    reading: type
    of_files: bool = False
    together_ns: int = 0
    calls: int = 0
    ns: int = 0
    least_ns: int = sys.maxsize
    quickest_ns: int = sys.maxsize
    still_ns: int = sys.maxsize
    waited_ns: int = 0
    some: tuple[int, int, int] = (0, 0, 0)
    share: float = 0.0
    seen_calls: int = 0
    seen_ns: int = 0
    seen_waited_ns: int = 0
    until_s: float = 0.0
    rate: float = 0.0
    calls_per_s: float = 0.0
    waits: float = 0.0

    def read(self, *, on: bool) -> None:
        """Read the clock around its calls from now on, or no more."""
        self.function.__class__ = self.reading if on else self.plain
        self.seen_calls, self.seen_ns, self.seen_waited_ns = self.calls, self.ns, self.waited_ns

    def waited(self, took_ns: int, spent_ns: int) -> int:
        """By how much a call stood still for longer than such calls need."""
        if not self.together_ns:
            self.still_ns = max(0, min(self.still_ns, took_ns - spent_ns))
            return max(0, took_ns - BESIDE_OTHERS * spent_ns - self.still_ns)
        calls, took, spent = (before + more for before, more in zip(self.some, (1, took_ns, spent_ns), strict=True))
        self.some = calls, took, spent
        if took >= self.together_ns:
            # Of the quickest it is not known what it computed: as much as they do on average.
            still = max(0, self.quickest_ns - self.ns // max(1, self.calls))
            self.share, self.some = max(0, took - BESIDE_OTHERS * spent - calls * still) / took, (0, 0, 0)
        return int(took_ns * self.share)

    def since_last(self) -> tuple[int, int, int]:
        """Calls, nanoseconds, and those that were waited, since the last look."""
        since = self.calls - self.seen_calls, self.ns - self.seen_ns, self.waited_ns - self.seen_waited_ns
        self.seen_calls, self.seen_ns, self.seen_waited_ns = self.calls, self.ns, self.waited_ns
        return since


@dataclass(slots=True)
class UnlockedCpu:
    """The account of a process; `tick_ns`: what its system counts a thread's CPU in."""

    tick_ns: int = TICK_NS
    _accounts: dict[int, _Account] = field(default_factory=dict)
    _watched: dict[int, _Watched] = field(default_factory=dict)
    _sources: set[Callable[[], float]] = field(default_factory=set)
    _between_s: float = 0.0
    _alone_between_s: float = 0.0
    _files_between_s: float = 0.0
    _waited_between_s: float = 0.0
    _reading_ns: int = -1
    _slept_ns: int = 0
    _on: bool = False

    def watch(self, functions: Iterable[Any], of_files: Container[Any] = ()) -> None:
        """Count the CPU of calls of these functions of a DLL; those that call back are left out: they run Python.

        `of_files`: names of those that read or write files.
        """
        classes: dict[type, type] = {}
        for function in functions:
            plain = type(function)
            if id(function) in self._watched or _calls_back(function):
                continue
            reading = classes.get(plain) or classes.setdefault(plain, self._reading_class(plain))
            about_files, together_ns = function.__name__ in of_files, TOGETHER * self.tick_ns
            self._watched[id(function)] = watched = _Watched(function, plain, reading, about_files, together_ns)
            if self._on:
                watched.read(on=True)

    def add(self, source: Callable[[], float]) -> None:
        """Count what this says too: CPU seconds so far."""
        self._sources.add(source)

    def start(self) -> None:
        """Read from now on."""
        if self._reading_ns < 0:
            self._reading_ns = _cost_of_reading_ns()
        self._look_at_sleep()
        self._on = True
        for watched in list(self._watched.values()):
            watched.read(on=True)
            watched.until_s = 0.0

    def stop(self) -> None:
        """Leave the functions as they were."""
        self._on = False
        for watched in list(self._watched.values()):
            watched.read(on=False)

    @contextmanager
    def here(self) -> Iterator[None]:
        """What the calling thread does inside lets the lock go."""
        account, began_ns = self._mine(), _clock()
        account.began_ns = began_ns
        try:
            yield
        finally:
            account.ns += _clock() - began_ns
            account.began_ns = -1

    def seconds(self) -> float:
        """CPU seconds so far with the lock let go; calls that still run count as far as they are."""
        done_ns = sum(account.ns - account.calls * self._reading_ns for account in list(self._accounts.values()))
        return (done_ns + self._running_ns()) / 1e9 + self._between_s + sum(source() for source in list(self._sources))

    def alone_s(self) -> float:
        """What the calls that have returned so far would have taken with nobody else in the DLL.

        Each counts as the quickest call of its function. So where the DLL lets one in at a time this grows by a second
        a second, however many threads call, and where they only wait, by one for each of them.
        """
        return sum(account.alone_ns for account in list(self._accounts.values())) / 1e9 + self._alone_between_s

    def served_s(self) -> float:
        """As `alone_s`, but for calls that read or write files.

        In a DLL that lets in one at a time no more than a second a second, and that where it is never without a call.
        """
        files_ns = sum(account.files_ns for account in list(self._accounts.values()))
        return self.alone_s() - files_ns / 1e9 - self._files_between_s

    def waited_s(self) -> float:
        """How long calls that have returned so far stood still inside the DLL, beyond what such calls need.

        Neither computing, beside other programs that have their share of the core, nor reading a file (those functions
        are left out), so they waited for others in the DLL; where Python's lock or the cores are taken, also for these.
        """
        return sum(account.waited_ns for account in list(self._accounts.values())) / 1e9 + self._waited_between_s

    def adjust(self, now_s: float, passed_s: float) -> bool:
        """Read the clock less where calls are many and short; whether some are read for this moment only.

        Args:
            now_s: seconds, monotonic.
            passed_s: since the last call of this.
        """
        self._look_at_sleep()
        cost_ns, short, moment = 0, [], False
        for watched in list(self._watched.values()):
            if watched.until_s:
                self._between_s += watched.rate * passed_s
                self._waited_between_s += watched.waits * passed_s
                alone_s = watched.calls_per_s * passed_s * watched.quickest_ns / 1e9
                self._alone_between_s += alone_s
                self._files_between_s += alone_s if watched.of_files else 0.0
                if now_s >= watched.until_s:
                    watched.until_s, moment = 0.0, True
                    watched.read(on=True)
                continue
            calls, ns, waited_ns = watched.since_last()
            cost_ns += calls * self._reading_ns
            # Whether a tick fell into these few calls says nothing of how long they are.
            all_calls, all_ns = (watched.calls, watched.ns) if self.tick_ns else (calls, ns)
            if all_ns < all_calls * LONG_NS:
                short.append((watched, calls, ns, waited_ns))
        if cost_ns > MOST_COST * passed_s * 1e9:
            for watched, calls, ns, waited_ns in short:
                watched.until_s = now_s + cost_ns / (MOST_COST * 1e9)
                watched.calls_per_s, watched.waits = calls / passed_s, waited_ns / (passed_s * 1e9)
                watched.rate = max(0, ns - calls * self._reading_ns) / (passed_s * 1e9)
                watched.read(on=False)
        return moment

    def _look_at_sleep(self) -> int:
        """Nanoseconds that the machine has slept, from some moment on; what is more when a call ends may lie in it."""
        self._slept_ns = round(1e9 * slept_s())
        return self._slept_ns

    def _mine(self) -> _Account:
        account = self._accounts.get(get_ident())
        if account is None:
            account = self._accounts[get_ident()] = _Account()
        return account

    def _running_ns(self) -> int:
        running = [(ident, each) for ident, each in list(self._accounts.items()) if each.began_ns >= 0]
        if not running:
            return 0
        numbers = {thread.ident: thread.native_id for thread in threading.enumerate()}
        cpu_ns = _cpu_of_threads([number for ident, _ in running if (number := numbers.get(ident)) is not None])
        return sum(max(0, cpu_ns.get(numbers.get(ident) or 0, 0) - each.began_ns) for ident, each in running)

    def _reading_class(self, plain: Any) -> type:
        watched, accounts, mine = self._watched, self._accounts, self._mine

        def call(function: Any, *arguments: Any) -> Any:
            account = accounts.get(get_ident()) or mine()
            seen = watched[id(function)]
            slept_ns, entered_ns = self._slept_ns, _wall()
            began_ns = account.began_ns = _clock()
            try:
                return _call(function, *arguments)
            finally:
                spent_ns = _clock() - began_ns
                took_ns = _wall() - entered_ns
                account.began_ns = -1
                # Where the machine slept nobody knows how much of that fell into the call: of it only its CPU counts.
                if took_ns <= SLEPT_NS or self._look_at_sleep() - slept_ns <= SLEPT_NS:
                    seen.quickest_ns = min(seen.quickest_ns, took_ns)
                    account.alone_ns += seen.quickest_ns
                    if seen.of_files:
                        account.files_ns += seen.quickest_ns
                    else:
                        waited_ns = seen.waited(took_ns, spent_ns)
                        account.waited_ns += waited_ns
                        seen.waited_ns += waited_ns
                    seen.least_ns = min(seen.least_ns, spent_ns)
                    # On a clock of 16 ms ticks the quickest call takes none: only the sum over many says something.
                    if spent_ns < SHORT_NS and spent_ns > OFTEN_AS_LONG * seen.least_ns > 0:
                        spent_ns = OFTEN_AS_LONG * seen.least_ns
                    seen.ns += spent_ns
                    seen.calls += 1
                account.ns += spent_ns
                account.calls += 1

        members = {"_flags_": plain._flags_, "_restype_": plain._restype_, "__call__": call}
        return type(plain.__name__, (plain,), members)


UNLOCKED = UnlockedCpu()
"""Of this process."""


def _calls_back(function: Any) -> bool:
    return any(isinstance(each, type) and issubclass(each, EXPORT) for each in function.argtypes or ())


def _cpu_of_threads(numbers: list[int]) -> dict[int, int]:
    """Nanoseconds of CPU by a thread's number in the system, for threads of this process that are still there."""
    kernel = kernel32()
    if kernel is not None:
        return {each: cpu_ns for each in numbers if (cpu_ns := _cpu_of_thread(kernel, each)) is not None}
    if sys.platform == "linux":
        found = {}
        for number in numbers:
            try:
                # How Linux names the CPU clock of a thread: no library offers it for threads that may have ended.
                found[number] = time.clock_gettime_ns((~number << 3) | 6)
            except OSError:
                continue
        return found
    import psutil

    try:
        threads = psutil.Process().threads()
    except (psutil.Error, OSError):
        return {}
    return {each.id: int(1e9 * (each.user_time + each.system_time)) for each in threads}


def _cpu_of_thread(kernel: Any, number: int) -> int | None:
    """By Windows; None where the thread has ended.

    psutil would look through all threads of the machine at each look, which takes milliseconds, with the lock held that
    is measured here (https://github.com/giampaolo/psutil/pull/2919).
    """
    kernel.OpenThread.restype = ctypes.c_void_p
    handle = kernel.OpenThread(THREAD_QUERY_LIMITED_INFORMATION, 0, number)
    if handle is None:
        return None
    _, _, in_kernel, in_user = times = [ctypes.c_uint64() for _ in range(4)]
    try:
        answered = kernel.GetThreadTimes(ctypes.c_void_p(handle), *map(ctypes.byref, times))
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))
    return FILETIME_NS * (in_kernel.value + in_user.value) if answered else None


def _cost_of_reading_ns() -> int:
    """What the two readings and the call itself put between them, around a call that does nothing."""
    nothing = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None).memcmp
    nothing.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    place, clock = ctypes.create_string_buffer(8), time.perf_counter_ns
    around, alone = [], []
    for _ in range(CALIBRATING):
        began = clock()
        _clock()
        _call(nothing, place, place, 8)
        _clock()
        middle = clock()
        _clock()
        around.append(middle - began)
        alone.append(clock() - middle)
    # The quicker ones: what others on the machine add is no cost of ours.
    fast = CALIBRATING // 10
    return max(0, sorted(around)[fast] - sorted(alone)[fast])
