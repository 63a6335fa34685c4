"""How much of the time the interpreter lock was held: the sums, and what of the CPU they leave out."""

from __future__ import annotations

import ctypes
import math
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from orcabatch.engine import unlocked
from orcabatch.engine.gil import EVERY_S, HANDOVER, MOMENT_S, SELDOM_S, GilLog, GilMeter, GilUse
from orcabatch.engine.unlocked import EXPORT, LONG_NS, MOST_COST, UnlockedCpu

ROOM = ctypes.create_string_buffer(1 << 24)
TICK_NS = 15_625_000
MS = 1_000_000


@pytest.fixture
def library() -> Any:
    """The C library: `memchr` over much memory is CPU without the lock, over none it is a tiny call."""
    loaded = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
    loaded.memchr.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    loaded.memchr.restype = ctypes.c_void_p
    return loaded


def cpu_of(work: Callable[[], object], seconds: float) -> float:
    """Do this until the calling thread has used so much CPU; how much it was."""
    began = time.thread_time()
    while time.thread_time() < began + seconds:
        work()
    return time.thread_time() - began


class KernelWithThreads:
    """Windows' kernel32, whose threads have used so many units of 100 ns in the kernel and outside."""

    def __init__(self, threads: dict[int, tuple[int, int]]) -> None:
        self.threads, self.asked, self.open = threads, list[int](), list[int]()
        self.OpenThread = self._OpenThread()

    def _OpenThread(self) -> Any:  # noqa: N802 - Windows' name
        def opened(access: int, inherited: int, number: int) -> int | None:
            assert (access, inherited) == (0x800, 0)
            self.asked.append(number)
            self.open += [number] if number in self.threads else []
            return number if number in self.threads else None

        return opened

    def GetThreadTimes(self, handle: Any, began: Any, ended: Any, in_kernel: Any, in_user: Any) -> int:  # noqa: N802
        in_kernel._obj.value, in_user._obj.value = self.threads[handle.value]
        return 1

    def CloseHandle(self, handle: Any) -> int:  # noqa: N802 - Windows' name
        self.open.remove(handle.value)
        return 1


def test_windows_is_asked_for_the_threads_that_are_in_calls_and_for_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """psutil looks through all threads of the machine, with the lock held that is measured; no handle stays open."""
    kernel = KernelWithThreads({11: (2, 3), 12: (0, 156_250), 13: (1, 1)})
    monkeypatch.setattr(unlocked, "kernel32", lambda: kernel)
    monkeypatch.delattr("psutil.Process.threads")
    assert unlocked._cpu_of_threads([11, 12, 14]) == {11: 500, 12: 15_625_000}
    assert (kernel.asked, kernel.open) == ([11, 12, 14], [])


# --- CPU with the lock let go ---


