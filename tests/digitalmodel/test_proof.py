"""The proof: digitalmodel's serial loop and orcabatch on threads write the same bytes."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import orcabatch
from dm_proof.configurations import (
    CASES,
    STATISTICS,
    break_files,
    column,
    configuration,
    drawn_configurations,
    write_files,
)
from dm_proof.harness import Reference, Run, assert_identical, run, with_output
from orcabatch import simulated
from orcabatch.digitalmodel import OrcaFlexPostProcess
from orcabatch.digitalmodel.batch import DigitalModelBatch
from orcabatch.digitalmodel.preconditions import check_collisions
from orcabatch.errors import OutputError, SettingsError
from orcabatch.settings import parse_settings

EXAMPLES = int(os.environ.get("ORCABATCH_TEST_EXAMPLES", "40"))
"""How many configurations are drawn."""

pytest.importorskip("digitalmodel", reason="the proof needs digitalmodel itself: install orcabatch[digitalmodel]")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    process = Reference(tmp_path_factory.mktemp("reference"))
    yield process
    process.close()


@pytest.fixture(scope="module", autouse=True)
def orcaflex() -> Iterator[None]:
    simulated.install()
    yield
    simulated.uninstall()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_files(tmp_path_factory.mktemp("sims"))


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return break_files(tmp_path_factory.mktemp("broken"))


@contextmanager
def configured(costs: simulated.Costs) -> Iterator[None]:
    simulated.configure(costs)
    try:
        yield
    finally:
        simulated.configure(simulated.Costs())


def on_threads(threads: int) -> dict[str, Any]:
    """A `performance:` section that runs so many threads, and leaves nothing but digitalmodel's results."""
    return {
        "executor": "threads",
        "threading": {"mode": "static", "max_threads": threads, "min_threads": 1},
        "optimization": {"thread_allocation": dict.fromkeys(("small", "medium", "large"), threads)},
        "ledger": {"enabled": False},
        "monitoring": {"export_metrics": False},
    }


def compare(reference: Reference, cfg: dict[str, Any], folder: Path, stand: list[int]) -> dict[str, Any]:
    """Have digitalmodel write its folder, over the list without the files that failed, and compare."""
    items = cfg["file_management"]["input_files"]["sim"]
    answer = reference.run(with_output(cfg, folder / "theirs", [items[i] for i in stand]))
    assert answer["error"] is None
    assert_identical(folder / "ours", folder / "theirs")
    return answer


def prove(reference: Reference, cfg: dict[str, Any], folder: Path, threads: int) -> tuple[Run, dict[str, Any]]:
    """Run both, each question asked as digitalmodel asks it, and compare the folders."""
    shutil.rmtree(folder, ignore_errors=True)
    done = run(with_output(cfg, folder / "ours"), threads)
    return done, compare(reference, cfg, folder, done.stand)


def prove_facade(reference: Reference, cfg: dict[str, Any], folder: Path, threads: int) -> list[int]:
    """Run both, ours through `run_batch` with the result broker, and compare the folders; returns who stands."""
    shutil.rmtree(folder, ignore_errors=True)
    result = orcabatch.run_batch(with_output(cfg, folder / "ours"), performance=on_threads(threads), progress=False)
    stand = [i for i, outcome in enumerate(result.outcomes) if outcome.ok]
    compare(reference, cfg, folder, stand)
    return stand


@pytest.mark.parametrize("threads", [1, 2, 8, 30])
@pytest.mark.parametrize("case", CASES)
def test_the_known_configurations_give_the_same_bytes_on_any_number_of_threads(
    case: str, threads: int, reference: Reference, files: list[Path], tmp_path: Path
) -> None:
    """Masters, statics, currents, range graphs, traces with an open end, linked statistics: byte for byte."""
    on, sections = CASES[case]
    done, answer = prove(reference, configuration(files, tmp_path, *on, **sections), tmp_path, threads)
    assert done.stand == list(range(len(files)))
    assert answer["same"]


@pytest.mark.parametrize("threads", [1, 2, 8, 30])
def test_the_facade_gives_the_same_bytes_and_really_runs_that_many_at_once(
    threads: int, reference: Reference, tmp_path: Path
) -> None:
    """`run_batch`, joint answers and all: byte for byte, each file loaded once, no model misused or left alive."""
    many = write_files(tmp_path / "sims", count=32)
    on, sections = CASES["A+C"]
    cfg = with_output(configuration(many, tmp_path, *on, **sections), tmp_path / "ours")
    with configured(simulated.Costs(load_latency_s=0.2 if threads > 1 else 0.0)), simulated.counting() as count:
        result = orcabatch.run_batch(cfg, performance=on_threads(threads), progress=False)
    assert result.ok
    assert count.counters.loads == len(many)
    assert count.counters.peak_live_models == threads
    assert count.counters.never_destroyed == count.counters.affinity_violations == 0
    theirs = configuration(many, tmp_path, *on, **sections)
    assert reference.run(with_output(theirs, tmp_path / "theirs"))["error"] is None
    assert_identical(tmp_path / "ours", tmp_path / "theirs")


