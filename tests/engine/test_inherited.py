"""What workers take over and what they say: the parts, in this process."""

from __future__ import annotations

import decimal
import logging
import pickle
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from orcabatch.engine import inherited
from orcabatch.engine.echo import SPEAKING, Speaker, echo
from orcabatch.engine.inherited import Inherited, Levels, Loan
from orcabatch.engine.surroundings import Initializer, Surroundings
from orcabatch.engine.worker_messages import Logged, Message, Warned


class Unknown(UserWarning):
    """A category that cannot be sent: it belongs to nobody's module."""

    __module__ = "no_such_module"


class Clumsy(UserWarning):
    """A warning that cannot be sent."""

    def __reduce__(self) -> Any:
        raise TypeError("clumsy")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Filters, levels and handlers are this process's own again."""
    levels, handlers = Levels.here(), logging.root.handlers[:]
    with warnings.catch_warnings():
        yield
    levels.take_over()
    logging.root.handlers[:] = handlers


def test_surroundings_are_copies_of_what_they_were() -> None:
    """What changes after they were taken changes nothing in them, and what a step changes stays in the step."""
    with decimal.localcontext() as mine, np.errstate(over="call"):
        mine.prec = 11
        taken = Surroundings.here()
        mine.prec = 12
        found: list[Any] = []

        def step() -> None:
            found.append((decimal.getcontext().prec, np.geterr()["over"]))
            decimal.getcontext().prec = 3
            np.seterr(over="ignore")

        threads = [threading.Thread(target=taken.run, args=(step,)) for _ in range(2)]
        for thread in threads:
            thread.start()
            thread.join()
        taken.run(step)
        assert found == [(11, "call")] * 3
        assert mine.prec == 12


def test_levels_and_filters_are_taken_over_exactly() -> None:
    """Levels, `logging.disable`, filters in their order; a category that nobody knows costs its own filter alone."""
    logging.getLogger("some.one").setLevel(logging.ERROR)
    logging.disable(logging.DEBUG)
    warnings.filterwarnings("once", message="a.*b", module="mine", lineno=3)
    wanted = warnings.filters[:]
    warnings.filterwarnings("error", category=Unknown)
    there = pickle.loads(pickle.dumps(Inherited.here()))  # noqa: S301 - our own
    logging.disable(logging.NOTSET)
    logging.getLogger("some.one").setLevel(logging.NOTSET)
    logging.getLogger("some.other").setLevel(logging.INFO)
    warnings.simplefilter("ignore")
    there.take_over()
    assert warnings.filters == wanted
    assert Levels.here() == there.levels
    assert logging.getLogger("some.other").level == logging.NOTSET
    assert logging.root.manager.disable == logging.DEBUG


def test_a_begun_process_keeps_its_own_decimal_context_and_numpy_state() -> None:
    """What `begin` and the initializer set is found by the threads, and not left in the thread that called it."""
    with decimal.localcontext() as mine, np.errstate(over="call"):
        mine.prec = 13
        there = Inherited.here(Initializer(np.seterr, ("raise",)))
    with np.errstate(over="warn"):
        begun = there.begin()
        assert np.geterr()["over"] == "warn"
    assert decimal.getcontext().prec != 13
    assert begun.run(lambda: (decimal.getcontext().prec, np.geterr()["over"])) == (13, "raise")


@pytest.fixture
def told() -> Iterator[list[Message]]:
    """All that a worker's speaker says."""
    said: list[Message] = []
    speaker = Speaker("process-7", said.append)
    speaker.install()
    yield said
    speaker.remove()


class Heard(logging.Handler):
    """Keeps what was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.processName}: {self.format(record)}")


def test_a_record_is_told_with_its_traceback_and_heard_by_the_callers_handler(told: list[Message]) -> None:
    """Exceptions travel as text; what cannot travel is left out; the caller's own levels count where they differ."""
    log = logging.getLogger("a.worker")
    try:
        raise KeyError("x")
    except KeyError:
        log.exception("lost %s", "it", extra={"lock": threading.Lock()})
    assert [type(each) for each in told] == [Logged]
    heard = Heard()
    log.addHandler(heard)
    record = told[0]
    assert isinstance(record, Logged)
    echo(record)
    log.setLevel(logging.CRITICAL)
    echo(record)
    log.removeHandler(heard)
    assert len(heard.texts) == 1
    assert heard.texts[0].startswith("process-7: lost it\nTraceback")
    assert "KeyError: 'x'" in heard.texts[0]


def test_warnings_are_told_with_their_place_and_shown_as_the_caller_wants(told: list[Message]) -> None:
    """Also one that cannot travel; shown once per place where the caller's filter says so; no error ends the run."""
    warnings.simplefilter("always")
    for kind in (UserWarning, Clumsy, UserWarning):
        warnings.warn("mind this", kind, stacklevel=1)
    said = [each for each in told if isinstance(each, Warned)]
    assert [each.module for each in said] == [__name__] * 3
    assert {each.filename for each in said} == {__file__}
    with warnings.catch_warnings(record=True) as seen:
        warnings.resetwarnings()
        warnings.simplefilter("default")
        for each in said:
            echo(each)
    assert [str(each.message) for each in seen] == ["mind this", "Clumsy: mind this"]
    warnings.simplefilter("error")
    echo(said[0])


def test_a_damaged_message_costs_itself() -> None:
    """What cannot be unpacked here ends nothing."""
    echo(Logged(b"nonsense"))
    echo(Warned(b"nonsense", "x.py", 1, ""))


def test_a_process_that_is_not_the_callers_is_given_back_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Levels, filters, handlers and the hook of a dask worker come back when its last caller leaves, whoever it is."""
    logging.getLogger("x").setLevel(logging.ERROR)
    first = Inherited.here()
    logging.getLogger("x").setLevel(logging.CRITICAL)
    second = Inherited.here()
    logging.getLogger("x").setLevel(logging.INFO)
    before = Levels.here(), warnings.filters[:], logging.root.handlers[:], warnings.showwarning
    monkeypatch.setattr(inherited, "_MARK", "another process")
    one, other = Loan(first, "w"), Loan(second, "w")
    assert logging.getLogger("x").level == logging.CRITICAL
    one.give_back()
    one.give_back()
    assert logging.getLogger("x").level == logging.CRITICAL
    other.give_back()
    assert (Levels.here(), warnings.filters[:], logging.root.handlers[:], warnings.showwarning) == before


def test_where_nobody_listens_all_goes_where_it_always_went(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of several callers a thread is heard by its own caller; one of nobody's speaks to the process."""
    monkeypatch.setattr(inherited, "_MARK", "the callers")
    there = Inherited.here()
    monkeypatch.setattr(inherited, "_MARK", "the worker's")
    said: list[Message] = []
    shown: list[Any] = []
    monkeypatch.setattr(warnings, "showwarning", lambda *given: shown.append(given))
    heard = Heard()
    logging.root.addHandler(heard)
    loan = Loan(there, "w")
    warnings.simplefilter("always")

    def speak() -> None:
        logging.getLogger("a").error("so")
        warnings.warn("and so", stacklevel=1)

    speak()
    assert (len(said), len(shown), len(heard.texts)) == (0, 1, 1)
    there.begin(said.append).run(speak)
    assert [type(each) for each in said] == [Logged, Warned]
    assert len(shown) == 1
    assert SPEAKING.get() is None
    loan.give_back()