def test_cpu_in_the_dll_is_told_from_cpu_in_python(library: Any) -> None:
    """Long calls: all of their CPU and nothing of Python's, on two threads at once."""
    account = UnlockedCpu()
    account.watch([library.memchr])
    account.start()
    spent = []

    def both() -> None:
        spent.append(cpu_of(lambda: library.memchr(ROOM, 1, len(ROOM)), 0.2))
        cpu_of(lambda: sum(range(1000)), 0.2)

    threads = [threading.Thread(target=both) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    account.stop()
    assert account.seconds() == pytest.approx(sum(spent), rel=0.1)


def test_a_call_that_still_runs_counts_as_far_as_it_is() -> None:
    """A load of minutes is no Python until it ends."""
    account = UnlockedCpu()
    account.start()
    go_on, used = threading.Event(), threading.Event()

    def load() -> None:
        with account.here():
            cpu_of(lambda: None, 0.1)
            used.set()
            go_on.wait()

    thread = threading.Thread(target=load)
    thread.start()
    used.wait()
    meanwhile = account.seconds()
    go_on.set()
    thread.join()
    assert meanwhile == pytest.approx(account.seconds(), abs=0.05)
    assert meanwhile >= 0.1 - 0.02  # psutil's clocks tick


def test_functions_stay_what_they_are_but_for_their_class(library: Any) -> None:
    """What compares, or asks for its types, finds OrcFxAPI as it was; afterwards its class is the old one too."""
    before, kind = library.memchr, type(library.memchr)
    account = UnlockedCpu()
    account.watch([library.memchr])
    account.start()
    assert library.memchr is before
    assert isinstance(before, EXPORT)
    assert (before.argtypes, before.restype) == ((ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t), ctypes.c_void_p)
    assert before(ROOM, 1, 8) is None
    with pytest.raises(ctypes.ArgumentError):
        before("text", [], 8)
    account.stop()
    assert type(before) is kind


@pytest.mark.skipif(sys.platform == "win32", reason="its C library has no call that sleeps")
def test_calls_that_wait_for_each_other_count_as_the_quickest(library: Any) -> None:
    """A second a second where one is let in at a time, however many are called: a call's time alone is its quickest."""
    library.usleep.argtypes = (ctypes.c_uint,)
    account = UnlockedCpu()
    account.watch([library.usleep])
    account.start()
    for microseconds in (10_000, 200_000):
        library.usleep(microseconds)
    account.stop()
    assert 0.02 <= account.alone_s() < 0.1


@pytest.mark.skipif(sys.platform == "win32", reason="its C library has no call that sleeps")
def test_standing_still_beyond_the_least_is_waiting_but_not_for_a_file(library: Any) -> None:
    """The least of a function's calls is what it needs; what computes does not wait, and files are left out."""
    library.usleep.argtypes = (ctypes.c_uint,)
    for of_files, least, most in (((), 0.18, 0.5), (("usleep",), 0.0, 0.0)):
        account = UnlockedCpu()
        account.watch([library.usleep], of_files)
        account.start()
        for microseconds in (10_000, 200_000):
            library.usleep(microseconds)
        account.stop()
        assert least <= account.waited_s() <= most


class TickingSystem:
    """Windows: CPU is counted in ticks, a whole one to whoever computes when it ends. Calls take what `next` says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns, self.cpu_ns, self.next = 0, 0, (0, 0)
        monkeypatch.setattr(unlocked, "_wall", lambda: self.now_ns)
        monkeypatch.setattr(unlocked, "_clock", lambda: self.cpu_ns)
        monkeypatch.setattr(unlocked, "_call", lambda *_: self.spend(*self.next))

    def spend(self, waits_ns: int, computes_ns: int) -> None:
        began = self.now_ns + waits_ns
        self.now_ns = began + computes_ns
        self.cpu_ns += (self.now_ns // TICK_NS - began // TICK_NS) * TICK_NS


def share_waited(system: TickingSystem, tick_ns: int, calls: list[tuple[int, int]]) -> float:
    """Of what so many calls took, how much they are said to have waited."""
    nothing = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None).abs
    account, took_ns = UnlockedCpu(tick_ns), 0
    account.watch([nothing])
    account.start()
    for system.next in calls:
        nothing(1)
        took_ns += sum(system.next)
        system.spend(0, MS // 3)  # what Python does with it
    account.stop()
    return account.waited_s() * 1e9 / took_ns


@pytest.mark.parametrize(("tick_ns", "most"), [(TICK_NS, 0.05), (0, 1.0)])
def test_calls_that_compute_do_not_wait_where_no_tick_falls_into_them(
    monkeypatch: pytest.MonkeyPatch, tick_ns: int, most: float
) -> None:
    """One by one they would: a tick that falls into a short one makes it, and so the least, stand still for nothing."""
    computing = [(0, (1 + number % 4) * MS) for number in range(2000)]
    waited = share_waited(TickingSystem(monkeypatch), tick_ns, computing)
    assert most - 0.25 < waited <= most


def test_calls_that_wait_for_each_other_wait_where_cpu_is_counted_in_ticks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 10 ms each computes one and waits nine for others, but for the first: beyond three times its own it waits."""
    waited = share_waited(TickingSystem(monkeypatch), TICK_NS, [(0, MS), *[(9 * MS, MS)] * 2000])
    assert waited == pytest.approx(0.7, abs=0.1)


def test_calls_that_need_to_stand_still_do_not_wait_where_cpu_is_counted_in_ticks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each takes 5 ms for an answer from elsewhere, however many are asked."""
    assert share_waited(TickingSystem(monkeypatch), TICK_NS, [(5 * MS, MS)] * 2000) < 0.1


@pytest.mark.parametrize("tick_ns", [TICK_NS, 0])
def test_long_calls_are_read_on_where_no_tick_fell_into_the_last(tick_ns: int) -> None:
    """A hundred of 5 ms each, and four since the last look: in ticks these took nothing, and reading four is dear."""
    nothing = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None).abs
    account = UnlockedCpu(tick_ns)
    account.watch([nothing])
    account.start()
    account._reading_ns = MS
    watched = account._watched[id(nothing)]
    watched.calls, watched.ns = 100, 500 * MS
    watched.read(on=True)
    watched.calls += 4
    account.adjust(1.0, 0.05)
    assert (type(nothing) is watched.reading) is (tick_ns > 0)
    account.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="its C library has no call that sleeps")
def test_what_is_about_files_is_not_what_the_dll_serves(library: Any) -> None:
    """A load may wait for a disk or a share, many at once: it says nothing of how much of the time the DLL is taken."""
    library.usleep.argtypes = (ctypes.c_uint,)
    for of_files in ((), ("usleep",)):
        account = UnlockedCpu()
        account.watch([library.usleep], of_files)
        account.start()
        library.usleep(10_000)
        account.stop()
        assert account.alone_s() >= 0.01
        assert account.served_s() == pytest.approx(0.0 if of_files else account.alone_s())


def test_what_the_dll_serves_between_moments_of_reading_leaves_files_out_as_well() -> None:
    """A thousand calls a second of 10 us each, nobody reading the clock: as much again in each second."""
    nothing = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None).abs
    for of_files, seconds in (((), 0.01), (("abs",), 0.0)):
        account = UnlockedCpu()
        account.watch([nothing], of_files)
        account.start()
        watched = account._watched[id(nothing)]
        watched.calls_per_s, watched.quickest_ns, watched.until_s = 1000, 10_000, 9.0
        account.adjust(2.0, 1.0)
        account.stop()
        assert account.alone_s() == pytest.approx(0.01)
        assert account.served_s() == pytest.approx(seconds)


@pytest.mark.parametrize("noticed", [False, True])
def test_what_the_machine_slept_in_a_call_is_no_waiting(
    noticed: bool, library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a call says nothing, also where a look came between; a long one that was awake did wait."""
    slept, waited, account = [0.0], [0.0], UnlockedCpu()
    night_s, second_s = 8 * 3600.0, 1.5
    monkeypatch.setattr(unlocked, "slept_s", lambda: slept[0])
    monkeypatch.setattr(unlocked, "_wall", lambda: round(1e9 * (slept[0] + waited[0])))

    def call(function: Any, slept_s: float, waited_s: float) -> None:
        slept[0] += slept_s
        waited[0] += waited_s
        if noticed:
            account.adjust(waited[0], 1.0)

    account.watch([library.memchr])
    account.start()
    monkeypatch.setattr(unlocked, "_call", call)
    for times in ((night_s, 0.01), (0.0, 0.01), (night_s, second_s), (0.0, second_s)):
        library.memchr(*times)
    account.stop()
    assert account.alone_s() == pytest.approx(2 * 0.01)
    assert account.waited_s() == pytest.approx(second_s - 0.01, rel=1e-3)


def test_a_long_call_right_after_the_machine_slept_is_not_the_quickest(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody had looked since: the night seems to lie in the call, which would have taken less than nothing."""
    slept, waited, account = [0.0], [0.0], UnlockedCpu()
    monkeypatch.setattr(unlocked, "slept_s", lambda: slept[0])
    monkeypatch.setattr(unlocked, "_wall", lambda: round(1e9 * (slept[0] + waited[0])))
    account.watch([library.memchr])
    account.start()

    def call(function: Any, waited_s: float) -> None:
        waited[0] += waited_s

    monkeypatch.setattr(unlocked, "_call", call)
    slept[0] += 8 * 3600.0
    library.memchr(1.5)
    for _ in range(2):
        account.adjust(0.0, 1e-9)  # one call would be many in so short a time, read no more and extrapolated
    for waited_s in (0.01, 1.5):
        library.memchr(waited_s)
    account.stop()
    assert account.alone_s() == pytest.approx(2 * 0.01)
    assert account.waited_s() == pytest.approx(1.5 - 0.01, rel=1e-3)


def test_what_calls_back_is_python(library: Any) -> None:
    """The time inside `qsort` is that of the function it is given."""
    order = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    library.qsort.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, order)
    account = UnlockedCpu()
    account.watch([library.qsort])
    account.start()
    compare = order(lambda *_: cpu_of(lambda: None, 0.001) and 0)
    cpu_of(lambda: library.qsort(ROOM, 16, 1, compare), 0.1)
    account.stop()
    assert account.seconds() == 0.0


def test_many_short_calls_are_read_in_moments_only(library: Any) -> None:
    """So many that reading each would cost more than may be: then none, until what it cost is paid for."""
    account = UnlockedCpu()
    account.watch([library.memchr])
    account.start()
    account.adjust(0.0, 0.05)
    for _ in range(20_000):
        library.memchr(ROOM, 1, 8)
    assert not account.adjust(0.05, 0.05)
    watched = account._watched[id(library.memchr)]
    plain = type(library.memchr)
    assert plain is watched.plain
    assert watched.until_s - 0.05 == pytest.approx(20_000 * account._reading_ns / 1e9 / MOST_COST)
    assert not account.adjust(watched.until_s - 0.01, 0.05)
    moment = account.adjust(watched.until_s, 0.01)
    assert moment
    assert type(library.memchr) is watched.reading
    account.stop()


def test_what_is_not_read_counts_as_it_did_when_it_was() -> None:
    """A function took 10 us of CPU a call, 1,000 times in a second: as much again in each second without reading."""
    nothing = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None).abs
    account = UnlockedCpu()
    account.watch([nothing])
    account.start()
    account._reading_ns = 10_000  # so that a thousand calls are too dear
    watched = account._watched[id(nothing)]
    watched.calls, watched.ns = 1000, 1000 * 20_000
    account.adjust(1.0, 1.0)
    assert type(nothing) is watched.plain
    before = account.seconds()
    account.adjust(2.0, 1.0)
    account.stop()
    assert account.seconds() - before == pytest.approx(0.01)


def test_long_calls_are_always_read() -> None:
    """However many there are: reading costs them next to nothing."""
    nothing = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None).abs
    account = UnlockedCpu()
    account.watch([nothing])
    account.start()
    watched = account._watched[id(nothing)]
    watched.calls, watched.ns = 100_000, 100_000 * LONG_NS
    account.adjust(1.0, 1.0)
    assert type(nothing) is watched.reading
    account.stop()


# --- the share ---


def test_a_runs_first_looks_are_told_apart() -> None:
    """They follow each other closely: what its start took of the lock in the first is not the second's as well."""
    log = GilLog()
    for at_s, used_s in ((0.0, 0.0), (0.025, 0.02), (0.05, 0.02), (0.0625, 0.02)):
        log.add(at_s, used_s, 0.0)
    assert log.between(0.0, 0.025).held == pytest.approx(0.8)
    assert log.between(0.026, 0.0625).held == 0.0


def looks(*used_s: float, waited_s: float = 0.0, step_s: float = 0.1) -> GilLog:
    """A log of looks in equal steps, with the CPU seconds used until each."""
    log = GilLog()
    for number, used in enumerate(used_s):
        log.add(number * step_s, used, waited_s)
    return log


def test_the_lock_is_held_as_long_as_python_computes() -> None:
    """Forty milliseconds of CPU outside the DLL in each tenth of a second."""
    assert looks(*(0.04 * number for number in range(21))).between(0.0, 2.0).held == pytest.approx(0.4)


def test_more_than_a_core_cannot_all_have_held_it() -> None:
    """Large NumPy calls let the lock go too: then those who were late say how often it was taken."""
    used = [0.3 * number for number in range(21)]
    assert looks(*used).between(0.0, 2.0).held == 0.0
    assert looks(*used, waited_s=0.005).between(0.0, 2.0).held == 1.0


@pytest.mark.parametrize(("late_s", "held"), [(0.001, 0.0), (200e-6, 0.5)])
def test_a_timer_of_half_a_millisecond_is_no_lock_that_is_taken(late_s: float, held: float) -> None:
    """Windows' sleep ends up to so much later than the quickest, on free cores: NumPy uses three of them here."""
    log = GilLog(late_s=late_s)
    for number in range(61):
        log.add(number / 10, 0.3 * number, number % 6 * 1e-4)
    assert log.between(0.0, 6.0).held == pytest.approx(held, abs=0.01)


def test_a_stretch_of_the_log_holds_the_looks_in_it() -> None:
    """Ten seconds free, then ten seconds held, and each look in them late by ten milliseconds."""
    log = GilLog()
    for step in range(201):
        log.add(step / 10, max(0.0, step / 10 - 10), 0.01 if step > 100 else 0.0)
    assert log.between(0.0, 9.0).held == 0.0
    assert log.between(12.0, 19.0).held == pytest.approx(1.0)
    assert log.between(0.0, math.inf) == GilUse(pytest.approx(0.5), pytest.approx(0.005), 200)


def test_a_stretch_between_two_looks_takes_the_nearest() -> None:
    """A file shorter than the step is judged by what was seen around it."""
    log = looks(*(0.1 * number for number in range(40)))
    assert log.between(1.11, 1.12).held == pytest.approx(1.0)
    assert log.between(1000.0, 1001.0).held == pytest.approx(1.0)


def test_few_looks_of_a_stretch_are_seen_with_those_before() -> None:
    """One look of a short file says nothing alone; what was long before says nothing about it either."""
    log = GilLog()
    for at_s in range(41):
        log.add(float(at_s), sum(each > 30 and each != 37 for each in range(at_s + 1)), 0.01)
    assert log.between(36.5, 37.0).held == pytest.approx(0.0)
    assert log.between(36.5, 37.0, 4).held == pytest.approx(0.75)


def test_nothing_looked_at_is_nothing_held() -> None:
    """A monitor that never ran has no evidence."""
    assert GilLog().between(0.0, 10.0) == GilUse()
    assert GilMeter().since(0.0) == GilUse()


def test_the_log_stays_small() -> None:
    """Twenty looks a second for an hour make some ten entries a second."""
    log = looks(*(0.0 for _ in range(20 * 3600)), step_s=0.05)
    assert len(log._times) <= 14 * 3600


# --- looking ---


class FakeUnlocked(UnlockedCpu):
    """Everything but a tenth of a core is the DLL's."""

    def seconds(self) -> float:
        return 0.9 * time.perf_counter()


def test_who_comes_later_and_who_stays_longer_see_all_of_it() -> None:
    """The thread runs from the first that wants to know to the last, and the functions are as before afterwards."""
    meter = GilMeter(FakeUnlocked(), cpu_s=time.perf_counter)
    began_s = time.perf_counter()
    with meter.looking():
        meter.begin()
    while meter.between(began_s, math.inf).looks < 2:
        time.sleep(0)
    assert meter.since(began_s).held == pytest.approx(0.1, abs=0.02)
    thread = meter._thread
    meter.end()
    assert thread is not None
    assert not thread.is_alive()


class CoarseClock:
    """Windows' clock: a wait with a timeout ends with a tick of it, a sleep on time. Its last wait ends the looking."""

    def __init__(self) -> None:
        self.now_s, self.waits = 0.0, 0

    def wait(self, seconds: float) -> bool:
        self.waits += 1
        self.now_s = math.ceil((self.now_s + seconds) / 0.0156) * 0.0156 if seconds else self.now_s
        return self.waits > 200

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds + 50e-6


class LateClock(CoarseClock):
    """Every wait ends so much later than asked for, but for the first."""

    def __init__(self, late_s: float) -> None:
        super().__init__()
        self.late_s, self.asked = late_s, list[float]()

    def wait(self, seconds: float) -> bool:
        self.asked.append(seconds)
        self.now_s += seconds + (self.late_s if self.waits else 0.0)
        self.waits += 1
        return self.waits > 200


@pytest.mark.parametrize(("late_s", "every_s"), [(0.0, EVERY_S), (1e-4, EVERY_S), (1e-3, 0.1), (5e-3, SELDOM_S)])
def test_who_holds_the_lock_is_stopped_by_looks_for_a_small_share_of_the_time(late_s: float, every_s: float) -> None:
    """What a look waited for the lock or a core is what its holder stands still for, about: looks are further apart."""
    clock = LateClock(late_s)
    GilMeter(UnlockedCpu(), lambda: clock.now_s, lambda: 0.0, tick_s=0.0)._watch(clock)  # type: ignore[arg-type]
    assert clock.asked[3:] == pytest.approx([every_s] * len(clock.asked[3:]))
    assert late_s <= HANDOVER * every_s or every_s == SELDOM_S


class Moments(UnlockedCpu):
    """Every second look is one of a moment."""

    def adjust(self, now_s: float, passed_s: float) -> bool:
        self._on = not self._on
        return self._on


@pytest.mark.parametrize("tick_s", [0.016, 0.0])
def test_a_clock_of_coarse_ticks_is_no_lock_that_is_taken(tick_s: float) -> None:
    """With waits alone, those of the usual length end later than those of a moment, whatever the lock does."""
    clock = CoarseClock()
    meter = GilMeter(Moments(), lambda: clock.now_s, lambda: 0.0, sleep=clock.sleep, tick_s=tick_s)
    meter._watch(clock)  # type: ignore[arg-type]
    last = meter._log._sums[-1]
    assert last.looks >= 150
    assert (last.late > 0) is (tick_s == 0.0)


@pytest.mark.parametrize(("tick_s", "moment_s"), [(0.0, MOMENT_S), (0.016, 0.256)])
def test_a_moment_is_long_enough_for_ticks_to_fall_into_it(tick_s: float, moment_s: float) -> None:
    """What calls took in it stands for seconds: a tick more or less may not decide that."""
    clock = LateClock(0.0)
    meter = GilMeter(Moments(), lambda: clock.now_s, lambda: 0.0, sleep=clock.sleep, tick_s=tick_s)
    meter._watch(clock)  # type: ignore[arg-type]
    assert {round(seconds + tick_s, 4) for seconds in clock.asked} == {EVERY_S, moment_s}
