"""One batch per result folder: who comes second is told by whom it is used; a dead process holds nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from capabilities import needs
from orcabatch.batch.temporary import STAGED, staging_folder
from orcabatch.errors import BatchLocked, OutputError
from orcabatch.store import lock
from orcabatch.store.atomic import TEMPORARY_PREFIX, check_writable, remove_leftovers
from orcabatch.store.lock import NAME, folder_lock, is_held_by, remove_abandoned
from orcabatch.win32 import kernel32

HOLDER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from orcabatch.store.lock import folder_lock
    with folder_lock(Path(sys.argv[1]), "dm_fsts"):
        print("held", flush=True)
        sys.stdin.read()
    """
)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder until its standard input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.communicate()


def test_the_second_batch_is_refused_and_told_by_whom(tmp_path, holder):
    """Batch, process, host and start stand in the message, and what to do."""
    with pytest.raises(BatchLocked) as refused, folder_lock(tmp_path, "other"):
        pytest.fail("it was let in")
    said = str(refused.value)
    assert f"dm_fsts (process {holder.pid} on " in said
    assert "started 2" in said
    assert "another result folder" in said


def test_a_share_that_went_lets_go_and_hides_nothing(tmp_path, monkeypatch):
    """What is to be cleared of leftovers in the end cannot be looked at: what ended the run is what is heard."""

    def gone(self, *_, **__):
        raise OSError(22, "The network location cannot be reached", str(self), 1231)

    with pytest.raises(KeyboardInterrupt), monkeypatch.context() as broken, folder_lock(tmp_path, "one"):  # noqa: PT012
        broken.setattr(Path, "glob", gone)
        raise KeyboardInterrupt
    with folder_lock(tmp_path, "two"):
        assert (tmp_path / NAME).exists()


def test_within_one_process_it_is_refused_as_well(tmp_path):
    """Two threads of a notebook are two batches."""
    with folder_lock(tmp_path, "one"), pytest.raises(BatchLocked), folder_lock(tmp_path, "two"):
        pytest.fail("it was let in")


def test_only_the_run_that_holds_a_folder_is_said_to(tmp_path):
    """Who outlives a run asks by its signature: no more once it has ended, nor while another has the folder."""
    with folder_lock(tmp_path, "one") as first:
        assert is_held_by(tmp_path, first)
    assert not is_held_by(tmp_path, first)
    with folder_lock(tmp_path, "one") as second:  # of the same name, process and second
        assert is_held_by(tmp_path, second)
        assert not is_held_by(tmp_path, first)
    assert not is_held_by(tmp_path / "elsewhere", second)


def test_a_lock_without_our_text_has_no_signature(tmp_path):
    """Somebody else's file by this name stays as it is: nobody can be told by it."""
    (tmp_path / NAME).write_bytes(b"theirs")
    with folder_lock(tmp_path, "one") as signature:
        assert not signature


def test_a_finished_batch_leaves_nothing_and_lets_the_next_one_in(tmp_path, holder):
    """The lock's file goes with the lock."""
    holder.communicate()
    assert list(tmp_path.iterdir()) == []
    with folder_lock(tmp_path, "next"):
        assert (tmp_path / NAME).exists()
    assert list(tmp_path.iterdir()) == []


@needs("SIGKILL")
def test_a_killed_batch_is_taken_over_and_its_temporary_files_removed(tmp_path, holder):
    """Its lock's file is still there, its lock is not; other files are left alone."""
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    (tmp_path / f"{TEMPORARY_PREFIX}0123.tmp").touch()
    (tmp_path / "result.csv").touch()
    assert (tmp_path / NAME).exists()
    with folder_lock(tmp_path, "next"):
        assert sorted(os.listdir(tmp_path)) == [NAME, "result.csv"]  # noqa: PTH208 - names, not paths
    assert [path.name for path in tmp_path.iterdir()] == ["result.csv"]


def test_a_lock_whose_text_cannot_be_read_still_refuses(tmp_path, holder):
    """The text is a courtesy."""
    (tmp_path / NAME).write_bytes(b"{")
    with pytest.raises(BatchLocked, match="another batch"), folder_lock(tmp_path, "other"):
        pytest.fail("it was let in")


