"""Temporary names, and whether a folder can be written to."""

from __future__ import annotations

import ast
import ctypes
import errno
import os
import sys
import threading
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from deep_folders import too_deep
from docs_pages import ROOT
from orcabatch import win32
from orcabatch.batch.functions import usable_folder
from orcabatch.batch.streamed import TableFile
from orcabatch.cli import checks_machine
from orcabatch.errors import OutputError
from orcabatch.outcome import FileOutcome, Status
from orcabatch.store import atomic, lock
from orcabatch.store.atomic import (
    TEMPORARY_PREFIX,
    TEMPORARY_SUFFIX,
    atomic_path,
    check_place,
    check_writable,
    hindrance,
    remove,
    remove_leftovers,
    write_bytes,
)
from orcabatch.store.compare import compare_folders
from orcabatch.store.failed_files import save_failed_files
from orcabatch.store.kept_values import ValuesFile, read_values
from orcabatch.store.lock import folder_lock
from orcabatch.win32 import as_opened, beyond_max_path, is_folder, is_there

DEEP = "C:\\" + "folder\\" * 40


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        (PureWindowsPath("C:\\results\\a.csv"), "C:\\results\\a.csv"),
        (PureWindowsPath("C:\\" + "r" * 244), "C:\\" + "r" * 244),
        (PureWindowsPath("C:\\" + "r" * 245), "\\\\?\\C:\\" + "r" * 245),
        (PureWindowsPath(DEEP + "a.csv"), "\\\\?\\" + DEEP + "a.csv"),
        (PureWindowsPath(DEEP + "..\\a.csv"), "\\\\?\\" + DEEP.removesuffix("folder\\") + "a.csv"),
        (PureWindowsPath("\\\\server\\share\\" + "f\\" * 130), "\\\\?\\UNC\\server\\share\\" + "f\\" * 130),
        (PureWindowsPath("\\\\?\\" + DEEP + "a.csv"), "\\\\?\\" + DEEP + "a.csv"),
        (PurePosixPath("/" + "folder/" * 60), "/" + "folder/" * 60),
    ],
)
def test_a_temporary_name_may_be_longer_than_windows_allows(path, taken):
    """The target's own path fits, the temporary one beside it need not: it gets Windows' prefix for long paths."""
    assert str(beyond_max_path(path)) == taken.rstrip("/\\")


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        (PureWindowsPath("C:\\results"), "\\\\?\\C:\\results"),
        (PureWindowsPath("\\\\server\\share\\a\\.."), "\\\\?\\UNC\\server\\share\\"),
        (PurePosixPath("/results"), "/results"),
    ],
)
def test_what_lies_below_a_folder_may_be_longer_than_its_own_name(path, taken):
    """Whoever walks through it meets names that Windows does not take without its prefix."""
    assert str(beyond_max_path(path, 0)) == taken


def test_whether_a_folder_can_be_written_to_is_tried(tmp_path, monkeypatch):
    """What rights say is not what happens; nothing is left."""
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []

    def denied(self, *_args, **_kwargs):
        raise PermissionError(13, "Access is denied", str(self))

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(OSError, match="Access is denied"):
        check_writable(tmp_path)


def held(self, *_args, **_kwargs):
    """As Windows answers where another program has the file open."""
    raise PermissionError(13, "The process cannot access the file", str(self))


def test_a_temporary_name_that_is_held_open_hides_nothing(tmp_path, monkeypatch):
    """On Windows a scanner may have it: what went wrong is said, and an output that stands is no failure."""
    (tmp_path / "same.csv").write_bytes(b"same")
    monkeypatch.setattr(Path, "unlink", held)
    with atomic_path(tmp_path / "same.csv", keep_same=True) as temporary:
        temporary.write_bytes(b"same")
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "other.csv"):
        _ = 1 / 0


def test_an_output_that_is_to_go_is_waited_for_and_named(tmp_path, monkeypatch):
    """Excel has last run's list of failed files open: the message says what to do; once it is closed it goes."""
    target, waited = tmp_path / "a_failed_files.csv", []
    target.write_bytes(b"")
    unlink = Path.unlink
    monkeypatch.setattr(Path, "unlink", held)
    with pytest.raises(OutputError, match=r"a_failed_files.csv cannot be removed: another program holds it open"):
        remove(target, wait=waited.append)
    assert waited == list(atomic.WAITS_S)
    remove(target, wait=lambda _: monkeypatch.setattr(Path, "unlink", unlink))
    remove(target)
    assert not target.exists()


