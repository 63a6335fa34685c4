"""`prove` runs some files of a batch through digitalmodel itself, and finds any difference in what the batch wrote."""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from yaml.representer import SafeRepresenter

from orcabatch.digitalmodel.configuration import load_configuration
from orcabatch.digitalmodel.proof_findings import ProofFindings, SameNumber
from orcabatch.digitalmodel.proof_input import (
    ProofInput,
    ProvenFile,
    exact_form,
    json_safe,
    read_proof_input,
    without_masters,
)
from orcabatch.digitalmodel.prove import REFERENCE_RUN, ProofReport, choose_files, prove, run_reference
from orcabatch.errors import DigitalModelError, SourceError
from orcabatch.orcaflex import binding
from orcabatch.outcome import FileOutcome, Status

EXAMPLES = Path(__file__).parents[2] / "examples"
NAME = "dm_fsts_03c_0100yr_l015_hwl"

LINKED = {
    "orcaflex": {"postprocess": {"linked_statistics": {"flag": True}, "summary": {"statistics": {"Mean": True}}}},
    "linked_statistics_settings": {
        "groups": [
            {
                "Label": "ends",
                "Columns": [
                    {
                        "ObjectName": "Line01",
                        "objectExtra": ["End B"],
                        "SimulationPeriod": [0.0, 10.0],
                        "Variable": ["Effective tension", "Bend moment"],
                        "Label": "l1",
                    }
                ],
            }
        ]
    },
}


