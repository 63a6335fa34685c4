"""A drive or share that cannot be reached is called so, wherever a path is looked for, read or written."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from orcabatch import network
from orcabatch.batch.functions import usable_folder
from orcabatch.batch.named_files import named_files
from orcabatch.cli.run import understood
from orcabatch.digitalmodel.combine import _whole
from orcabatch.digitalmodel.configuration import _text
from orcabatch.digitalmodel.csv_output import folder_named
from orcabatch.digitalmodel.input_files import input_directory
from orcabatch.digitalmodel.preconditions import check_folder
from orcabatch.digitalmodel.proof_input import read_proof_input
from orcabatch.errors import OrcabatchError, OutputError, OutputUnreachable
from orcabatch.monitor.report import read_metrics
from orcabatch.network import unreachable
from orcabatch.orcaflex.failures import explain
from orcabatch.orcaflex.sim_files import unreadable
from orcabatch.outcome import Cause, Phase
from orcabatch.results.cases import read_cases
from orcabatch.store import atomic
from orcabatch.store.atomic import check_place, write_bytes
from orcabatch.store.compare import compare_folders
from orcabatch.store.kept_values import read_values
from orcabatch.store.lock import folder_lock

BAD_NETPATH, PATH_NOT_FOUND, FILE_NOT_FOUND, NETNAME_DELETED = 53, 3, 2, 64
LOST = OSError(errno.EINVAL, "Invalid argument")


def windows(code, name="", number=errno.ENOENT):
    """What Windows raises of a look, with its own number."""
    error = OSError(number, "The network path was not found", str(name))
    error.winerror = code  # type: ignore[attr-defined] - only there do errors have it
    return error


def looking(monkeypatch, path_says, root_says=0):
    """Let looks at paths and at their root fail with Windows' numbers; 0: they are there."""

    def look(place):
        code = root_says if place == Path(place.anchor) else path_says
        if code:
            raise windows(code, place)

    monkeypatch.setattr(network, "_look_at", look)


@pytest.fixture
def gone(monkeypatch):
    """The path's share is gone: C functions say that it does not exist, a look says why."""
    looking(monkeypatch, BAD_NETPATH, BAD_NETPATH)


LOOKS = {
    "a word of the command line": lambda path: understood("run", ["--postprocess", "m:f", str(path)]),
    "a YAML": lambda path: _text(str(path)),
    "a pattern": lambda path: named_files([path / "*.sim"]),
    "the input folder": lambda path: input_directory(
        {"file_management": {"input_directory": str(path)}, "Analysis": {"analysis_root_folder": "."}}
    ),
    "the result folder": lambda path: check_folder({"Analysis": {"result_folder": str(path)}}),
    "a proof": read_proof_input,
    "a folder to compare": lambda path: compare_folders(path, path),
    "metrics": read_metrics,
    "values": read_values,
    "load cases": lambda path: read_cases(path.with_suffix(".csv"), ()),
}


@pytest.mark.parametrize("door", LOOKS)
def test_what_is_looked_for_on_a_share_that_is_gone_cannot_be_reached(door, tmp_path, gone):
    """Not "does not exist", and no advice on its name."""
    with pytest.raises(OrcabatchError) as said:
        LOOKS[door](tmp_path / "sims")
    assert "cannot be reached: The network path was not found. See that its drive or share is there" in str(said.value)
    assert "does not exist" not in str(said.value)


@pytest.mark.parametrize("door", LOOKS)
def test_what_is_missing_on_a_share_that_answers_is_missing(door, tmp_path, monkeypatch):
    """A name that is mistyped on a mapped drive is no matter of the network."""
    looking(monkeypatch, FILE_NOT_FOUND)
    monkeypatch.setattr(network, "is_on_network", lambda _: True)
    with pytest.raises(OrcabatchError) as said:
        LOOKS[door](tmp_path / "sims")
    assert "reached" not in str(said.value)


def _locked(folder):
    with folder_lock(folder, "b"):
        pytest.fail("it was locked")


@pytest.mark.parametrize("use", [_locked, usable_folder, lambda folder: check_place(folder / "a.csv")])
def test_a_folder_of_outputs_on_a_share_that_is_gone_cannot_be_reached(use, tmp_path, monkeypatch, gone):
    """Before the run; it is neither to be made nor to be exchanged."""

    def not_there(path, *_, **__):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))

    monkeypatch.setattr(Path, "mkdir", not_there)
    with pytest.raises(OutputError, match="cannot be reached: The network path was not found"):
        use(tmp_path / "results")


@pytest.mark.parametrize(
    ("path_says", "root_says", "said"),
    [
        (BAD_NETPATH, 0, "The network path"),
        (PATH_NOT_FOUND, PATH_NOT_FOUND, "is not there"),
        (PATH_NOT_FOUND, BAD_NETPATH, "The network path"),
        (PATH_NOT_FOUND, 0, ""),
        (0, BAD_NETPATH, ""),
    ],
)
def test_the_path_is_asked_and_then_its_root(path_says, root_says, said, monkeypatch, tmp_path):
    """A letter behind which nothing is has no number of the network; what is there (again) is reached."""
    looking(monkeypatch, path_says, root_says)
    found = unreachable(tmp_path / "a")
    assert said in found
    assert bool(found) is bool(said)


