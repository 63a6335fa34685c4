"""What an exception means for the engineer."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest

from orcabatch.errors import OrcaFlexUnavailable, OutputError
from orcabatch.orcaflex import binding, sim_files
from orcabatch.orcaflex.broker.objects import Objects
from orcabatch.orcaflex.failures import explain
from orcabatch.orcaflex.incomplete import non_finite, non_finite_warning, period_warning, simulation_warnings
from orcabatch.orcaflex.sim_files import InputError, check_readable, stands_as, unreadable
from orcabatch.outcome import Cause, Phase


class DLLError(Exception):
    def __init__(self, status, text="the DLL's text"):
        super().__init__(text)
        self.status, self.errorString = status, text


FILE = Path("/data/a.sim")


@pytest.mark.parametrize(
    ("status", "cause", "may_heal", "words"),
    [
        (25, Cause.LICENCE, True, "licence"),
        (6, Cause.INPUT, False, "did not find"),
        (7, Cause.INPUT, False, "truncated"),
        (34, Cause.INPUT, False, "version"),
        (67, Cause.INPUT, False, "not an OrcaFlex simulation"),
        (26, Cause.EXCEPTION, False, "variable"),
        (68, Cause.EXCEPTION, False, "thread"),
        (20, Cause.EXCEPTION, False, "refused"),
    ],
)
def test_the_status_of_a_dll_error_decides(status, cause, may_heal, words):
    """Cause, chance of healing and words follow from OrcFxAPI's status; its own text and the file are named."""
    failure = explain(DLLError(status), FILE, Phase.LOAD)
    assert (failure.cause, failure.may_heal) == (cause, may_heal)
    assert words in failure.message
    assert f"status {status}: the DLL's text" in failure.message
    assert "a.sim" in failure.message


def test_an_unexpected_error_that_speaks_of_memory_is_one_of_memory():
    """OrcaFlex has no status of its own for it; with fewer files at once it may go well."""
    failure = explain(DLLError(20, "Unexpected error: Out of memory"), FILE, Phase.LOAD)
    assert (failure.cause, failure.may_heal) == (Cause.MEMORY, True)
    assert "max_threads" in failure.remedy
    assert explain(DLLError(20, "Unexpected error"), FILE, Phase.LOAD).cause is Cause.EXCEPTION


@pytest.mark.parametrize("status", [8, 14, 20])
def test_a_result_that_cannot_be_read_since_the_log_is_corrupt_is_the_files_fault(status):
    """Whatever was asked for: the file is to be run or copied again; no name is wrong."""
    text = "Error reading Effective tension of Line01 from the simulation log: it is corrupt."
    failure = explain(DLLError(status, text), FILE, Phase.EXTRACT)
    assert (failure.cause, failure.may_heal) == (Cause.INPUT, False)
    assert "damaged" in failure.message
    assert "copy it again" in failure.remedy


def test_a_read_error_may_heal_where_another_program_holds_the_file():
    """A sharing violation heals when the other program lets go; damage does not."""
    assert explain(DLLError(7, "Sharing violation."), FILE, Phase.LOAD).may_heal
    assert explain(DLLError(7), Path("//server/share/a.sim"), Phase.LOAD).may_heal


@pytest.mark.parametrize(
    ("error", "phase", "cause", "may_heal"),
    [
        (MemoryError(), Phase.LOAD, Cause.MEMORY, True),
        (PermissionError(errno.EACCES, "denied", "/out/a.csv"), Phase.WRITE, Cause.OUTPUT, True),
        (OSError(errno.ENOSPC, "full", "/out/a.csv"), Phase.WRITE, Cause.OUTPUT, False),
        (OutputError("/out/a.csv cannot be replaced: another program holds it open"), Phase.WRITE, Cause.OUTPUT, False),
        (KeyError("Line9"), Phase.EXTRACT, Cause.EXCEPTION, False),
        (FileNotFoundError(errno.ENOENT, "no", str(FILE)), Phase.LOAD, Cause.INPUT, False),
        (OrcaFlexUnavailable("no OrcaFlex"), Phase.LOAD, Cause.EXCEPTION, False),
    ],
)
def test_other_exceptions_are_told_apart_by_type_and_phase(error, phase, cause, may_heal):
    """The same exception means input while loading and output while writing."""
    failure = explain(error, FILE, phase)
    assert (failure.cause, failure.may_heal) == (cause, may_heal)


@pytest.mark.parametrize("brokered", [True, False])
def test_an_object_that_the_model_lacks_is_no_key_of_a_table(orcaflex, brokered):
    """OrcFxAPI raises a KeyError for it, and so does the broker; a function's own dict has words of its own."""
    model = orcaflex.Model()
    ask = Objects(orcaflex, model.handle, lambda _: None).called if brokered else model.__getitem__
    try:
        ask("Line9")
    except KeyError as error:  # let go of with its frames, which hold the model
        failure = explain(error, FILE, Phase.EXTRACT)
    assert (failure.message, failure.remedy) == ("the model has no object 'Line9'", "check the object's name")


def test_an_exception_that_only_has_a_status_is_no_dll_error():
    """A user's exception with its own `status` attribute is not taken for OrcFxAPI's."""
    error = ValueError("http")
    error.status = 25  # type: ignore[attr-defined]
    assert explain(error, FILE, Phase.EXTRACT).cause is Cause.EXCEPTION


