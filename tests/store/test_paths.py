"""What is one path: spellings of one place have one text, and folders are asked once."""

from __future__ import annotations

import ntpath
import os
from pathlib import Path

import pytest

from capabilities import needs
from orcabatch.store import paths
from orcabatch.store.paths import Places, name_of, place_of
from orcabatch.win32 import is_folder, is_there


@needs("symbolic links")
def test_spellings_of_one_place_are_one(tmp_path, monkeypatch):
    """Absolute and relative, with and without dots, through a linked folder and a linked file."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a.sim").touch()
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    (tmp_path / "other.sim").symlink_to(tmp_path / "runs" / "a.sim")
    monkeypatch.chdir(tmp_path)
    spellings = ["runs/a.sim", "./runs/a.sim", "link/a.sim", "link/../runs/a.sim", "other.sim", tmp_path / "link/a.sim"]
    places = Places()
    assert {place_of(spelling) for spelling in spellings} == {str(tmp_path.resolve() / "runs" / "a.sim")}
    assert {places.of(Path(spelling)) for spelling in spellings} == {place_of("runs/a.sim")}


@needs("symbolic links")
def test_what_is_written_goes_by_its_name_and_the_place_of_its_folder(tmp_path):
    """A link of that name is replaced: what it leads to is another place."""
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "table.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert Places().of_name(tmp_path / "link" / "table.csv") == str(tmp_path.resolve() / "table.csv")


def windows(path: str | os.PathLike[str]) -> str:
    """As `ntpath.realpath` follows a mapped drive and the short name of a folder."""
    text = ntpath.normpath(os.fspath(path))
    text = text.replace("Z:\\", "\\\\server\\share\\").replace("PROGRA~1", "Program Files")
    return text[:1].upper() + text[1:]


@pytest.mark.parametrize(
    "spellings",
    [
        ["C:\\Runs\\a.sim", "c:\\Runs\\a.sim", "C:/runs/A.SIM", "c:\\runs\\old\\..\\a.sim"],
        ["Z:\\a.sim", "\\\\server\\share\\a.sim", "\\\\SERVER\\share\\A.sim"],
        ["C:\\PROGRA~1\\a.sim", "c:\\program files\\a.sim"],
    ],
    ids=["case and slashes", "drive and share", "short name"],
)
def test_spellings_of_windows_are_one(spellings, monkeypatch):
    """The case of a drive, of folders and names; slashes; a mapped drive where its share is known."""
    monkeypatch.setattr(paths, "IGNORES_CASE", True)
    monkeypatch.setattr(paths, "realpath", windows)
    assert len({place_of(spelling) for spelling in spellings}) == 1
    assert place_of(spellings[0]) != place_of("C:\\Runs\\b.sim")


def test_a_folder_is_asked_once(tmp_path, monkeypatch):
    """Ten thousand files on a slow drive lie in a few folders."""
    asked, real = [], paths.realpath
    monkeypatch.setattr(paths, "realpath", lambda path: asked.append(path) or real(path))
    places = Places()
    for number in range(50):
        places.of(tmp_path / f"{number}.sim")
    assert asked == [str(tmp_path)]


def test_a_path_that_nobody_can_follow_is_a_place_of_its_own(tmp_path, monkeypatch):
    """A drive that is gone, or no path at all: nothing raises, another spelling is another place."""

    def gone(path):
        raise OSError(53, "The network path was not found")

    assert place_of("a\0/b.sim") != place_of("a/b.sim")
    monkeypatch.setattr(paths, "realpath", gone)
    assert place_of(tmp_path / "a.sim") == str(tmp_path / "a.sim")


def test_whether_a_path_is_there_is_said_whatever_the_system_answers(tmp_path, monkeypatch):
    """Windows' words for a share that went are none of those that `Path.exists` passes over up to Python 3.13."""

    def gone(path, **_):
        raise OSError(22, "The network location cannot be reached", str(path), 1231)

    monkeypatch.setattr(Path, "stat", gone)
    assert (is_there(tmp_path), is_folder(tmp_path)) == (True, True)
    assert (is_there(tmp_path / "a"), is_folder(tmp_path / "a"), is_there("no\0name")) == (False, False, False)


def test_names_are_one_where_ntfs_takes_them_for_one(monkeypatch):
    """Letter by letter: a sharp s is no double one, whatever stands beside it; elsewhere capitals tell names apart."""
    assert name_of("a.csv") != name_of("A.csv")
    monkeypatch.setattr(paths, "IGNORES_CASE", True)
    for one, other in (("a.csv", "A.CSV"), ("\xc4.csv", "\xe4.csv"), ("\u03a3x", "\u03c3X")):
        assert name_of(one) == name_of(other)
    for one, other in (("Ma\xdf", "Mass"), ("\ufb01x", "fix"), ("a", "\xe4")):
        assert name_of(one) != name_of(other)
