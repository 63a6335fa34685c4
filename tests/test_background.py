"""Steps in the background: their caller goes on where one of them is held, and they are done in their order."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

from orcabatch import background
from orcabatch.background import Background

FOREVER_S = 1e6


@pytest.fixture
def own() -> Iterator[Background]:
    """One whose thread is over when the test is, however that ends."""
    made = Background("own")
    yield made
    for free in FREE:
        free.set()
    FREE.clear()
    made.close()


FREE: list[threading.Event] = []
"""What steps wait for."""


def held(own: Background) -> threading.Event:
    """Have it do a step that it has begun, and that ends once this is set."""
    begun, free = threading.Event(), threading.Event()
    FREE.append(free)
    own.say(lambda: (begun.set(), free.wait()))
    begun.wait()
    return free


def test_a_step_that_is_waited_for_is_done(own: Background) -> None:
    """On the other thread, after what was said before; one that is said there waits for no end of itself."""
    done: list[object] = []
    own.say(lambda: done.append("before"))
    own.say_and_wait(lambda: own.say_and_wait(lambda: done.append("within"), FOREVER_S), FOREVER_S)
    own.say_and_wait(lambda: done.append(threading.current_thread().name), FOREVER_S)
    assert done == ["before", "within", "own"]


def test_after_its_end_steps_are_done_at_once(own: Background) -> None:
    """By whoever says them: in a process that was forked meanwhile, too, there is no such thread."""
    done = list[int]()
    own.close()
    own.say(lambda: done.append(threading.get_ident()))
    own.say_and_wait(lambda: done.append(threading.get_ident()), FOREVER_S)
    assert done == [threading.get_ident()] * 2


def test_what_was_waited_for_in_vain_is_not_waited_for_again(own: Background) -> None:
    """Until it is done; from then on steps are waited for as before."""
    done = list[str]()
    free = held(own)
    own.say_and_wait(lambda: done.append("first"), 0.0)
    own.say_and_wait(lambda: done.append("second"), FOREVER_S)
    assert done == []
    free.set()
    own._late.wait()
    own.say_and_wait(lambda: done.append("third"), FOREVER_S)
    assert done == ["first", "second", "third"]


def test_what_another_waits_for_just_now_is_no_reason_not_to_wait(
    own: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what was waited for in vain is: a worker thread's line is handled, and so is the dispatcher's after it."""
    done, free, begun = list[str](), threading.Event(), threading.Event()
    FREE.append(free)
    another = threading.Thread(target=own.say_and_wait, args=(lambda: (begun.set(), free.wait()), FOREVER_S))
    another.start()
    begun.wait()

    class Freeing(threading.Event):
        """Whoever waits for it gives the other one free."""

        def wait(self, timeout: float | None = None) -> bool:
            free.set()
            return super().wait(timeout)

    monkeypatch.setattr(background.threading, "Event", Freeing)
    own.say_and_wait(lambda: done.append("handled"), FOREVER_S)
    monkeypatch.undo()
    assert done == ["handled"]
    another.join()


def test_what_is_said_while_it_ends_is_done() -> None:
    """By another thread, when its own has looked for the last time."""
    done = list[str]()

    class Ending(Background):
        def _ended(self) -> None:
            self.say(lambda: done.append("late"))

    Ending("own").close()
    assert done == ["late"]


@pytest.mark.parametrize("gets_on", [True, False])
def test_the_end_waits_as_long_as_something_gets_out(gets_on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that takes nine seconds for each line loses none; one that takes none is left after one patience."""
    own, real, looks = Background("own"), background.awaited_end, list[int]()
    steps = [(threading.Event(), threading.Event()) for _ in range(3)]

    def over(thread: threading.Thread, deadline: float | None) -> bool:
        """The patience is over; meanwhile a step ended and the next one began, or nothing did."""
        looks.append(len(looks))
        if gets_on:
            steps[len(looks) - 1][1].set()
        if len(looks) == len(steps):
            return real(thread)
        if gets_on:
            steps[len(looks)][0].wait()
        return False

    for begun, free in steps:
        own.say(lambda begun=begun, free=free: (begun.set(), free.wait()))
    steps[0][0].wait()
    monkeypatch.setattr(background, "awaited_end", over)
    own.close(10.0)
    monkeypatch.undo()
    assert looks == ([0, 1, 2] if gets_on else [0])
    assert own.left_out is not gets_on
    for _, free in steps:
        free.set()
    assert own._thread is not None
    own._thread.join()


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("last_moment_s", [None, 0.5])
def test_the_end_of_python_waits_for_what_was_not_waited_for(
    torn: bool, last_moment_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where Ctrl-C tore the wait; with no limit where the interpreter would crash that finds it in a write."""
    own, asked = Background("own", last_moment_s=last_moment_s), dict[threading.Thread, bool]()
    free = held(own)

    def in_vain(thread: threading.Thread, deadline: float | None) -> bool:
        if torn:
            raise KeyboardInterrupt
        return False

    monkeypatch.setattr(background, "awaited_end", in_vain)
    with contextlib.suppress(KeyboardInterrupt):
        own.close(10.0)
    monkeypatch.setattr(
        background, "awaited_end", lambda thread, deadline: asked.update({thread: deadline is not None})
    )
    background._end_with_python()
    monkeypatch.undo()
    free.set()
    assert own._thread is not None
    own._thread.join()
    assert asked[own._thread] is (last_moment_s is not None)
