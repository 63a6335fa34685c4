"""Files that lie deeper than the system takes by their own names, as those of 260 characters do on Windows.

Run on Linux, where the limit is 4,096 bytes and the other name is a descriptor's; nothing here was run on Windows.
"""

from __future__ import annotations

import os

import pytest

import orcabatch
from batch_functions import largest_tension
from deep_folders import too_deep
from orcabatch import simulated
from orcabatch.batch.named_files import named_files
from orcabatch.digitalmodel import configuration
from orcabatch.digitalmodel.input_files import input_directory, search
from orcabatch.digitalmodel.preconditions import _one_file
from orcabatch.doctor.contact import Contact
from orcabatch.engine.contract import Task
from orcabatch.engine.read_ahead import ReadAhead
from orcabatch.errors import SourceError
from orcabatch.host.files import fingerprint, full_hash, sim_sizes
from orcabatch.orcaflex import failures, sim_files
from orcabatch.orcaflex.failures import explain
from orcabatch.orcaflex.sim_files import check_readable, stands
from orcabatch.outcome import Cause, Phase
from orcabatch.plan import BatchOptimizer
from orcabatch.results.cases import read_cases

SIZE = 300


def _read_ahead(file):
    ahead = ReadAhead(1)
    task = Task(0, file, ("f",), SIZE, SIZE)
    ahead._wished = {0: task}
    ahead._fetch(task)
    return ahead.counts.read_bytes


def _cases(file):
    cases, _, _ = read_cases(str(file.with_name("cases.csv")), [file])
    return cases["a.sim"]["heading"]


def _contact(file):
    contact = object.__new__(Contact)
    contact.files = (file,)
    return contact.size_bytes


READ = {
    "its size": (lambda file: sim_sizes([file]), (SIZE,)),
    "its fingerprint": (lambda file: (fingerprint(file).path, fingerprint(file).size), None),
    "its hash": (lambda file: len(full_hash(file)), 32),
    "how it stands": (lambda file: stands(file)[0], SIZE),
    "before it is loaded": (check_readable, SIZE),
    "ahead": (_read_ahead, SIZE),
    "by its group": (lambda file: [len(group) for group in BatchOptimizer().group_by_size([file])], [1, 0, 0]),
    "by its folder": (lambda file: [each.name for each in named_files([file.parent])], ["a.sim"]),
    "by a pattern": (lambda file: named_files([file.parent / "*.sim"])[0].name, "a.sim"),
    "as digitalmodel's input": (lambda file: search(file.parent, {"extension": ["sim"]})["sim"][0].name, "a.sim"),
    "by size": (lambda file: len(search(file.parent, _BY_SIZE)["sim"]), 1),
    "as one of two": (lambda file: _one_file(file, file), True),
    "its load case": (_cases, 15),
    "a YAML": (lambda file: configuration._text(str(file.with_name("dm.yml"))), "a: 1\n"),
    "by the doctor": (_contact, SIZE),
}
_BY_SIZE = {"extension": ["sim"], "filters": {"min_size_kb": 0.1}}


@pytest.mark.parametrize("what", READ)
def test_whatever_is_named_as_input_is_read_at_any_depth(tmp_path, monkeypatch, what):
    """Not "does not exist": sizes, fingerprints, load cases, YAMLs, folders and patterns."""
    with too_deep(tmp_path, monkeypatch) as (folder, short):
        (short / "a.sim").write_bytes(b"s" * SIZE)
        (short / "cases.csv").write_text("file,heading\na.sim,15\n")
        (short / "dm.yml").write_text("a: 1\n")
        read, expected = READ[what]
        assert read(folder / "a.sim") == (expected if what != "its fingerprint" else (folder / "a.sim", SIZE))


def test_digitalmodels_input_folder_is_there_at_any_depth(tmp_path, monkeypatch):
    """A folder that is not is still named."""
    with too_deep(tmp_path, monkeypatch) as (folder, _):
        cfg = {"file_management": {"input_directory": str(folder)}, "Analysis": {"analysis_root_folder": "."}}
        assert input_directory(cfg) == folder
        cfg["file_management"]["input_directory"] = str(folder / "none")
        with pytest.raises(SourceError, match="does not exist"):
            input_directory(cfg)


def test_a_file_that_orcaflex_cannot_open_is_named_before_the_batch_and_fails_with_what_to_do(
    orcaflex, tmp_path, monkeypatch
):
    """Where its path leads through a share too: it is there, so nothing is tried again, and the others are done."""
    for room in (failures, sim_files):
        monkeypatch.setattr(room, "is_on_network", lambda _: True)
    (near,) = simulated.generate_batch(tmp_path / "near", lngc=0, standard=1, stop_times_s=(10.0,))
    with too_deep(tmp_path, monkeypatch) as (folder, short):
        deep = folder / "deep.sim"
        (short / "deep.sim").write_bytes(near.read_bytes())
        plan = orcabatch.plan_batch([near, deep], postprocess=largest_tension, orcaflex="simulated")
        assert [file.size_bytes for file in plan.files] == [near.stat().st_size] * 2
        said = "1 file has a path of more characters than OrcaFlex can open (deep.sim): move the files"
        assert [note for note in plan.notes if said in note and "subst X: FOLDER" in note]
        result = orcabatch.run_batch([near, deep], postprocess=largest_tension, orcaflex="simulated", progress=False)
        assert said in " ".join(result.warnings)
        assert [outcome.ok for outcome in result.outcomes] == [True, False]
        (failed,) = result.failed
        assert (failed.cause, failed.attempt, failed.retried) == (Cause.INPUT, 1, ())
        assert f"its path has {len(str(deep))} characters" in failed.error
        assert "LongPathsEnabled" in failed.error


def test_a_function_that_opens_its_files_itself_is_not_told_what_orcaflex_can_open(tmp_path, monkeypatch):
    """With `loads: false` it gets the path, and may know another name; where it does not, the length is said."""
    with too_deep(tmp_path, monkeypatch) as (folder, short):
        (short / "a.sim").write_bytes(b"s")
        asked = {"performance": {"loads": False}, "postprocess": os.path.getsize, "orcaflex": "simulated"}
        assert not [note for note in orcabatch.plan_batch([folder / "a.sim"], **asked).notes if "OrcaFlex can" in note]
        error = FileNotFoundError(2, "No such file or directory", str(folder / "a.sim"))
        assert "it is there, but its path has" in explain(error, folder / "a.sim", Phase.EXTRACT).remedy
        missing = FileNotFoundError(2, "No such file or directory", str(folder / "b.sim"))
        assert explain(missing, folder / "a.sim", Phase.EXTRACT).remedy == ""


class DLLError(Exception):
    """As OrcFxAPI raises it."""

    status = 6
    errorString = "File not found."  # noqa: N815 - OrcFxAPI's name


def test_a_dll_that_does_not_take_a_long_path_is_met_with_its_length(tmp_path, monkeypatch):
    """Windows may open the path by its own name, with long paths enabled, and OrcaFlex not."""
    with too_deep(tmp_path, monkeypatch) as (folder, short):
        (short / "a.sim").write_bytes(b"s")
        remedy = explain(DLLError(), folder / "a.sim", Phase.LOAD).remedy
        assert f"its path has {len(str(folder / 'a.sim'))} characters, which may be too many for OrcaFlex" in remedy
    assert "characters" not in explain(DLLError(), tmp_path / "a.sim", Phase.LOAD).remedy