CONTENDER = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from orcabatch.errors import BatchLocked
    from orcabatch.store.lock import folder_lock
    folder, held = Path(sys.argv[1]), 0
    while held < 40:
        try:
            with folder_lock(folder, "b"):
                os.mkdir(folder / "only")
                os.rmdir(folder / "only")
                held += 1
        except BatchLocked:
            pass
    """
)


def test_never_two_at_once_while_locks_come_and_go(tmp_path):
    """Three processes take and release the folder 40 times each; a folder that exists already would end one."""
    running = [subprocess.Popen([sys.executable, "-c", CONTENDER, str(tmp_path)]) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_is_said_and_used(tmp_path, monkeypatch):
    """Some network shares know none: the batch runs, unlocked."""
    said = []

    def refuse(_stream):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("orcabatch.store.lock._lock", refuse)
    with folder_lock(tmp_path, "one", warn=said.append):
        pass
    assert len(said) == 1
    assert "cannot be locked" in said[0]


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="needs links that may be refused when a file is opened")
@needs("symbolic links")
def test_a_link_that_somebody_planted_is_not_followed(tmp_path):
    """Whoever may write to a shared folder may let the lock's name lead to a file of ours: it keeps its content."""
    ours = tmp_path / "ours.txt"
    ours.write_text("kept")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / ".orcabatch.lock").symlink_to(ours)
    with pytest.raises(OutputError, match="results cannot be written to"), folder_lock(tmp_path / "results", "b"):
        pass
    assert ours.read_text() == "kept"


def test_a_file_of_that_name_that_is_not_ours_keeps_its_content(tmp_path, monkeypatch):
    """It serves as a lock all the same, while it is held."""
    monkeypatch.setattr(lock, "_PAUSE_S", 0.0)  # it never says by whom
    (tmp_path / ".orcabatch.lock").write_text("a note")
    with folder_lock(tmp_path, "b"):
        assert (tmp_path / ".orcabatch.lock").read_text() == "a note"
        with pytest.raises(BatchLocked), folder_lock(tmp_path, "c"):
            pass


def test_two_starts_at_one_moment_know_of_each_other(tmp_path, monkeypatch):
    """The first has the lock and has not said who it is: the second waits for that, and names it."""
    file = (tmp_path / NAME).open("w+b", buffering=0)
    lock._lock(file)
    said = {"batch": "dm_first", "pid": 7, "host": "here", "started": "now"}
    monkeypatch.setattr(
        lock.time, "sleep", lambda _: file.write(json.dumps(said).encode()) if not file.tell() else None
    )
    with file, pytest.raises(BatchLocked, match="dm_first"), folder_lock(tmp_path, "second"):
        pass


def test_trying_a_folder_does_not_mind_that_it_is_cleared(tmp_path, monkeypatch):
    """A second start tries whether it can write while the first, which has the lock, clears what looks left over."""
    opened = Path.open

    def opens(path, *args, **kwargs):
        stream = opened(path, *args, **kwargs)
        monkeypatch.setattr(Path, "open", opened)
        if os.name != "nt":  # there an open file cannot be removed, and is left
            assert remove_leftovers(tmp_path) == 1
        return stream

    monkeypatch.setattr(Path, "open", opens)
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_run_left_unfinished_goes_with_its_lock(tmp_path):
    """A thread that was left while it wrote has nobody else to clear up after it."""
    with folder_lock(tmp_path, "one"):
        (tmp_path / f"{TEMPORARY_PREFIX}half.tmp").write_text("half")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("goes", [True, False])
def test_a_lock_file_that_is_on_its_way_out_on_windows(tmp_path, monkeypatch, goes):
    """A share denies opening it and looking at it until it is gone; what is denied for good is said as that."""
    opened, looked, waits = os.open, Path.stat, []
    kernel32()  # asked once in a process: before it is to be Windows

    def denied(path, *args, **kwargs):
        if Path(path).name == NAME and not (goes and waits):
            raise PermissionError(13, "Access is denied", str(path))
        return (opened if isinstance(args[0] if args else None, int) else looked)(path, *args, **kwargs)

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(lock.os, "open", denied)
    monkeypatch.setattr(Path, "stat", denied)
    monkeypatch.setattr(lock.time, "sleep", waits.append)
    if goes:
        with folder_lock(tmp_path, "one"):
            assert len(waits) == 1
    else:
        with pytest.raises(OutputError, match="cannot be written to: Access is denied"), folder_lock(tmp_path, "one"):
            pass