def _module(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Case:
    """A batch over five files, what it left, and digitalmodel's own run over three of them."""

    batch: ProofInput
    reference: Path
    chosen: tuple[ProvenFile, ...]
    answer: Mapping[str, Any]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The standard example batch with linked statistics; its outputs are those of digitalmodel over all files."""
    project = tmp_path_factory.mktemp("project")
    shutil.copy(EXAMPLES / "dm_fsts.yml", project)
    _module(EXAMPLES / "generate_sims.py").generate_sims(project / "sims", lngc=0, standard=5)
    configuration = load_configuration(project / "dm_fsts.yml", LINKED)
    configuration.create_folders()
    outcomes = [
        FileOutcome(file=file, batch=NAME, status=Status.OK, index=index, worker=f"worker-{index % 2}")
        for index, file in enumerate(configuration.files)
    ]
    batch = ProofInput.of_batch(
        configuration.cfg, outcomes, per_file=False, orcaflex="simulated", digitalmodel="0.0.9 (modules)"
    )
    everything = project / "everything"
    everything.mkdir()
    run_reference(batch, batch.files, everything)
    shutil.copytree(everything / "0", configuration.result_folder, dirs_exist_ok=True)
    metrics = {"schema_version": 1, "proof": batch.to_dict()}
    (configuration.result_folder / "performance_metrics.json").write_text(json.dumps(metrics, allow_nan=False))
    three = project / "three"
    three.mkdir()
    chosen = choose_files(batch, 3)
    run_reference(batch, chosen, three)
    return Case(batch, three / "0", chosen, json.loads((three / "answer.json").read_text()))


def test_of_a_frozen_program_only_what_is_missing_is_added(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The Python that `set_executable` names has a standard library of its own; the program's is packed into it."""
    reference_run, own = _module(REFERENCE_RUN), list(sys.path)
    monkeypatch.setattr(sys, "path", list(own))
    monkeypatch.setattr(reference_run, "_post_process_module", lambda: None)
    asked = {"orcaflex": "real", "runs": [], "out": str(tmp_path), "sys_path": ["/opt/tool"]}
    monkeypatch.setattr(reference_run, "_answer", lambda *_: {})
    for is_frozen, path in ((True, [*own, "/opt/tool"]), (False, ["/opt/tool"])):
        (tmp_path / "question.json").write_text(json.dumps(asked | {"frozen": is_frozen}), encoding="utf-8")
        reference_run.main(str(tmp_path / "question.json"))
        assert sys.path == path
        sys.path[:] = own


@pytest.fixture
def copy(case: Case, tmp_path: Path) -> ProofInput:
    """The batch with outputs of its own, to plant differences in."""
    results = tmp_path / "results"
    shutil.copytree(case.batch.result_folder, results)
    return replace(case.batch, result_folder=str(results))


def _found(case: Case, batch: ProofInput) -> ProofFindings:
    found = ProofFindings(batch)
    found.compare(case.reference, case.chosen)
    return found


def _edit_cell(table: Path, row: int, column: int, change: Any) -> tuple[str, str]:
    with table.open(newline="") as stream:
        cells = list(csv.reader(stream))
    before = cells[row][column]
    cells[row][column] = change(before)
    with table.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(cells)
    return before, cells[row][column]


def _last_digit(text: str) -> str:
    return text[:-1] + str((int(text[-1]) + 1) % 10)


def _row_of(table: Path, file: str) -> int:
    with table.open(newline="") as stream:
        return next(number for number, row in enumerate(csv.reader(stream)) if row[0] == file)


def test_the_proof_holds_for_a_batch_with_open_periods(case: Case) -> None:
    """From the result folder alone, three files with two workers equal digitalmodel's own serial run."""
    report = prove(case.batch.result_folder, 3)
    assert report.equal, report.to_text()
    assert report.files == case.chosen
    assert report.workers == 2
    assert report.series == 3 * 2
    assert report.rows == 3 * (5 + 1)
    text = report.to_text()
    assert text.startswith(f"Proof of {NAME}: IDENTICAL")
    assert len(text.splitlines()) < 30
    assert "3 of 5, processed by 2 workers" in text
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["equal"] is True
    assert report.versions["digitalmodel"] == "0.0.9"
    alone = replace(report, files=report.files[:1])
    assert "1 of 5, processed by one worker (so this says nothing about threads)" in alone.to_text()
    earlier = tuple(replace(file, worker="") for file in report.files)
    before, partly = replace(report, files=earlier), replace(report, files=(report.files[0], *earlier[1:]))
    assert "3 of 5, processed by an earlier run, by which workers is not known" in before.to_text()
    assert "3 of 5, processed by 1 worker, 2 of them by an earlier run" in partly.to_text()
    assert (before.workers, partly.workers) == (0, 1)


def test_a_file_run_alone_would_differ_and_does(case: Case) -> None:
    """The same batch against each file alone fails: the first file's stop time had ended the series of the others."""
    report = prove(replace(case.batch, per_file=True), 5)
    assert not report.equal
    series = {difference.file for difference in report.differences}
    assert all(name.endswith(("_tension.csv", "_vessel.csv")) for name in series)
    assert "rows only in the" in report.to_text()
    assert report.to_text().startswith(f"Proof of {NAME}: DIFFERENT")


def test_the_reference_process_imported_nothing_but_the_simulated_orcaflex(case: Case) -> None:
    """What sys.modules held in the process that wrote the reference."""
    modules = case.answer["orcabatch"]
    assert "orcabatch.simulated" in modules
    assert all(name == "orcabatch" or f"{name}.".startswith("orcabatch.simulated.") for name in modules)


def test_one_changed_last_digit_of_a_time_series_is_found(case: Case, copy: ProofInput) -> None:
    """The proof names the series, column and row of one changed digit."""
    stem = Path(case.chosen[1].file).stem
    table = Path(copy.result_folder, f"{stem}_tension.csv")
    before, after = _edit_cell(table, 7, 2, _last_digit)
    (difference,) = _found(case, copy).differences
    assert difference.file == table.name
    assert difference.table is not None
    cell = difference.table.largest
    assert cell is not None
    assert (cell.column, cell.line, cell.left, cell.right) == ("line02", 8, before, after)


@pytest.mark.parametrize("group", ["dyn", "stat", "range", "env"])
def test_one_changed_last_digit_of_a_summary_is_found(case: Case, copy: ProofInput, group: str) -> None:
    """A changed digit in the row of a chosen file breaks the proof, in whichever summary it is."""
    table = Path(copy.result_folder, f"{NAME}_{group}.csv")
    _edit_cell(table, _row_of(table, case.chosen[2].file), 7, _last_digit)
    (difference,) = _found(case, copy).differences
    assert difference.file == table.name
    assert difference.table is not None
    assert difference.table.cells == 1


def test_a_changed_linked_statistic_is_found(case: Case, copy: ProofInput) -> None:
    """Linked statistics are part of the proof, digitalmodel being given the argument it lacks."""
    table = Path(copy.result_folder, f"{NAME}_ends.csv")
    _edit_cell(table, _row_of(table, case.chosen[0].file), 4, _last_digit)
    assert [difference.file for difference in _found(case, copy).differences] == [table.name]


def test_rows_of_other_files_and_statistics_over_all_files_take_no_part(case: Case, copy: ProofInput) -> None:
    """What the reference cannot know (files that were not chosen, statistics over the batch) is not compared."""
    table = Path(copy.result_folder, f"{NAME}_dyn.csv")
    others = {file.file for file in copy.files} - {file.file for file in case.chosen}
    for file in others:
        _edit_cell(table, _row_of(table, file), 7, _last_digit)
    assert len(others) == 2
    _edit_cell(table, len(table.read_text().splitlines()) - 1, 7, _last_digit)
    assert _found(case, copy).differences == []


def test_a_missing_row_or_table_is_found(case: Case, copy: ProofInput) -> None:
    """A series that the batch did not write, and a row that is not there, break the proof."""
    stem = Path(case.chosen[1].file).stem
    Path(copy.result_folder, f"{stem}_vessel.csv").unlink()
    table = Path(copy.result_folder, f"{NAME}_env.csv")
    lines = table.read_text().splitlines(keepends=True)
    del lines[_row_of(table, case.chosen[1].file)]
    table.write_text("".join(lines))
    text = [f"{difference.file} {difference.reason}" for difference in _found(case, copy).differences]
    assert any(line.startswith(f"{stem}_vessel.csv missing in") for line in text)
    assert any(line.startswith(f"{NAME}_env.csv differs in the rows") for line in text)


def test_tables_that_cannot_be_read_are_no_difference(
    case: Case, copy: ProofInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share that goes meanwhile: what was read holds, of the rest nothing is told; without a list nothing at all."""
    opened = Path.open

    def gone(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path.is_relative_to(copy.result_folder) and path.name.endswith(("_dyn.csv", "_vessel.csv")):
            raise FileNotFoundError(2, "The network path was not found", str(path))
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", gone)
    found = _found(case, copy)
    assert (found.series, found.differences) == (3, [])
    series = {f"{Path(file.file).stem}_vessel.csv" for file in case.chosen}
    assert {unread.file for unread in found.unread} == {f"{NAME}_dyn.csv", *series}
    report = ProofReport(copy, case.chosen, {}, 3, 1, 0, (), tuple(found.unread), 0.0, 0.0)
    assert (report.equal, report.differs) == (False, False)
    assert "NOT TOLD: 4 files of the results cannot be read" in report.to_text()
    assert "The network path was not found" in report.to_text()
    shutil.rmtree(copy.result_folder)
    with pytest.raises(SourceError, match="cannot be read"):
        _found(case, copy)


def test_a_packed_table_that_is_damaged_is_a_difference(case: Case, copy: ProofInput) -> None:
    """Of rows as of series: its bytes are there, and are others."""
    table = Path(copy.result_folder, f"{NAME}_dyn.csv")
    Path(f"{table}.gz").write_bytes(gzip.compress(table.read_bytes())[:-20])
    table.unlink()
    (difference,) = _found(case, copy).differences
    assert difference.file == table.name
    assert "is damaged" in difference.reason


def test_a_table_that_digitalmodel_did_not_write_is_found(case: Case, copy: ProofInput, tmp_path: Path) -> None:
    """Where digitalmodel itself left a file out, a batch that has it is not proven."""
    reference = tmp_path / "reference"
    shutil.copytree(case.reference, reference)
    (reference / f"{NAME}_stat.csv").unlink()
    found = ProofFindings(copy)
    found.compare(reference, case.chosen)
    assert [(d.file, d.reason) for d in found.differences] == [
        (f"{NAME}_stat.csv", "digitalmodel itself did not write this file")
    ]


def test_packed_series_are_proven_too(case: Case, copy: ProofInput) -> None:
    """Series written as .csv.gz are compared by what they hold."""
    for table in Path(copy.result_folder).glob("*_tension.csv"):
        Path(f"{table}.gz").write_bytes(gzip.compress(table.read_bytes()))
        table.unlink()
    found = _found(case, copy)
    assert (found.series, found.differences) == (6, [])


def test_a_number_written_as_its_whole_column_demands_is_counted_not_refused(case: Case, copy: ProofInput) -> None:
    """Pandas writes 0 or 0.0, rounded or not, depending on other rows: the number has to be the same."""
    table = Path(copy.result_folder, f"{NAME}_dyn.csv")
    row = _row_of(table, case.chosen[0].file)
    _edit_cell(table, row, 7, lambda text: f"{text}0001234" if len(text.partition(".")[2]) == 6 else f"{text}000")
    _edit_cell(table, row, 3, lambda text: str(int(float(text))))
    found = _found(case, copy)
    assert found.differences == []
    assert found.rewritten == 2


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (0.0, 0.0, True),
        (1.234568, 1.23456789, True),
        (1.234568, 1.234569, False),
        (1.23456789, 1.23456788, False),
        (1.234568, 1.2345685999, False),
        (-2.0, -2.0000004, True),
        (2.0, 2.0000006, False),
    ],
)
def test_two_numbers_are_the_same_if_one_is_the_other_rounded(left: float, right: float, *, same: bool) -> None:
    """A difference in a digit that the output keeps is never forgiven."""
    assert SameNumber(6).allows(left, right) is same
    assert SameNumber(6).allows(right, left) is same


# A digitalmodel of our own with the habits of the newer clone: OrcFxAPI only through a proxy that has to be set up
# first, an inner pool unless it is switched off, linked statistics that are handed the wrong thing.
NEWER = {
    "solvers/orcaflex/orcaflex_api.py": "ready = False\ndef api():\n    global ready\n    ready = True\n",
    "solvers/orcaflex/opp.py": """
import pathlib
from digitalmodel.solvers.orcaflex import orcaflex_api
if not orcaflex_api.ready:
    raise RuntimeError("the proxy was not set up before OrcFxAPI was wanted")
class Utilities:
    def get_model_and_metadata(self, file_name):
        return {"model": "a model", "text": pathlib.Path(file_name).read_text()}
class Linked:
    def get_linked_statistics(self, cfg, model, file_name):
        return model["text"]
ou, opp_ls = Utilities(), Linked()
class OrcaFlexPostProcess:
    def post_process_router(self, cfg):
        if cfg.parallel_processing["enabled"]:
            raise RuntimeError("the pool is on")
        groups = cfg.time_series_settings["groups"][0]
        for file in cfg["file_management"]["input_files"]["sim"]:
            loaded = ou.get_model_and_metadata(file)
            groups["stop"] = groups["stop"] or loaded["text"]
            linked = opp_ls.get_linked_statistics(cfg, loaded["model"], file)
            out = pathlib.Path(cfg["Analysis"]["result_folder"], pathlib.Path(file).stem + "_a.csv")
            out.write_text(f"time,x,linked\\n0,{groups['stop']},{linked}\\n")
""",
}


def _newer_batch(folder: Path, monkeypatch: pytest.MonkeyPatch, changes: Mapping[str, str] | None = None) -> ProofInput:
    for name, text in {**NEWER, **(changes or {})}.items():
        path = folder / "packages" / "digitalmodel" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for package in (path.parent, path.parent.parent, path.parent.parent.parent):
            if package != folder / "packages":
                (package / "__init__.py").touch()
        path.write_text(text)
    monkeypatch.syspath_prepend(str(folder / "packages"))
    (folder / "results").mkdir()
    sims = [folder / f"case{number}.sim" for number in range(3)]
    for number, sim in enumerate(sims):
        sim.write_text(str(number))
    cfg = {
        "meta": {"basename": "orcaflex_post_process"},
        "Analysis": {"file_name": "b", "file_name_for_overwrite": "b", "result_folder": str(folder / "results")},
        "orcaflex": {"postprocess": {"linked_statistics": {"flag": True}, "time_series": {"flag": True}}},
        "time_series_settings": {"data": True, "groups": [{"Label": "a", "stop": None}]},
        "file_management": {"input_files": {"sim": sims}},
        "parallel_processing": {"enabled": True, "max_workers": 30},
    }
    files = tuple(ProvenFile(index, str(sim), f"w{index}") for index, sim in enumerate(sims))
    return ProofInput("b", str(folder / "results"), json_safe(cfg), files, True, "real", "newer", str(folder))


def test_the_newer_digitalmodel_is_run_file_by_file_with_its_pool_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its proxy is set up first, its pool is off, its linked statistics get what they lack, each file is alone."""
    batch = _newer_batch(tmp_path, monkeypatch)
    for number in range(3):
        (tmp_path / "results" / f"case{number}_a.csv").write_text(f"time,x,linked\n0,{number},{number}\n")
    report = prove(batch, 3)
    assert report.equal, report.to_text()
    assert report.series == 3
    assert "each file alone (per_file)" in report.to_text()
    assert not prove(replace(batch, per_file=False), 3).equal


def test_a_reference_that_imported_orcabatch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process looks at sys.modules at its end and gives no answer when anything else of orcabatch is there."""
    opp = NEWER["solvers/orcaflex/opp.py"] + "\nimport orcabatch.errors\n"
    batch = _newer_batch(tmp_path, monkeypatch, {"solvers/orcaflex/opp.py": opp})
    with pytest.raises(DigitalModelError, match=r"worth nothing: it imported orcabatch\.errors"):
        prove(batch, 2)


def test_a_reference_that_fails_says_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of digitalmodel's own run is an error of the proof, with its text; nothing counts as equal."""
    changes = {"solvers/orcaflex/opp.py": "raise ValueError('no licence today')"}
    batch = _newer_batch(tmp_path, monkeypatch, changes)
    with pytest.raises(DigitalModelError, match=r"own run over 2 files .*(?s:.)*no licence today"):
        prove(batch, 2)


def test_digitalmodels_own_run_has_the_orcaflex_that_is_loaded_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script may have chosen another one than the newest (`OrcFxAPIConfig.setLibPath`), and is not run there."""
    tells = "import os\nraise ValueError(os.environ['_OrcFxAPIlib'])"
    batch = _newer_batch(tmp_path, monkeypatch, {"solvers/orcaflex/opp.py": tells})
    monkeypatch.setattr(binding, "loaded_library", lambda: "C:/OrcaFlex 11.4/OrcFxAPI.dll")
    with pytest.raises(DigitalModelError, match=r"C:/OrcaFlex 11\.4/OrcFxAPI\.dll"):
        prove(batch, 2)


def test_digitalmodels_own_run_has_nothing_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GUI program's standard input may be a handle of nothing, which could not even be handed on."""
    reads = "import sys\nassert not sys.stdin.read()\nraise ValueError('nothing to read')"
    batch = _newer_batch(tmp_path, monkeypatch, {"solvers/orcaflex/opp.py": reads})
    end, own = os.pipe()
    os.write(own, b"meant for somebody else")
    os.close(own)
    before = os.dup(0)
    os.dup2(end, 0)
    try:
        with pytest.raises(DigitalModelError, match="nothing to read"):
            prove(batch, 2)
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(end)


def test_a_frozen_program_proves_nothing(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be started once more itself in the place of digitalmodel."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(DigitalModelError, match=r"is no Python that .*set_executable"):
        run_reference(case.batch, case.chosen, tmp_path)


def test_a_batch_without_outputs_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing compared is not identical: it is an error that says so."""
    quiet = {"solvers/orcaflex/opp.py": NEWER["solvers/orcaflex/opp.py"].replace('"_a.csv"', '"_a.txt"')}
    batch = _newer_batch(tmp_path, monkeypatch, quiet)
    with pytest.raises(SourceError, match="nothing was proven"):
        prove(batch, 2)


WORKERS = st.lists(st.sampled_from(["w0", "w1", "w2", "w3"]), min_size=1, max_size=12)


@given(workers=WORKERS, count=st.integers(2, 6))
def test_the_chosen_files_hold_the_first_and_as_many_workers_as_possible(workers: list[str], count: int) -> None:
    """The first file settles a serial batch; the others come from different workers where they can, in input order."""
    files = tuple(ProvenFile(index, f"/sims/{index}.sim", worker) for index, worker in enumerate(workers))
    batch = ProofInput("b", "/r", {}, files, False, "real", "0.0.9", "/")
    chosen = choose_files(batch, count)
    assert chosen[0] == files[0]
    assert len(chosen) == min(count, len(files))
    assert list(chosen) == sorted(set(chosen), key=lambda file: file.index)
    assert len({file.worker for file in chosen}) == min(count, len(set(workers)))


def test_a_file_listed_twice_is_proven_with_both_rows_or_not_at_all() -> None:
    """The serial loop gives such a file two rows; alone it gets one, so that it is left out there."""
    names = ["a", "b", "a", "c"]
    files = tuple(ProvenFile(index, f"/sims/{name}.sim", "w") for index, name in enumerate(names))
    serial = ProofInput("b", "/r", {}, files, False, "real", "0.0.9", "/")
    assert [file.index for file in choose_files(serial, 2)] == [0, 2, 3]
    assert [file.index for file in choose_files(replace(serial, per_file=True), 3)] == [1, 3]


def test_a_proof_needs_files() -> None:
    """One file, or a batch without results, is refused in words."""
    batch = ProofInput("b", "/r", {}, (), False, "real", "0.0.9", "/")
    with pytest.raises(SourceError, match="at least 2 files"):
        prove(batch, 1)
    with pytest.raises(SourceError, match="no file with results"):
        prove(batch, 2)


def test_only_files_with_results_can_be_proven(case: Case) -> None:
    """Failed and cancelled files are no part of the proof; skipped ones, whose results came from earlier, are."""
    cfg = {"Analysis": {"file_name": "b", "result_folder": "/r"}, "summary_settings_master": {}, "summary_settings": {}}
    outcomes = [
        FileOutcome(file=Path(f"/sims/{index}.sim"), batch="b", status=status, index=index)
        for index, status in enumerate([Status.SKIPPED, Status.FAILED, Status.CANCELLED, Status.OK])
    ]
    batch = ProofInput.of_batch(
        without_masters(cfg), reversed(outcomes), per_file=True, orcaflex="real", digitalmodel="?"
    )
    assert [file.index for file in batch.files] == [0, 3]
    assert list(batch.cfg) == ["Analysis", "summary_settings"]


def test_what_a_batch_left_is_read_back_as_it_was(case: Case, tmp_path: Path) -> None:
    """Folder and metrics file give the same; several batches, none, or another version are said."""
    folder = Path(case.batch.result_folder)
    assert read_proof_input(folder) == case.batch == read_proof_input(folder / "performance_metrics.json")
    with pytest.raises(SourceError, match="does not exist"):
        read_proof_input(tmp_path / "none")
    (tmp_path / "other.json").write_text("[1]")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(SourceError, match="no batch that can be proven"):
        read_proof_input(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}_metrics.json").write_text(json.dumps({"proof": {"schema_version": 99}}))
    with pytest.raises(SourceError, match=r"several batches\. Name one: a_metrics\.json, b_metrics\.json"):
        read_proof_input(tmp_path)
    with pytest.raises(SourceError, match="has version 99"):
        read_proof_input(tmp_path / "a_metrics.json")
    (tmp_path / "a_metrics.json").write_text(json.dumps({"proof": {"schema_version": 1, "files": []}}))
    with pytest.raises(SourceError, match="damaged"):
        read_proof_input(tmp_path / "a_metrics.json")


PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(),
    st.text(max_size=3),
    st.dates(),
    st.datetimes().map(lambda moment: moment.replace(fold=0)),
    st.sampled_from([Path("a/b.sim"), Path("/c.sim")]),
)
NESTED = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(st.sampled_from(["a", "b", 1, 2.5, None]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(value=NESTED)
def test_a_configuration_comes_back_from_json_exactly(value: Any) -> None:
    """Whatever a YAML can hold survives JSON: types, keys that are no texts, NaN, paths, dates."""
    safe = json_safe(value)
    assert json_safe(safe) == safe
    back = _module(REFERENCE_RUN).restored(json.loads(json.dumps(safe, allow_nan=False)))
    assert repr(back) == repr(value)


class _WithAnchors(yaml.SafeDumper):
    """Writes one object as one, also once digitalmodel's helpers have told the dumper not to."""

    ignore_aliases = SafeRepresenter.ignore_aliases


@settings(deadline=None)
@given(data=st.data())
def test_what_is_one_object_in_several_places_is_one_again(data: st.DataObject) -> None:
    """YAML anchors, also within each other; digitalmodel changes such a list everywhere at once."""
    pool: list[Any] = [[], [0.0, None], {}]
    for _ in range(data.draw(st.integers(0, 5))):
        inner = st.sampled_from(list(pool))
        pool.append(data.draw(st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)))
    cfg = data.draw(st.dictionaries(st.sampled_from("pqrs"), st.sampled_from(pool), max_size=4))
    form = exact_form(cfg)
    assert exact_form(form) == form
    assert exact_form(dict(reversed(cfg.items()))) == form
    back = _module(REFERENCE_RUN).restored_configuration(json.loads(json.dumps(form)))
    assert yaml.dump(back, Dumper=_WithAnchors) == yaml.dump(cfg, Dumper=_WithAnchors)


def test_what_cannot_be_stored_exactly_ends_the_proof_not_the_batch() -> None:
    """An object without an exact form leaves its type; the reference refuses to run on it."""
    assert json_safe({"a": object(), "n": math.inf}) == {"a": {"$lost": "object"}, "n": {"$float": "inf"}}
    with pytest.raises(SystemExit, match="held a object"):
        _module(REFERENCE_RUN).restored({"a": {"$lost": "object"}})
    assert json_safe(date(2024, 1, 2)) == {"$date": "2024-01-02"}
    assert json_safe(datetime(2024, 1, 2)) == {"$datetime": "2024-01-02T00:00:00"}
    assert REFERENCE_RUN.stem not in sys.modules
