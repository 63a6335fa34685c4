"""Looking at files where the share may be gone, and where there is a named pipe in the place of a file."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from capabilities import needs
from orcabatch.host import fingerprint, lookout
from orcabatch.host.lookout import Lookout


def test_what_is_seen_is_what_is_there(tmp_path: Path) -> None:
    """Looks answer as on the caller's thread, with what they raise, and leave no thread behind."""
    before = set(threading.enumerate())
    eyes = Lookout(lambda folder: None)
    (tmp_path / "a.sim").write_bytes(b"abc")
    assert eyes.at(tmp_path / "a.sim", lambda file: file.stat().st_size, 0) == 3
    with pytest.raises(FileNotFoundError):
        eyes.at(tmp_path / "b.sim", lambda file: file.stat().st_size, 0)
    eyes.close()
    assert set(threading.enumerate()) <= before


def test_a_place_that_is_silent_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share that is gone costs one wait, and is told once; other folders are looked at as before."""
    monkeypatch.setattr(lookout, "SILENT_S", 0.05)
    back, asked, told = threading.Event(), list[Path](), list[Path]()

    def hangs(file: Path) -> int:
        asked.append(file)
        back.wait()
        return 1

    before = set(threading.enumerate())
    eyes = Lookout(told.append)
    gone, here = tmp_path / "gone", tmp_path / "here"
    assert [eyes.at(gone / f"{number}.sim", hangs, 0) for number in range(3)] == [0, 0, 0]
    assert eyes.at(here / "a.sim", lambda file: 2, 0) == 2
    assert (asked, told) == ([gone / "0.sim"], [gone])
    back.set()
    eyes.close()
    for thread in set(threading.enumerate()) - before:
        thread.join()


def test_without_a_thread_the_caller_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives no thread files are looked at all the same."""

    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert Lookout(lambda folder: None).at(tmp_path, lambda file: 2, 0) == 2


@needs("named pipes")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Its fingerprint is refused at once: opening it would wait for somebody who writes."""
    os.mkfifo(tmp_path / "pipe.sim")
    with pytest.raises(OSError, match="no ordinary file"):
        fingerprint(tmp_path / "pipe.sim")