@pytest.mark.parametrize("case", CASES)
def test_broken_files_among_the_others_leave_them_as_if_they_were_not_in_the_list(
    case: str, reference: Reference, files: list[Path], broken: list[Path], tmp_path: Path
) -> None:
    """The first files are broken, one that loads but fails later included; each is named with its reason."""
    on, sections = CASES[case]
    mixed = [broken[4], broken[0], files[0], broken[1], *files[1:4], broken[2], *files[4:], broken[3]]
    done, _ = prove(reference, configuration(mixed, tmp_path, *on, **sections), tmp_path, threads=4)
    assert [mixed[i] for i in done.stand] == files
    listed = (tmp_path / "ours" / "dm_failed_files.csv").read_text(encoding="utf-8")
    assert all(outcome.error and outcome.file.as_posix() in listed for outcome in done.outcomes if not outcome.ok)


def test_each_failed_file_really_kills_digitalmodels_run(
    reference: Reference, files: list[Path], broken: list[Path], tmp_path: Path
) -> None:
    """What orcabatch calls failed is what digitalmodel itself dies of."""
    on, sections = CASES["A+C"]
    for file in broken:
        cfg = configuration([files[0], file], tmp_path, *on, **sections)
        assert reference.run(with_output(cfg, tmp_path / file.stem))["error"]


def test_the_configuration_comes_back_as_digitalmodel_leaves_it(
    reference: Reference, files: list[Path], tmp_path: Path
) -> None:
    """Merged settings, settled periods and names, and the records that callers read."""
    on, sections = CASES["A+C"]
    for outputs in (on, ("summary", "time_series")):
        cfg = configuration([str(file) for file in files], tmp_path, *outputs, **sections)
        ours = with_output(cfg, tmp_path / "same")
        run(ours, threads=3)
        theirs = reference.run(with_output(cfg, tmp_path / "same"))["cfg"]
        assert {key: ours.get(key) for key in theirs} == theirs


def test_keys_come_back_in_digitalmodels_order(reference: Reference, files: list[Path], tmp_path: Path) -> None:
    """A merge that changes nothing but the order of keys, or the type of a number, shows in a saved configuration."""
    group = {"Label": "g", "Columns": [column("TimeHistory", "Line01", "X", "x", SimulationPeriod=[0, 10])]}
    master = {"Columns": [dict(reversed(group["Columns"][0].items()))], "Label": "m"}
    other = {**group, "Columns": [{**group["Columns"][0], "Statistic_Type": "Max", "SimulationPeriod": [0.0, 10]}]}
    cfg = configuration(
        [str(file) for file in files],
        tmp_path,
        "time_series",
        "summary",
        time_series_settings_master={"groups": [master]},
        time_series_settings={"data": True, "groups": [group]},
        summary_settings={"groups": [other], "AddMeanToSummary": 1},
        summary_settings_master={"AddMeanToSummary": True, "groups": [master]},
    )
    ours = with_output(cfg, tmp_path / "same")
    run(ours, threads=2)
    theirs = reference.run(with_output(cfg, tmp_path / "same"))
    assert json.dumps(ours, default=str) == theirs["text"]


@pytest.mark.parametrize("name", ["orcaflex", "Analysis", "time_series_settings"])
def test_linked_statistics_recorded_over_a_section_end_well(
    name: str, reference: Reference, files: list[Path], tmp_path: Path
) -> None:
    """`basename: orcaflex` has digitalmodel put its record in the place of its own settings: only when it is done."""
    on, sections = CASES["A+C"]
    cfg = configuration([str(file) for file in files], tmp_path, *on, **sections)
    cfg["basename"] = name
    (tmp_path / "ours").mkdir()
    ours = with_output(cfg, tmp_path / "same")
    assert orcabatch.run_batch(ours, performance=on_threads(2), progress=False).ok
    (tmp_path / "same").rename(tmp_path / "first")
    theirs = reference.run(with_output(cfg, tmp_path / "same"))
    assert_identical(tmp_path / "first", tmp_path / "same")
    assert json.dumps(ours, default=str) == theirs["text"]


@pytest.mark.parametrize("name", ["orcaflex", "Analysis", "summary_settings", "file_management"])
def test_a_record_that_would_take_the_place_of_a_section_is_refused_before_anything_is_loaded(
    name: str, reference: Reference, files: list[Path], tmp_path: Path
) -> None:
    """`meta.basename: orcaflex` has digitalmodel empty its own settings before the first file, and die of it."""
    on, sections = CASES["A"]
    cfg = configuration(files, tmp_path, *on, **sections)
    cfg["meta"]["basename"] = name
    assert reference.run(with_output(cfg, tmp_path / "theirs"))["error"]
    for way in (DigitalModelBatch.from_cfg, through_the_drop_in):
        with simulated.counting() as count, pytest.raises(SettingsError, match=rf"meta\.basename.*{name}"):
            way(with_output(cfg, tmp_path / "ours"), settings=parse_settings({}))
        assert count.counters.loads == 0


def through_the_drop_in(cfg: dict[str, Any], settings: Any) -> None:
    OrcaFlexPostProcess().post_process_router(cfg)


