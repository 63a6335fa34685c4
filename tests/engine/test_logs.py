"""What is logged while a batch runs: which thread calls the handlers, and that none of them ends or holds up a run."""

from __future__ import annotations

import logging
import pickle
import threading
from contextvars import ContextVar
from pathlib import Path

import pytest

from orcabatch.engine import logs
from orcabatch.engine.echo import echo
from orcabatch.engine.logs import handled_in_background, logger
from orcabatch.engine.worker_messages import Warned

SOURCES = Path(__file__).parents[2] / "src" / "orcabatch"

WHO = ContextVar("who", default="nobody")


class Kept(logging.Handler):
    """Keeps what it was called with, and on which thread, in whose context."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, str, str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self.seen.append((text, str(record.threadName), threading.current_thread().name, WHO.get()))
        if "bad" in text:
            raise SystemExit("no line more")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    """A handler of the user's, on one of our loggers."""
    own, made = logging.getLogger("orcabatch.a"), Kept()
    monkeypatch.setattr(own, "handlers", [made])
    monkeypatch.setattr(own, "propagate", False)
    monkeypatch.setattr(logs, "MOMENT_S", 1e6)
    return made


def test_handlers_are_called_by_one_thread_while_a_batch_runs(kept: Kept) -> None:
    """With the record of who logged, in his context, and done with it when he goes on; before and after, by him."""
    log, mine = logger("orcabatch.a"), threading.current_thread().name
    log.info("not at this level")
    log.warning("before")
    with handled_in_background():
        token = WHO.set("me")
        log.warning("%s", "during")
        assert [text for text, *_ in kept.seen] == ["before", "during"]
        with handled_in_background():
            log.warning("within")
        thread = threading.Thread(target=log.warning, args=("elsewhere",), name="other")
        thread.start()
        thread.join()
    log.warning("after")
    WHO.reset(token)
    assert kept.seen == [
        ("before", mine, mine, "nobody"),
        ("during", mine, "orcabatch-logs", "me"),
        ("within", mine, "orcabatch-logs", "me"),
        ("elsewhere", "other", "orcabatch-logs", "nobody"),
        ("after", mine, mine, "me"),
    ]


def test_a_handler_that_raises_costs_its_line(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever it raises, as Python itself says it; the lines after it are handled."""
    with handled_in_background():
        logger("orcabatch.a").warning("bad %d", 1)
        logger("orcabatch.a").warning("good")
    assert [text for text, *_ in kept.seen] == ["bad 1", "good"]
    said = capsys.readouterr().err
    assert "--- Logging error ---" in said
    assert "no line more" in said


def test_a_complaint_that_fails_ends_no_batch(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python's own does where standard error is closed: neither who logs next gets it, nor who waits for the end."""

    def closed(handler: logging.Handler, record: logging.LogRecord) -> None:
        raise ValueError("I/O operation on closed file")

    monkeypatch.setattr(logging.Handler, "handleError", closed)
    monkeypatch.setattr(logs, "MOMENT_S", 0.05)
    log = logger("orcabatch.a")
    with handled_in_background():
        log.warning("bad %d", 1)
        log.warning("good")
    with handled_in_background():
        log.warning("bad %d", 2)
    assert [text for text, *_ in kept.seen] == ["bad 1", "good", "bad 2"]


def test_a_warning_whose_module_nobody_knows_is_given() -> None:
    """Python leaves one out without a word whose module is None: the name of its file stands for that."""
    with pytest.warns(UserWarning, match="of a module that is gone"):
        echo(Warned(pickle.dumps(UserWarning("of a module that is gone")), "x.py", 1, ""))


def test_what_is_said_of_a_line_waits_for_no_end_of_itself(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said on the thread that handles lines, where a wait would be for ever."""
    monkeypatch.setattr(logs, "MOMENT_S", 1e6)
    with caplog.at_level(logging.INFO), handled_in_background():
        echo(Warned(b"nonsense", "x.py", 1, ""))
    assert "was not passed on" in caplog.text


def test_all_of_ours_log_so() -> None:
    """A line of another module would hold up the run."""
    others = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if "getLogger(__name__)" in path.read_text("utf-8")
    }
    assert others == set()
