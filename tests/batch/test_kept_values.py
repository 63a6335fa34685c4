"""`keep_values`: what files returned is in the folder as they end, whatever becomes of the run, and is read exactly."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import orcabatch
from batch_functions import largest_tension
from capabilities import needs
from fuzzing import drawn, torn
from orcabatch.errors import SettingsError, SourceError
from orcabatch.outcome import FileOutcome, Status
from orcabatch.store import atomic, kept_values
from orcabatch.store.kept_values import EARLIER, MAGIC, ValuesFile, read_values

KILLED = """
import os, signal, sys
import orcabatch
from batch_functions import largest_tension
from capabilities import needs
ended = []
def heard(outcome):
    ended.append(outcome)
    if len(ended) == 5:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
orcabatch.run_batch(
    sys.argv[1:], postprocess=largest_tension, orcaflex="simulated", output_dir="out", progress=False,
    on_outcome=heard, performance={"executor": "serial", "keep_values": True})
"""


def run(sims, tmp_path, function=largest_tension, **more):
    """With values kept in `out`."""
    performance = {"executor": "serial", "keep_values": True, **more.pop("performance", {})}
    known = {"orcaflex": "simulated", "progress": False, "output_dir": tmp_path / "out", "performance": performance}
    return orcabatch.run_batch(sims, postprocess=function, **known | more)


def test_a_killed_run_leaves_its_values(orcaflex, sims, tmp_path):
    """Those of all files that had ended; no later run uses them, and the next one leaves them beside its own."""
    tests = str(Path(__file__).parents[1])
    own = {name: value for name, value in os.environ.items() if name != "ORCABATCH_SIMULATED_COUNTERS"}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, sims)], cwd=tmp_path, check=False, capture_output=True, text=True,
        env={**own, "PYTHONPATH": os.pathsep.join(filter(None, (tests, os.environ.get("PYTHONPATH"))))},
        timeout=300,
    )  # fmt: skip
    assert done.returncode != 0
    file = tmp_path / "out" / "largest_tension_values.bin"
    left = read_values(file)
    assert len(left) >= 5, done.stderr
    whole = run(sims, tmp_path)
    assert sum(orcaflex.counters.loads_by_file.values()) == len(sims)
    assert [outcome.value for outcome in read_values(file)] == whole.values
    assert [outcome.file for outcome in read_values(file)] == sims
    assert read_values(file.with_name(file.name + EARLIER)) == left
    assert all(outcome.value == whole.values[outcome.index] for outcome in left)
    assert file in whole.outputs


def test_an_interrupted_run_and_results_of_an_earlier_one_are_in_it(orcaflex, sims, tmp_path):
    """As far as it came; what the ledger answered as well."""
    left = [3]

    def heard(_):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(sims, tmp_path, version="1", on_outcome=heard)
    file = tmp_path / "out" / "largest_tension_values.bin"
    kept = len(read_values(file))
    assert 3 <= kept < len(sims)
    result = run(sims, tmp_path, version="1")
    assert [outcome.status for outcome in read_values(file)] == [outcome.status for outcome in result.outcomes]
    assert sum(outcome.status is Status.SKIPPED for outcome in read_values(file)) == kept


def mixed(model, sim_file):
    """Arrays of files, but for one that has no exact form, and one that fails."""
    if sim_file.stem.endswith("045deg"):
        return object()
    if sim_file.stem.endswith("090deg"):
        raise ValueError("no such heading")
    return {"tension": np.arange(3.0), "name": "caf\udce9", "case": (1, None)}


def test_values_come_back_as_they_were(orcaflex, sims, tmp_path):
    """Bit for bit; what has no exact form is said and left out, files without results are."""
    result = run(sims, tmp_path, mixed)
    kept = read_values(tmp_path / "out" / "mixed_values.bin")
    there = [outcome for outcome in result.outcomes if outcome.ok and type(outcome.value) is dict]
    assert [(each.index, each.file) for each in kept] == [(each.index, each.file) for each in there]
    assert all(repr(each.value) == repr(known.value) for each, known in zip(kept, there, strict=True))
    assert len([text for text in result.warnings if "builtins.object" in text]) == 1


def test_it_needs_a_folder(sims):
    """Said before anything is loaded."""
    with pytest.raises(SettingsError, match="Give output_dir="):
        orcabatch.run_batch(sims, postprocess=largest_tension, orcaflex="simulated", performance={"keep_values": True})


def test_a_disk_that_fills_up_costs_only_what_did_not_fit(tmp_path, monkeypatch):
    """Said once; what stood there before is whole."""
    said, target = [], tmp_path / "f_values.bin"
    with ValuesFile(target, said.append) as values:
        values.add(FileOutcome(tmp_path / "a.sim", "f", Status.OK, 1), 0)

        def full(stream, record):
            stream.write(bytes(record)[:7])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(kept_values, "_write", full)
        for position in (1, 2):
            values.add(FileOutcome(tmp_path / "b.sim", "f", Status.OK, 2), position)
    assert [outcome.value for outcome in read_values(target)] == [1]
    assert len(said) == 1
    assert "No space left" in said[0]


def test_a_file_that_is_done_again_has_its_last_value(tmp_path):
    """None where it failed then."""
    target = tmp_path / "f_values.bin"
    with ValuesFile(target, print) as values:
        for status, value in ((Status.OK, 1), (Status.OK, 2)):
            values.add(FileOutcome(tmp_path / "a.sim", "f", status, value), 0)
        for status, value in ((Status.OK, 1), (Status.FAILED, None)):
            values.add(FileOutcome(tmp_path / "b.sim", "f", status, value), 1)
    assert [outcome.value for outcome in read_values(target)] == [2]


def test_a_value_without_a_form_takes_the_place_of_an_earlier_trys(tmp_path):
    """What stood there is not the file's value any more: better none."""
    target, said = tmp_path / "f_values.bin", []
    with ValuesFile(target, said.append) as values:
        for value in (1, object()):
            values.add(FileOutcome(tmp_path / "a.sim", "f", Status.OK, value), 0)
        values.add(FileOutcome(tmp_path / "b.sim", "f", Status.OK, 2), 1)
    assert [outcome.value for outcome in read_values(target)] == [2]
    assert len(said) == 1