def test_files_are_checked_before_orcaflex_reads_them(tmp_path):
    """Missing, empty and folder have their own words; a good file's size is returned."""
    good, empty = tmp_path / "good.sim", tmp_path / "empty.sim"
    good.write_bytes(b"12345")
    empty.touch()
    assert check_readable(good) == 5
    for file, words in ((tmp_path / "no.sim", "does not exist"), (empty, "is empty"), (tmp_path, "is a folder")):
        with pytest.raises(InputError, match=words) as caught:
            check_readable(file)
        assert not caught.value.may_heal


@pytest.mark.parametrize(("code", "words"), [(32, "held by another program"), (53, "cannot be reached")])
def test_windows_errors_that_may_heal(code, words):
    """A sharing violation and an unreachable share are tried again."""
    error = PermissionError(errno.EACCES, "text")
    error.winerror = code  # type: ignore[attr-defined]
    fault = unreadable(FILE, error)
    assert words in fault.message
    assert fault.may_heal


@pytest.mark.parametrize(
    ("looks", "same"),
    [
        ([(5, 7, 1)], True),
        ([(5, 7, 2), (5, 7, 3)], True),
        ([(5, 7, 2), (5, 7, 2)], False),
        ([(5, 7, 2), (5, 8, 3)], False),
        ([(5, 7, 2), None], False),
        ([(6, 7, 1)], False),
        ([(5, 8, 2)], False),
        ([None], False),
    ],
)
def test_a_share_that_numbers_files_anew_changes_none(monkeypatch, looks, same):
    """Another file of the same size and time has a number of its own, at every look."""
    left = list(looks)
    monkeypatch.setattr(sim_files, "stands", lambda _: left.pop(0))
    assert stands_as(FILE, (5, 7, 1)) is same
    assert left == []


@pytest.mark.parametrize(
    ("attributes", "said"), [(0x400020, "in the cloud"), (0x1020, "in the cloud"), (0x20, "drive")]
)
def test_a_file_that_lies_in_the_cloud_only_is_said_to(monkeypatch, attributes, said):
    """OneDrive does not run: all that Windows says of it is "Invalid argument"."""
    monkeypatch.setattr(Path, "stat", lambda _: SimpleNamespace(st_file_attributes=attributes))
    fault = unreadable(FILE, OSError(errno.EINVAL, "Invalid argument"))
    assert said in f"{fault} ({fault.remedy})"
    assert fault.may_heal


def test_what_windows_denies_without_saying_why_may_heal(monkeypatch, tmp_path):
    """`open` gives no code there: a file that OrcaFlex still writes is not called forbidden, and is tried again."""
    monkeypatch.setattr(sim_files, "DENIED_WITHOUT_REASON", True)
    fault = unreadable(tmp_path / "a.sim", PermissionError(errno.EACCES, "Permission denied"))
    assert "held by another program" in fault.message
    assert fault.may_heal


def test_an_input_error_survives_pickling():
    """It crosses from a worker process with all it says."""
    error = pickle.loads(pickle.dumps(InputError("m", "r", True)))  # noqa: S301 - our own bytes
    assert (error.message, error.remedy, error.may_heal) == ("m", "r", True)


def test_no_orcaflex_names_the_simulated_one(monkeypatch):
    """Where OrcFxAPI cannot be imported the error says how to go on without it."""
    monkeypatch.setitem(binding.sys.modules, "OrcFxAPI", None)
    monkeypatch.setattr(binding, "_MODULE", "OrcFxAPI_that_is_not_there")
    with pytest.raises(OrcaFlexUnavailable, match="--orcaflex simulated"):
        binding.find_binding("real")


@pytest.mark.parametrize(
    ("package", "dll", "warns"), [("11.6.3", "11.6c", False), ("11.6.3", "11.4a", True), ("", "11.6c", False)]
)
def test_versions_are_compared_by_release(package, dll, warns):
    """A package of another release than the DLL's is warned about, a letter is not."""
    assert bool(binding._version_warning(package, dll)) is warns


class _Status:
    StartTime, StopTime = 0.0, 100.0

    def __init__(self, current):
        self.CurrentTime = current


class _Model:
    def __init__(self, complete, state, current):
        self.simulationComplete, self.state, self.simulationTimeStatus = complete, state, _Status(current)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (_Model(True, 4, 100.0), None),
        (_Model(False, 4, 40.0), "reached 40 s of 100 s"),
        (_Model(False, 5, 40.0), "unstable at 40 s"),
        (object(), None),
    ],
)
def test_an_incomplete_simulation_is_warned_about(model, words):
    """A run that stopped early says how far it came; a model that cannot say gives no warning."""
    warnings = simulation_warnings(model)
    assert (words in warnings[0]) if words else warnings == ()


@pytest.mark.parametrize(
    ("period", "words"),
    [((0.0, 100.0), ""), ((200.0, 300.0), "outside"), ((0.0, 150.0), "beyond"), ((5.0, 6.0), "covers only 1%")],
)
def test_a_period_is_compared_with_what_was_simulated(period, words):
    """Outside, beyond the end, or a small part of it."""
    warning = period_warning(period, (0.0, 100.0))
    assert (words in warning) if words else warning == ""


def test_non_finite_results_are_named():
    """NaN and infinities in numbers and arrays are found; text, None and booleans are not looked at."""
    values = {"a": 1.0, "b": float("nan"), "c": [1.0, float("inf")], "d": "nan", "e": None, "f": True}
    assert non_finite(values) == ("b", "c")
    assert non_finite_warning(("b", "c")) == "not a finite number: b, c"