@pytest.mark.parametrize(
    ("left", "who"), [('{"batch": "dm", "pid": 7, "host": "h", "started": "t"}', "dm"), ("", "some")]
)
def test_a_file_of_somebody_elses_killed_run_is_named(left, who, tmp_path, monkeypatch):
    """Where everybody may make files and change his own only: the folder is not at fault, and whom to ask is said."""
    (tmp_path / NAME).write_text(left)

    def denied(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(lock.os, "open", denied)
    with pytest.raises(OutputError) as refused, folder_lock(tmp_path, "one"):
        pytest.fail("it was let in")
    said = str(refused.value)
    assert f"Permission denied, of its file {NAME}, which marks a run of {who}" in said
    assert "remove that file" in said
    assert "another result folder" in said


def test_a_share_that_numbers_what_is_open_otherwise_is_locked_all_the_same(tmp_path, monkeypatch):
    """On Windows `fstat` and `stat` may disagree about one file, and what is open is not removed: it is not asked."""
    numbered = os.fstat
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(lock.os, "fstat", lambda number: _another(numbered(number)))
    with folder_lock(tmp_path, "one"), pytest.raises(BatchLocked, match="one"), folder_lock(tmp_path, "two"):
        pass


def _another(status):
    """The same file as another call numbers it: st_ino and st_dev are the second and third of what a status is."""
    return os.stat_result((status[0], status.st_ino + 1, 0, *status[3:]))


def test_on_windows_the_lock_is_let_go_of_before_its_file_is_closed(tmp_path, monkeypatch):
    """When closing lets go is up to the system: a run that follows at once would be refused."""
    let_go, unlock = list[bool](), lock._unlock

    def seen(stream):
        let_go.append(stream.closed)
        unlock(stream)

    monkeypatch.setattr(lock, "_unlock", seen)
    monkeypatch.setattr(sys, "platform", "win32")
    with folder_lock(tmp_path, "one"):
        assert let_go == []
    assert let_go == [False]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_may_be_as_deep_as_the_names_of_its_outputs_allow(tmp_path, monkeypatch):
    """The lock's own name is longer than many of them: on Windows it gets the prefix for long paths."""
    asked = list[Path]()
    monkeypatch.setattr(lock, "as_opened", lambda path: asked.append(path) or path)
    with folder_lock(tmp_path, "one"):
        pass
    assert set(asked) == {tmp_path / NAME}


def left_by_a_killed_run(folder, **sign):
    """A folder with a copy in it, signed and held by nobody."""
    (folder / "run-1" / "0").mkdir(parents=True)
    (folder / "run-1" / "0" / "a.sim").write_bytes(b"copy")
    if sign:
        (folder / NAME).write_text(json.dumps({"batch": "b", "pid": 1, "started": "then"} | sign))
    return folder


def test_only_what_a_run_of_this_machine_held_and_nobody_holds_is_removed(tmp_path):
    """A folder that nobody signed, that another machine did, or that is held: each may be somebody's."""
    here = {"host": socket.gethostname()}
    nobodys = left_by_a_killed_run(tmp_path / "nobodys")
    others = left_by_a_killed_run(tmp_path / "others", host="another machine")
    ours = left_by_a_killed_run(tmp_path / "ours", **here)
    held = left_by_a_killed_run(tmp_path / "held")
    (tmp_path / "a file").write_bytes(b"")
    with folder_lock(held, "one"):
        for folder in (nobodys, others, ours, held, tmp_path / "a file", tmp_path / "nowhere"):
            remove_abandoned(folder)
        stays = {path.name for path in tmp_path.iterdir()}
    assert stays == {"nobodys", "others", "held", "a file"}
    assert all((folder / "run-1" / "0" / "a.sim").exists() for folder in (nobodys, others, held))


def test_copies_of_a_run_that_was_killed_go_with_the_next_one(tmp_path):
    """Those of one that runs stay, and its own are gone when it ends."""
    left_by_a_killed_run(tmp_path / f"{STAGED}dead", host=socket.gethostname())
    left_by_a_killed_run(tmp_path / "a user's", host=socket.gethostname())
    with staging_folder(tmp_path) as first:
        (first / "a.sim").write_bytes(b"copy")
        with staging_folder(tmp_path) as second:
            names = {path.name for path in tmp_path.iterdir()}
            assert names == {first.name, second.name, "a user's"}
            assert (first / "a.sim").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a user's"]