@pytest.mark.parametrize(
    ("code", "number", "said"),
    [
        (5, errno.EACCES, "another program holds it open, or it is write-protected, also 5 s later. Close it"),
        (32, errno.EACCES, "another program holds it open, also 5 s later. Close it"),
        (1224, errno.EINVAL, "another program holds it open, also 5 s later. Close it"),
        (87, errno.EINVAL, ""),
    ],
)
def test_a_table_that_excel_has_open_is_waited_for_and_named_by_what_windows_says(
    tmp_path, monkeypatch, code, number, said
):
    """Also one that a program has mapped, of which Python says no more than EINVAL; nothing else is waited for."""
    target, waited = tmp_path / "series.csv", list[float]()
    target.write_bytes(b"earlier")

    def refused(*_):
        error = OSError(number, "no")
        error.winerror = code
        raise error

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(OutputError) as caught:
        atomic.replace(tmp_path / "temporary", target, wait=waited.append)
    assert waited == (list(atomic.WAITS_S) if said else [])
    assert (said or f"{target} cannot be written: no") in str(caught.value)
    assert str(target) in str(caught.value)


class Shared:
    """kernel32 over one file, which another program has open and shares as far as it says."""

    def __init__(self, shares: int, handle: int = 7) -> None:
        self._shares, self._handle = shares, handle
        self.closed = list[int]()
        self.word = 0

    @property
    def CreateFileW(self):  # noqa: N802 - Windows' name
        def create(name, access, share, *_):
            assert (name.value, share) == ("C:\\r.xlsx", 7)
            self.word = 0 if access == 0x10000 and self._shares & 4 else 32
            return ctypes.c_void_p(-1).value if self.word else self._handle

        return _callable(create)

    def CloseHandle(self, handle):  # noqa: N802 - Windows' name
        self.closed.append(handle.value)


def _callable(function):
    """A function of a library: its type of result can be said."""
    function.restype = None
    return function


@pytest.mark.parametrize(("shares", "word", "closed"), [(1 | 2, 32, []), (1 | 2 | 4, 0, [7])])
def test_replacing_is_asked_for_by_the_right_that_it_needs(shares, word, closed):
    """Python, R and MATLAB share reading and writing with everybody: only the right to delete tells of them."""
    kernel = Shared(shares)
    assert win32.refusal_to_replace(PureWindowsPath("C:\\r.xlsx"), kernel, lambda: kernel.word) == word
    assert kernel.closed == closed


@pytest.mark.parametrize("failed", [True, False])
def test_a_list_of_failed_files_that_excel_has_open_costs_nothing_else(tmp_path, monkeypatch, failed):
    """The likeliest file to be open when a batch is run again: it is no result, and what stands there is said."""
    said, outcome = [], FileOutcome(Path("a.sim"), "f", Status.FAILED, error="no")
    monkeypatch.setattr(atomic, "WAITS_S", ())
    monkeypatch.setattr(Path, "unlink", held)
    monkeypatch.setattr(os, "replace", held)
    assert save_failed_files(tmp_path / "a_failed_files.csv", [outcome] * failed, said.append) == ()
    assert "a_failed_files.csv cannot be" in said[0]
    assert "Close it" in said[0]
    assert "is an earlier run's; the results are not affected" in said[0]


def test_a_scanner_that_looks_into_a_new_file_makes_no_folder_unwritable(tmp_path, monkeypatch):
    """On Windows the probe cannot be deleted while one has it open."""
    waits: list[float] = []
    unlink = Path.unlink

    def scanned(path: Path, *, missing_ok: bool = False) -> None:
        if len(waits) < 2:
            raise PermissionError(13, "The process cannot access the file")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", scanned)
    check_writable(tmp_path, wait=waits.append)
    assert waits == list(atomic.WAITS_S[:2])
    assert list(tmp_path.iterdir()) == []