@pytest.mark.parametrize("threads", [1, 4])
def test_a_file_that_is_listed_twice_is_done_twice(
    threads: int, reference: Reference, files: list[Path], tmp_path: Path
) -> None:
    """As digitalmodel does: a row for each time, and the time series that both write, as the leader or a follower."""
    on, sections = CASES["A+C"]
    listed = [files[0], files[2], files[0], files[2], files[2], files[1]]
    cfg = configuration([str(file) for file in listed], tmp_path, *on, **sections)
    ours = with_output(cfg, tmp_path / "same")
    result = orcabatch.run_batch(ours, performance=on_threads(threads), progress=False)
    assert result.ok
    assert any("case_00.sim, case_02.sim more than once" in text for text in result.warnings)
    assert len(result.outputs) == len(set(result.outputs))
    (tmp_path / "same").rename(tmp_path / "first")
    theirs = reference.run(with_output(cfg, tmp_path / "same"))
    assert_identical(tmp_path / "first", tmp_path / "same")
    assert json.dumps(ours, default=str) == theirs["text"]


def test_a_file_that_is_listed_twice_is_remembered_for_both(files: list[Path], tmp_path: Path) -> None:
    """The tables that both wrote stand for both: the next run loads nothing."""
    on, sections = CASES["A+C"]
    cfg = configuration([files[2], files[0], files[2], files[0]], tmp_path, *on, **sections)
    asked = on_threads(4) | {"ledger": {"path": str(tmp_path / "ledger.db")}}
    loads = []
    for _ in range(3):
        with simulated.counting() as count:
            run_cfg = with_output(cfg, tmp_path / "out")
            assert orcabatch.run_batch(run_cfg, performance=asked, progress=False).ok
        loads.append(count.counters.loads)
    assert loads == [4, 0, 0]


def test_two_names_of_one_file_may_write_the_same_tables(
    reference: Reference, files: list[Path], tmp_path: Path
) -> None:
    """A hard link in another folder holds the same simulation: nothing is overwritten by anything else."""
    (tmp_path / "linked").mkdir()
    link = tmp_path / "linked" / files[1].name
    os.link(files[1], link)
    on, sections = CASES["C"]
    prove(reference, configuration([files[0], link, files[1]], tmp_path, *on, **sections), tmp_path / "out", threads=2)


def test_a_share_that_numbers_no_file_does_not_make_two_files_one(files, tmp_path, monkeypatch) -> None:
    """Windows says 0 of each there: the second would take the first one's table."""
    (tmp_path / "other").mkdir()
    other = Path(shutil.copy(files[2], tmp_path / "other" / files[1].name))
    stat = Path.stat

    def unnumbered(self, **kwargs):
        status = stat(self, **kwargs)
        return os.stat_result((status[0], 0, *status[2:]))

    on, sections = CASES["C"]
    cfg = configuration([files[1], other], tmp_path, *on, **sections)
    monkeypatch.setattr(Path, "stat", unnumbered)
    with pytest.raises(OutputError, match="would both write"):
        check_collisions(cfg, [files[1], other])


def test_a_last_digit_that_differs_is_found(reference: Reference, files: list[Path], tmp_path: Path) -> None:
    """The comparison is worth something: one digit planted in one cell makes it fail."""
    on, sections = CASES["A"]
    prove(reference, configuration(files[:2], tmp_path, *on, **sections), tmp_path, threads=2)
    target = tmp_path / "ours" / "dm_dyn.csv"
    text = target.read_text(encoding="utf-8")
    last = text.rstrip()[-1]
    position = text.rindex(last)
    target.write_text(text[:position] + str((int(last) + 1) % 10) + text[position + 1 :], encoding="utf-8")
    with pytest.raises(AssertionError, match=r"dm_dyn\.csv"):
        assert_identical(tmp_path / "ours", tmp_path / "theirs")


def test_drawn_configurations_give_the_same_bytes(
    reference: Reference, files: list[Path], broken: list[Path], tmp_path: Path
) -> None:
    """Whatever is asked for, of whatever list of files, on whatever number of threads; not all of them fail."""
    survivors: list[int] = []

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(drawn=drawn_configurations(), data=st.data())
    def proven(drawn: tuple[tuple[str, ...], dict[str, Any]], data: Any) -> None:
        on, sections = drawn
        some = st.lists(st.sampled_from([*files, broken[1], broken[4]]), min_size=2, max_size=5, unique=True)
        cfg = configuration(data.draw(some), tmp_path, *on, **copy.deepcopy(sections))
        summary = cfg["orcaflex"]["postprocess"]["summary"]
        summary["statistics"] = {name: data.draw(st.booleans()) for name in STATISTICS}
        if data.draw(st.booleans()):
            summary["csv_decimal"] = data.draw(st.integers(0, 8))
        threads = data.draw(st.sampled_from([1, 2, 8]))
        if data.draw(st.booleans()):
            survivors.append(len(prove_facade(reference, cfg, tmp_path, threads)))
        else:
            survivors.append(len(prove(reference, cfg, tmp_path, threads)[0].stand))

    proven()
    assert sum(count > 1 for count in survivors) > len(survivors) / 8