def test_a_value_that_cannot_be_read_here_is_said_and_costs_no_other(tmp_path, monkeypatch):
    """A frame where there is no pandas, say."""
    target = tmp_path / "f_values.bin"
    with ValuesFile(target, print) as values:
        for position, value in enumerate((1, pd.DataFrame({"a": [1]}), 3)):
            values.add(FileOutcome(tmp_path / "a.sim", "f", Status.OK, value), position)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.warns(UserWarning, match="a value of f cannot be read and is left out: .*pandas"):
        assert [outcome.value for outcome in read_values(target)] == [1, 3]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The bytes of a few values."""
    target = tmp_path_factory.mktemp("written") / "f_values.bin"
    with ValuesFile(target, print) as values:
        for position in range(4):
            values.add(FileOutcome(Path("a.sim"), "f", Status.OK, {"t": np.arange(position)}), position)
    return target.read_bytes()


@drawn(50, 5000)
@given(data=st.data())
def test_a_file_of_any_bytes(written, tmp_path_factory, data):
    """Values that are whole, up to the first that is not; or it is said to be none."""
    target = tmp_path_factory.getbasetemp() / "any_values.bin"
    target.write_bytes(data.draw(torn(written)))
    if not target.read_bytes().startswith(MAGIC):
        with pytest.raises(SourceError, match="holds no values"):
            read_values(target)
        return
    assert all(isinstance(outcome.value, dict) for outcome in read_values(target))


def failing(model):
    """Fails on all."""
    raise ValueError("no such heading")


@pytest.mark.parametrize(("progress", "lines"), [(False, 1), (lambda shot: None, 1), ("lines", 0)])
def test_failed_files_are_said_once(orcaflex, sims, caplog, capsys, progress, lines):
    """By one warning, where no display has named them."""
    with caplog.at_level(logging.WARNING, "orcabatch"):
        orcabatch.run_batch(sims, postprocess=failing, orcaflex="simulated", progress=progress)
    assert len([record for record in caplog.records if "no such heading" in record.message]) == lines
    assert capsys.readouterr().err.count("no such heading") == (0 if lines else len(sims))


@needs("folders that are removed while somebody works in them")
def test_values_that_somebody_removed_are_no_output(orcaflex, sims, tmp_path):
    """Neither the result nor the metrics name a file that is not there, and it is said."""
    file = tmp_path / "out" / "largest_tension_values.bin"
    result = run(sims, tmp_path, on_outcome=lambda outcome: file.unlink(missing_ok=True))
    assert file not in result.outputs
    assert all(path.exists() for path in result.outputs)
    assert not any("values.bin" in str(path) for path in result.metrics["outputs"])
    assert any("values.bin is not there" in warning for warning in result.warnings)


def test_values_that_cannot_be_kept_are_no_output(orcaflex, sims, tmp_path):
    """Where the file cannot even be made."""
    file = tmp_path / "out" / "largest_tension_values.bin"
    (file.with_name(file.name + EARLIER) / "taken").mkdir(parents=True)
    file.mkdir()
    result = run(sims, tmp_path)
    assert len(result.values) == len(sims)
    assert file not in result.outputs
    assert any("cannot be written" in warning for warning in result.warnings)


def test_a_scanner_in_an_earlier_runs_values_costs_the_next_run_nothing(tmp_path, monkeypatch):
    """On Windows what somebody has open for a moment cannot be renamed; and its new name may be too long there."""
    target, said, waits, to = tmp_path / "a_values.bin", list[str](), list[float](), list[str]()
    replaced = os.replace
    target.write_bytes(MAGIC)

    def scanned(source, aside):
        if not waits:
            raise PermissionError(13, "The process cannot access the file")
        to.append(str(aside))
        replaced(source, target.with_name("aside"))

    monkeypatch.setattr(kept_values.os, "replace", scanned)
    monkeypatch.setattr(kept_values, "as_opened", lambda path: path if path == target else f"long:{path}")
    monkeypatch.setattr(kept_values.patiently, "__defaults__", (waits.append,))
    with ValuesFile(target, said.append):
        pass
    assert (said, waits) == ([], [atomic.WAITS_S[0]])
    assert to == [f"long:{target}{EARLIER}"]


def test_values_whose_file_is_numbered_otherwise_while_it_is_open_are_there(tmp_path, monkeypatch):
    """On a share of Windows `fstat` and `stat` may disagree about one file."""
    numbered = os.fstat

    def otherwise(number):
        status = numbered(number)
        return os.stat_result((status[0], status.st_ino + 1, 0, *status[3:]))

    monkeypatch.setattr(kept_values.os, "fstat", otherwise)
    with ValuesFile(tmp_path / "a_values.bin", print) as values:
        assert values.is_there