def test_a_root_that_may_not_be_looked_at_is_there(monkeypatch, tmp_path):
    """Some shares let in below only."""

    def denied(place):
        raise PermissionError(errno.EACCES, "Access is denied", str(place))

    monkeypatch.setattr(network, "_look_at", denied)
    assert unreachable(tmp_path / "a") == ""


@pytest.mark.parametrize("name", ["a\0b", "a\udcffb"])
def test_a_name_that_no_file_has_is_reached(name):
    """It is for others to say what is wrong with it."""
    assert unreachable(name) == ""


@pytest.mark.parametrize("error", [LOST, windows(NETNAME_DELETED, number=errno.EINVAL), OSError("no such directory")])
def test_a_share_that_goes_while_a_table_is_written_is_named_and_may_come_back(error, tmp_path, gone):
    """No advice to make a folder; the file is tried again."""
    with pytest.raises(OutputUnreachable) as said, folder_named(tmp_path / "gone" / "a_ten.csv", "a"):
        raise error
    assert "a_ten.csv cannot be written: " in str(said.value)
    assert "See that its drive or share is there, and run again." in str(said.value)
    failure = explain(said.value, Path("a.sim"), Phase.WRITE)
    assert (failure.cause, failure.may_heal) == (Cause.OUTPUT, True)


@pytest.mark.parametrize("away", [True, False])
def test_a_share_that_is_back_when_it_is_asked_was_lost_all_the_same(away, tmp_path, monkeypatch):
    """What was open then is not; on a disk of this machine "Invalid argument" is something else."""
    monkeypatch.setattr(network, "is_on_network", lambda _: away)
    with pytest.raises(OSError if not away else OutputUnreachable) as said, folder_named(tmp_path / "a_ten.csv", "a"):
        raise LOST
    assert ("the connection was lost" in str(said.value)) is away


def test_a_name_that_windows_refuses_to_open_is_no_lost_connection(tmp_path, monkeypatch):
    """`open` says EINVAL of that, too, but tells the name."""
    monkeypatch.setattr(network, "is_on_network", lambda _: True)
    assert unreachable(tmp_path, OSError(errno.EINVAL, "Invalid argument", str(tmp_path / "a?b"))) == ""


def test_a_summary_on_a_share_that_goes_is_not_to_be_freed_or_corrected(tmp_path, monkeypatch):
    """It says what is to be connected."""
    monkeypatch.setattr(network, "is_on_network", lambda _: True)

    def to_csv(*_):
        raise LOST

    with pytest.raises(OutputUnreachable, match="the connection was lost"):
        _whole([], None, tmp_path)(Path("b.csv"), None, to_csv)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_share_that_goes_at_the_end_of_a_table_is_named(step, tmp_path, monkeypatch):
    """At its flush or its renaming: every output takes these steps."""

    def lost(*_):
        raise windows(NETNAME_DELETED, number=errno.EINVAL)

    monkeypatch.setattr(atomic.os, step, lost)
    monkeypatch.setattr(atomic, "knows_no_flush", lambda *_: False)
    with pytest.raises(OutputUnreachable, match="cannot be reached"):
        write_bytes(tmp_path / "a.csv", b"x")
    assert list(tmp_path.iterdir()) == []


def test_what_a_function_opens_on_a_share_that_is_gone_may_come_back(tmp_path, gone):
    """Its own tables, or what it reads beside the model."""
    error = FileNotFoundError(errno.ENOENT, "No such file or directory", str(tmp_path / "x.csv"))
    failure = explain(error, Path("a.sim"), Phase.EXTRACT)
    assert "x.csv cannot be reached" in failure.message
    assert failure.remedy.startswith("see that its drive")
    assert failure.may_heal


def test_a_sim_that_is_missing_on_a_share_that_answers_does_not_exist(tmp_path, monkeypatch):
    """It is tried again, since the share may have been gone for a moment."""
    monkeypatch.setattr("orcabatch.orcaflex.sim_files.is_on_network", lambda _: True)
    fault = unreadable(tmp_path / "a.sim", FileNotFoundError(errno.ENOENT, "No such file or directory"))
    assert (fault.message, fault.may_heal) == (f"{tmp_path / 'a.sim'} does not exist", True)
    assert "moved or renamed" in fault.remedy


@pytest.mark.parametrize("number", [1326, 1311, 71, 1219])
def test_a_share_that_refuses_the_logon_is_not_called_missing(number, tmp_path, monkeypatch):
    """A password that has run out, no server to ask, too many connections: Windows says which."""
    looking(monkeypatch, number, number)
    assert "cannot be reached" in unreachable(tmp_path / "a.yml")


def test_a_drive_that_is_not_ready_is_not_called_held(tmp_path, monkeypatch):
    """An empty card reader: opening says no more than that it is denied, a look says that it is not ready."""
    looking(monkeypatch, 21, 21)
    assert "cannot be reached" in unreachable(tmp_path / "a.sim", PermissionError(errno.EACCES, "Permission denied"))
    looking(monkeypatch, 0)
    assert not unreachable(tmp_path / "a.sim", PermissionError(errno.EACCES, "Permission denied"))
