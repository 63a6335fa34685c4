"""A thread of ours has begun once `start` comes back, or `start` says that it has not; never does it wait for ever."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from typing import Any

import pytest

from births import BEFORE_ITS_TARGET, FOR_ITS_TARGET, MOMENTS, die_at_birth
from orcabatch import own_thread
from orcabatch.own_thread import STILLBORN, OwnThread


def test_it_is_a_thread_as_any_other() -> None:
    """Listed by its name while it lives, a daemon unless said otherwise, and over when it is joined."""
    seen, go_on = list[Any](), threading.Event()

    def live(*words: str) -> None:
        seen.extend(words)
        go_on.wait()

    thread = OwnThread(live, "ours", ("a", "b"))
    assert (thread.is_alive(), thread in threading.enumerate()) == (False, False)
    thread.start()
    assert (thread.is_alive(), thread.daemon, [each.name for each in threading.enumerate()].count("ours")) == (
        True,
        True,
        1,
    )
    go_on.set()
    thread.join()
    assert (thread.is_alive(), thread in threading.enumerate(), seen) == (False, False, ["a", "b"])
    with pytest.raises(RuntimeError, match="threads can only be started once"):
        thread.start()
    assert not OwnThread(live, "ours", daemon=False).daemon


def test_nothing_of_it_is_left_to_the_garbage_collector() -> None:
    """No circle: a thread that is over goes with who had it."""
    gc.disable()
    try:
        thread = OwnThread(lambda: None, "ours")
        thread.start()
        thread.join()
        left = weakref.ref(thread)
        del thread
        assert left() is None
    finally:
        gc.enable()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("moment", MOMENTS)
def test_one_that_finds_no_memory_at_its_birth_is_none(
    moment: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever starts it hears so, as where the system gives no thread; it is not listed, its target is not called."""
    called: list[int] = []
    met = die_at_birth(monkeypatch, "ours", moment)
    thread = OwnThread(called.append, "ours", (1,))
    with pytest.raises(RuntimeError, match=STILLBORN):
        thread.start()
    assert (met, called, thread.is_alive()) == (["ours"], [], False)
    assert thread not in threading.enumerate()
    # Python itself prints what a thread's `run` raises, and only that.
    assert moment == BEFORE_ITS_TARGET or capfd.readouterr() == ("", "")


def test_one_in_which_nothing_of_python_runs_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no memory for its first call it can say nothing itself: it is missed."""

    def no_memory(birth: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    monkeypatch.setattr(own_thread._Birth, "__call__", no_memory)
    thread = OwnThread(print, "ours")
    with pytest.raises(RuntimeError, match=STILLBORN):
        thread.start()
    assert thread not in threading.enumerate()


def test_one_that_waits_for_its_turn_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy host a thread begins late, however often it is looked for, and has begun when `start` comes back."""
    looks, enough = list[bool](), threading.Event()
    original, waited = threading.Thread._bootstrap_inner, own_thread._Begun._waited  # type: ignore[attr-defined]

    def late(self: Any) -> None:
        enough.wait()
        original(self)

    def look(self: Any) -> bool:
        looks.append(waited(self))
        if len(looks) == 3:
            enough.set()
        return looks[-1]

    monkeypatch.setattr(own_thread, "LOOK_S", 0.001)
    monkeypatch.setattr(threading.Thread, "_bootstrap_inner", late)
    monkeypatch.setattr(own_thread._Begun, "_waited", look)
    called: list[int] = []
    thread = OwnThread(called.append, "ours", (1,))
    thread.start()
    assert (looks[:3], looks[-1]) == ([False] * 3, True)
    thread.join()
    assert called == [1]


def test_who_finds_no_memory_to_wait_waits_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread lives: whoever started it must not take it for none."""
    short = [MemoryError(), MemoryError()]
    original = threading.Condition.wait

    def wait(self: Any, timeout: float | None = None) -> bool:
        if short and isinstance(timeout, float) and timeout == 0.001:
            raise short.pop()
        return original(self, timeout)

    go_on = threading.Event()
    monkeypatch.setattr(own_thread, "LOOK_S", 0.001)
    monkeypatch.setattr(threading.Condition, "wait", wait)
    bootstrap = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]

    def late(self: Any) -> None:
        while short:
            go_on.wait(0.0005)
        bootstrap(self)

    monkeypatch.setattr(threading.Thread, "_bootstrap_inner", late)
    thread = OwnThread(go_on.wait, "ours")
    thread.start()
    assert (short, thread.is_alive()) == ([], True)
    go_on.set()
    thread.join()


def test_no_memory_for_a_thread_is_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers know one way in which a thread is not to be had."""

    def start(self: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="no memory for another thread"):
        OwnThread(print, "ours").start()


def test_whoever_wants_to_know_is_told_on_the_thread_that_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there was no memory to call its target, so that nothing of the target's could say so."""
    told: list[str] = []
    thread = OwnThread(told.append, "ours", ("lived",), over=lambda: told.append(threading.current_thread().name))
    thread.start()
    thread.join()
    assert told == ["lived", "ours"]
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    die_at_birth(monkeypatch, "ours", FOR_ITS_TARGET)
    thread = OwnThread(told.append, "ours", ("lived again",), over=lambda: told.append("over"))
    thread.start()
    thread.join()
    assert told[2:] == ["over"]


def test_a_python_that_begins_threads_otherwise_does_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is replaced is private: where it is something else it stays, and threads begin as that Python has them."""

    class Otherwise(threading.Event):
        pass

    original = threading.Thread.__init__

    def made(self: Any, *args: Any, **more: Any) -> None:
        original(self, *args, **more)
        self._started = Otherwise()

    monkeypatch.setattr(threading.Thread, "__init__", made)
    called: list[int] = []
    thread = OwnThread(called.append, "ours", (1,))
    thread.start()
    thread.join()
    assert (called, type(thread._started)) == ([1], Otherwise)
