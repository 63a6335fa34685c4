"""What Windows wants said in its own way: a console that is to draw by escape codes, the end of a process."""

from __future__ import annotations

import ctypes
import errno
import io
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from orcabatch import win32
from orcabatch.batch.temporary import staging_folder
from orcabatch.win32 import end_now, new_file, new_folder, switched_to_escape_codes, takes_escape_codes


class Consoles:
    """Windows' kernel32 with a console of a mode, or none (a pipe); one of before Windows 10 takes no other mode."""

    def __init__(self, mode: int | None, *, is_old: bool = False) -> None:
        self.mode, self.is_old = mode, is_old

    def GetConsoleMode(self, _: object, mode: object) -> int:  # noqa: N802 - Windows' name
        if self.mode is None:
            return 0
        mode._obj.value = self.mode  # type: ignore[attr-defined]
        return 1

    def SetConsoleMode(self, _: object, mode: int) -> int:  # noqa: N802 - Windows' name
        if self.is_old:
            return 0
        self.mode = mode
        return 1


@pytest.mark.parametrize(
    ("consoles", "is_taken", "mode"),
    [
        (Consoles(0x3), True, 0x7),
        (Consoles(0x7), True, 0x7),
        (Consoles(0x3, is_old=True), False, 0x3),
        (Consoles(None), True, None),
    ],
)
def test_a_console_of_windows_is_switched_to_escape_codes(consoles: Consoles, is_taken: bool, mode: int | None) -> None:
    """The classic one begins without: a bar would be written there as text, twice a second."""
    assert switched_to_escape_codes(consoles, 7) is is_taken
    assert consoles.mode == mode


def test_elsewhere_nothing_is_switched() -> None:
    """A terminal takes them, and what is none asks nobody."""
    assert takes_escape_codes(io.StringIO())


class Kernel:
    """Windows' kernel32 as far as it ends the process that asks."""

    def __init__(self, ends: list[tuple[object, int]]) -> None:
        self.ends = ends

    def GetCurrentProcess(self) -> int:  # noqa: N802 - Windows' name
        return -1

    def TerminateProcess(self, handle: ctypes.c_void_p, code: int) -> int:  # noqa: N802 - Windows' name
        self.ends.append((handle.value, code))
        return 1


@pytest.mark.parametrize(("code_page", "flags"), [(0, 0x08000000), (850, 0)])
def test_processes_of_a_program_without_a_console_show_no_window(
    monkeypatch: pytest.MonkeyPatch, code_page: int, flags: int
) -> None:
    """Who closes one of the black windows that Windows opens for a GUI's workers ends that worker."""
    monkeypatch.setattr(win32, "kernel32", lambda: SimpleNamespace(GetConsoleCP=lambda: code_page))
    assert win32.without_window() == flags
    monkeypatch.setattr(win32, "kernel32", lambda: None)
    assert win32.without_window() == 0


def test_a_folder_that_may_not_be_made_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where files may be made and no folders `tempfile` tries two thousand million names on Windows."""
    tried = list[str]()

    def mkdir(path: str, *_: object) -> None:
        tried.append(str(path))
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as denied:
        denied.setattr(os, "mkdir", mkdir)
        with staging_folder(tmp_path) as folder:
            assert folder == tmp_path
    assert len(tried) == 1
    first, second = (new_folder(tmp_path, "run-") for _ in range(2))
    assert first.is_dir()
    assert first.parent == tmp_path
    assert first.name.startswith("run-")
    assert first != second


def test_a_file_that_may_not_be_made_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the right to write is lost during a run, `tempfile` tries names on Windows as for folders."""
    with new_file(tmp_path) as stream:
        stream.write(b"values")
        stream.seek(0)
        assert stream.read() == b"values"
    assert list(tmp_path.iterdir()) == []
    tried = list[int]()

    def refused(path: Path, flags: int, mode: int) -> int:
        tried.append(flags)
        raise PermissionError(errno.EACCES, "Access is denied", str(path))

    for name, flag in (("O_TEMPORARY", 0x40), ("O_BINARY", 0x8000), ("O_NOINHERIT", 0x80)):
        monkeypatch.setattr(os, name, flag, raising=False)
    monkeypatch.setattr(os, "open", refused)
    named = list[Path]()  # a folder of 240 characters needs no prefix, and a name in it does
    monkeypatch.setattr(win32, "beyond_max_path", lambda path, _: named.append(path) or path)
    with pytest.raises(PermissionError):
        new_file(tmp_path)
    assert [flags & (0x40 | os.O_EXCL) for flags in tried] == [0x40 | os.O_EXCL]
    assert [path.parent for path in named] == [tmp_path]


def test_a_process_ends_without_its_libraries_cleaning_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows they do in `os._exit`, when all other threads are gone with what they had locked: one may wait."""
    ends: list[tuple[object, int]] = []
    monkeypatch.setattr(os, "_exit", lambda code: ends.append(("_exit", code)))
    end_now(81, Kernel(ends))
    assert ends[0] == (ctypes.c_void_p(-1).value, 81)
    ends.clear()
    monkeypatch.setattr(win32, "kernel32", lambda: None)
    end_now(81)
    assert ends == [("_exit", 81)]