def test_folders_of_ours_that_could_not_go_are_leftovers_too(tmp_path):
    """A part of a table that somebody still had open when it was done; what others call so stays."""
    (tmp_path / f"{TEMPORARY_PREFIX}parts{TEMPORARY_SUFFIX}").mkdir()
    (tmp_path / f"{TEMPORARY_PREFIX}parts{TEMPORARY_SUFFIX}" / "0.parquet").write_bytes(b"part")
    (tmp_path / "theirs.tmp").mkdir()
    assert remove_leftovers(tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["theirs.tmp"]


def test_no_temporary_folder_ends_a_command():
    """What is still open on Windows cannot be removed: no result is lost for that."""
    made = [
        call
        for source in (ROOT / "src").rglob("*.py")
        for call in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("TemporaryDirectory")
    ]
    assert made
    assert [
        ast.unparse(call) for call in made if "ignore_cleanup_errors" not in {each.arg for each in call.keywords}
    ] == []


def test_a_place_whose_file_a_program_holds_is_told_before_the_work(tmp_path, monkeypatch):
    """On Windows, where it could not be replaced: once it is closed in time it is a place, and keeps its content."""
    target, waited = tmp_path / "r.xlsx", list[float]()
    target.write_bytes(b"earlier")

    def excel(path):
        if path == target and len(waited) != 1:
            held(path)

    monkeypatch.setattr(atomic, "ask_to_replace", excel)
    monkeypatch.setattr(atomic.sys, "platform", "linux")
    check_place(target, wait=waited.append)
    assert waited == [], "a rename asks its folder only, elsewhere"
    monkeypatch.setattr(atomic.sys, "platform", "win32")
    check_place(target, wait=waited.append)
    assert (waited, target.read_bytes()) == ([atomic.WAITS_S[0]], b"earlier")
    waited += [0.0]
    with pytest.raises(OutputError, match=r"r.xlsx could not be written: another program has it open .*nothing"):
        check_place(target, wait=waited.append)
    check_place(tmp_path / "new.xlsx", wait=waited.append)
    assert [path.name for path in tmp_path.iterdir()] == ["r.xlsx"]


def test_a_place_whose_file_is_write_protected_is_told_before_the_work(tmp_path, monkeypatch):
    """Windows refuses to replace it, however long one waits; elsewhere its folder decides."""
    target = tmp_path / "r.csv"
    target.write_bytes(b"")
    target.chmod(0o444)
    monkeypatch.setattr(atomic.sys, "platform", "linux")
    check_place(target)
    monkeypatch.setattr(atomic.sys, "platform", "win32")
    with pytest.raises(OutputError, match="it is write-protected"):
        check_place(target)


@pytest.mark.parametrize(
    "name", ["nul.csv", "Com1.xlsx", "a:b.csv", "aux .html", "lpt\N{SUPERSCRIPT TWO}.csv", "conin$.html"]
)
def test_a_place_that_windows_has_no_file_for_is_told_before_the_work(tmp_path, monkeypatch, name):
    """A device, or a stream of another file: nothing could take that name in the end."""
    monkeypatch.setattr(atomic.sys, "platform", "linux")
    check_place(tmp_path / name)
    monkeypatch.setattr(atomic.sys, "platform", "win32")
    with pytest.raises(OutputError, match=r"its name (is the name of a device|holds a character)"):
        check_place(tmp_path / name)
    check_place(tmp_path / "null.csv")


def test_of_two_writers_of_one_file_the_second_leaves_alone_what_the_first_has_made(tmp_path, monkeypatch):
    """Else it would change after it was looked at for the ledger, and be taken for somebody else's at the next run."""
    target, asked, replaced, lock_ = tmp_path / "a.csv", threading.Event(), [], threading.Lock()

    class Asked:
        def __enter__(self):
            if lock_.locked():
                asked.set()
            return lock_.__enter__()

        def __exit__(self, *raised):
            return lock_.__exit__(*raised)

    def same():
        with atomic_path(target, keep_same=True) as temporary:
            temporary.write_bytes(b"same")

    def slowly(temporary, to):
        replaced.append(to)
        second.start()
        assert asked.wait(60)
        replace(temporary, to)

    second, replace = threading.Thread(target=same), atomic.replace
    monkeypatch.setattr(atomic, "_TAKING_A_NAME", Asked())
    monkeypatch.setattr(atomic, "replace", slowly)
    same()
    second.join()
    assert replaced == [target]
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def _fails_with(code):
    def fsync(number):
        raise OSError(code, os.strerror(code))

    return fsync


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_knows_no_flush_loses_no_result(tmp_path, monkeypatch, code):
    """Some network drives and shared folders: all is written, and a plain loop's `open` never asked for more."""
    monkeypatch.setattr(atomic.os, "fsync", _fails_with(code))
    write_bytes(tmp_path / "a.csv", b"all of it")
    assert (tmp_path / "a.csv").read_bytes() == b"all of it"
    assert checks_machine._measured(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EBADF])
