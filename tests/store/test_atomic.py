"""Temporary names, and whether a folder can be written to."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from orcabatch.store.atomic import beyond_max_path, check_writable

DEEP = "C:\\" + "folder\\" * 40


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        (PureWindowsPath("C:\\results\\a.csv"), "C:\\results\\a.csv"),
        (PureWindowsPath(DEEP + "a.csv"), "\\\\?\\" + DEEP + "a.csv"),
        (PureWindowsPath("\\\\server\\share\\" + "f\\" * 130), "\\\\?\\UNC\\server\\share\\" + "f\\" * 130),
        (PureWindowsPath("\\\\?\\" + DEEP + "a.csv"), "\\\\?\\" + DEEP + "a.csv"),
        (PurePosixPath("/" + "folder/" * 60), "/" + "folder/" * 60),
    ],
)
def test_a_temporary_name_may_be_longer_than_windows_allows(path, taken):
    """The target's own path fits, the temporary one beside it need not: it gets Windows' prefix for long paths."""
    assert str(beyond_max_path(path)) == taken.rstrip("/\\")


def test_whether_a_folder_can_be_written_to_is_tried(tmp_path, monkeypatch):
    """What rights say is not what happens; nothing is left."""
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []

    def denied(self, *_args, **_kwargs):
        raise PermissionError(13, "Access is denied", str(self))

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(OSError, match="Access is denied"):
        check_writable(tmp_path)