def test_a_disk_that_fails_at_the_flush_leaves_the_earlier_file(tmp_path, monkeypatch, code):
    """What is not on the disk takes nobody's place."""
    (tmp_path / "a.csv").write_bytes(b"earlier")
    monkeypatch.setattr(atomic.os, "fsync", _fails_with(code))
    with pytest.raises(OutputError, match="cannot be written"):
        write_bytes(tmp_path / "a.csv", b"later")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"earlier"]


@pytest.mark.parametrize(
    ("word", "none_there"), [(1, True), (50, True), (120, True), (112, False), (5, False), (0, False)]
)
def test_windows_is_asked_why_a_file_was_not_flushed(word, none_there):
    """Python says EBADF for all of it: for a share without flushes, and for a full disk."""
    refused = OSError(errno.EBADF, "Bad file descriptor")
    assert atomic.knows_no_flush(refused, lambda: word, "win32") is none_there
    assert not atomic.knows_no_flush(OSError(errno.EIO, "I/O"), lambda: word, "win32")


def _write(target):
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"x")


def _lock(target):
    with folder_lock(target.parent, "one"):
        assert as_opened(target.parent / lock.NAME).exists()


def _values(target):
    for _ in range(2):
        with ValuesFile(target, pytest.fail) as values:
            assert values.is_there
    assert read_values(target) == ()


def _table(target):
    table = TableFile(target.with_suffix(".csv"), (), {})
    table.add(FileOutcome(Path("a.sim"), "f", Status.OK, 1.0))
    table.close()


def _compared(target):
    assert compare_folders(target.parent, target.parent).identical == 1


def _made(target):
    made = usable_folder(target.parent / "new")
    as_opened(made).rmdir()


ON_FILES = {
    "written": (_write, True),
    "written at once": (lambda target: write_bytes(target, b"x"), True),
    "removed": (remove, False),
    "checked": (check_place, True),
    "its folder checked": (lambda target: check_writable(target.parent), True),
    "its folder made": (_made, True),
    "in use": (lambda target: hindrance(target) and pytest.fail(hindrance(target)), True),
    "locked": (_lock, True),
    "of values": (_values, True),
    "of a table": (_table, True),
    "compared": (_compared, True),
    "listed": (lambda target: save_failed_files(target, [], pytest.fail), False),
    "leftovers": (lambda target: remove_leftovers(target.parent) and pytest.fail("nothing is left"), True),
    "there": (lambda target: (is_there(target) and is_folder(target.parent)) or pytest.fail("it is there"), True),
    "a file's folder": (lambda target: is_folder(target) and pytest.fail("it is a file"), True),
}


@pytest.mark.parametrize("what", ON_FILES)
def test_whatever_is_done_with_a_file_names_it_as_the_system_takes_it(tmp_path, monkeypatch, what):
    """Linux too refuses a path by its length, from 4,096 bytes on: a name for its folder stands for Windows' prefix."""
    with too_deep(tmp_path, monkeypatch) as (folder, short):
        monkeypatch.setattr(atomic.sys, "platform", "win32" if what == "in use" else sys.platform)
        monkeypatch.setattr(atomic, "ask_to_replace", lambda path: path.open("r+b").close())
        (short / "r.csv").write_bytes(b"earlier")
        act, stays = ON_FILES[what]
        act(folder / "r.csv")
        left = {path.name for path in short.iterdir()} - {"r.csv.earlier"}
        assert left == ({"r.csv"} if stays else set())


def test_how_long_a_relative_name_is_for_the_system_counts(tmp_path, monkeypatch):
    """In a deep working folder the short name of a report fits, and the temporary one beside it need not."""
    seen = list[Path]()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(win32, "beyond_max_path", lambda path, _: seen.append(path) or path)
    with atomic_path(Path("r.html")) as temporary:
        temporary.write_bytes(b"r")
    assert {path.parent for path in seen} == {tmp_path}
    assert (tmp_path / "r.html").read_bytes() == b"r"
