"""A newer clone of digitalmodel: its hazards held by a stand-in of our own, and a real clone where one is named."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dm_proof.configurations import CASES, column, configuration, write_files
from dm_proof.harness import contents
from orcabatch import simulated
from orcabatch.digitalmodel.source_code import digest_of, source_hashes

STAND_IN = Path(__file__).parent / "newer_clone"
RUN = Path(__file__).parent / "clone_run.py"
GATE = """from digitalmodel.solvers.orcaflex.orcaflex_api import lazy_api

OrcFxAPI = lazy_api()
"""
SOFT_IMPORT = """try:
    import OrcFxAPI
except Exception:
    print("OrcaFlex license not available. Run on different computer")
"""
QUIET = {"performance": {"ledger": {"enabled": False}, "monitoring": {"export_metrics": False}}}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Different stop times; the third one stopped unstable."""
    folder = tmp_path_factory.mktemp("sims")
    files = write_files(folder, count=4, stops=(30.0, 40.0, 20.0, 50.0))
    spec = simulated.SimSpec(
        state=simulated.SimState.UNSTABLE, objects=simulated.mooring_objects(18), size_bytes=40_000
    )
    simulated.write_sim(files[2], spec)
    return files


def case(files: list[Path], folder: Path, **more: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    summary = [
        column("TimeHistory", "Line01", "Effective tension", "T"),
        column("GetData", "Environment", ["RefCurrentSpeed"], "Vc"),
    ]
    series = [column("TimeHistory", "Line01", "Effective tension", "T", SimulationPeriod=[0.0, None])]
    return configuration(
        files,
        folder,
        "summary",
        "time_series",
        summary_settings={"groups": [{"Label": "s", "Columns": summary}]},
        time_series_settings={"data": True, "groups": [{"Label": "t", "Columns": series}]},
        **QUIET,
        **more,
    )


def run(how: str, cfg: dict[str, Any], clone: Path = STAND_IN) -> dict[str, Any]:
    folder = Path(cfg["Analysis"]["result_folder"])
    job = folder.with_suffix(".pickle")
    job.write_bytes(pickle.dumps(cfg))
    environment = {**os.environ, "PYTHONPATH": str(clone)}
    done = subprocess.run([sys.executable, RUN, how, job], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer | {"stderr": done.stderr, "stdout": done.stdout}


def loud_files(answer: dict[str, Any]) -> list[str]:
    return [name for name, _ in answer["failed"]]


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in before it had a gate: its modules import OrcFxAPI, and its package imports the post-process."""
    place = tmp_path_factory.mktemp("older")
    shutil.copytree(STAND_IN, place, dirs_exist_ok=True)
    folder = place / "digitalmodel" / "solvers" / "orcaflex"
    (folder / "orcaflex_api.py").unlink()
    (folder / "__init__.py").write_text("from digitalmodel.solvers.orcaflex import opp\nimport OrcFxAPI\n")
    for name in ("opp_summary.py", "opp_time_series.py", "orcaflex_utilities.py"):
        text = (folder / name).read_text()
        assert GATE in text
        (folder / name).write_text(text.replace(GATE, SOFT_IMPORT))
    return place


@pytest.mark.parametrize("has_gate", [True, False], ids=["gate", "soft_imports"])
def test_the_simulated_orcaflex_may_be_chosen_by_the_configuration_alone(
    has_gate: bool, files: list[Path], older: Path, tmp_path: Path
) -> None:
    """Nobody imported OrcFxAPI before: modules that are content without one must not be imported first."""
    clone = STAND_IN if has_gate else older
    run("alone", case(files, tmp_path / "theirs"), clone)
    cfg = case(files, tmp_path / "ours")
    cfg["performance"] = {**cfg["performance"], "orcaflex": "simulated"}
    run("dropin", cfg, clone)
    assert contents(tmp_path / "ours") == contents(tmp_path / "theirs")


@pytest.mark.parametrize("has_gate", [True, False], ids=["gate", "soft_imports"])
def test_a_batch_on_it_is_proven(has_gate: bool, files: list[Path], older: Path, tmp_path: Path) -> None:
    """The reference sets up the gate over the simulated OrcaFlex, and its own pool gives what was written."""
    cfg = case(files, tmp_path / "out")
    cfg["performance"] = {"ledger": {"enabled": False}}
    assert "IDENTICAL" in run("proven", cfg, STAND_IN if has_gate else older)["proof"]


def test_without_orcaflex_it_is_found_and_said_so(older: Path, tmp_path: Path) -> None:
    """OrcFxAPI says that OrcaFlex is missing by a bare Exception, and the package imports it: nothing of it escapes."""
    (tmp_path / "OrcFxAPI.py").write_text('raise Exception("OrcaFlex not found")\n')
    program = (
        "from orcabatch.digitalmodel.installed import find_installation, locate\n"
        "from orcabatch.errors import OrcaFlexUnavailable\n"
        "print(locate())\n"
        "try:\n    find_installation()\n"
        "except OrcaFlexUnavailable as error:\n    print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(older)])}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "digitalmodel.solvers.orcaflex"
    assert "OrcaFlex not found" in done.stdout


@pytest.mark.parametrize("how", ["dropin", "installed"])
@pytest.mark.parametrize("pool", [{}, {"parallel_processing": {"enabled": False}}], ids=["as_it_comes", "pool_off"])
def test_both_ways_in_give_what_the_clone_itself_would_write(
    how: str, pool: dict[str, Any], files: list[Path], tmp_path: Path
) -> None:
    """OrcFxAPI was imported before its gate, its loader swaps stdout, its pool is on: the same files all the same."""
    theirs = run("alone", case(files, tmp_path / "theirs", **pool))
    ours = run(how, case(files, tmp_path / "ours", **pool))
    assert theirs["foreign"] == []
    assert contents(tmp_path / "ours") == contents(tmp_path / "theirs")
    assert ours["terminal"]
    assert ours["own_loads"] == 0
    assert loud_files(ours) == [files[2].name]
    assert ours["object"] == theirs["object"] == {"RangeAllFiles": [None] * 4, "HistogramAllFiles": [[[]]] * 4}
    assert ours["record"] == json.loads(json.dumps(theirs["record"]).replace("theirs", "ours"))
    assert "nobody wants" not in ours["stderr"] + ours["stdout"]


def test_the_pool_and_the_loop_differ_here(files: list[Path], tmp_path: Path) -> None:
    """Otherwise the test above would prove nothing: open ends and the selected current."""
    run("alone", case(files, tmp_path / "pool"))
    run("alone", case(files, tmp_path / "loop", parallel_processing={"enabled": False}))
    pool, loop = contents(tmp_path / "pool"), contents(tmp_path / "loop")
    differing = {name for name in pool if pool[name] != loop[name]}
    assert differing == {"case_01_t.csv", "case_03_t.csv", "dm_s.csv"}


def test_an_unstable_file_has_no_row_and_is_loud(files: list[Path], tmp_path: Path) -> None:
    """The clone leaves it out without a word; here it is named, with its state."""
    answer = run("dropin", case(files, tmp_path / "out"))
    [[name, reason]] = answer["failed"]
    assert name == files[2].name
    assert "SimulationStoppedUnstable" in reason
    assert any(name in text for text in answer["warnings"])


def test_sources_that_were_never_tested_are_said_so_once(files: list[Path], tmp_path: Path) -> None:
    """An edited clone changes no version: the hashes tell."""
    answer = run("dropin", case(files, tmp_path / "out"))
    assert len([text for text in answer["told"] if "untested digitalmodel" in text and "--prove" in text]) == 1


def test_nothing_is_written_beside_the_simulations(files: list[Path], tmp_path: Path) -> None:
    """The clone writes an error log beside a file that fails; orcabatch does not."""
    cfg = case(files, tmp_path / "out")
    cfg["summary_settings"]["groups"][0]["Columns"][0]["ObjectName"] = "Nowhere"
    before = sorted(files[0].parent.iterdir())
    answer = run("dropin", cfg)
    assert len(answer["failed"]) == len(files)
    assert sorted(files[0].parent.iterdir()) == before


@pytest.mark.parametrize("settings", [{"groups": []}, None], ids=["no_groups", "no_section"])
def test_flags_without_groups_learn_the_lines_without_the_clones_loader(
    settings: dict[str, Any] | None, files: list[Path], tmp_path: Path
) -> None:
    """A template with flags only is expanded from the first file's lines, as the clone does, but by an own loader."""
    for how in ("alone", "dropin", "batch"):
        cfg = flags_only(files, tmp_path / how) | QUIET
        if settings is not None:
            cfg["summary_settings"] = settings
        answer = run(how, cfg)
        assert answer["own_loads"] == 0 or how == "alone"
    assert contents(tmp_path / "alone") == contents(tmp_path / "dropin") == contents(tmp_path / "batch")
    assert b"Line04" in contents(tmp_path / "alone")["dm_lines.csv"]


def flags_only(files: list[Path], folder: Path, **more: Any) -> dict[str, Any]:
    """A template with flags only, over a ledger."""
    cfg = case(files, folder, **more) | {"parameters": {"VarNames": {"Line": ["Effective tension"]}}}
    del cfg["summary_settings"]
    cfg["performance"] = {"monitoring": {"export_metrics": False}}
    return cfg


def test_the_first_usable_file_gives_the_lines(files: list[Path], tmp_path: Path) -> None:
    """An unstable one in front: the clone has no model of it, so its lines do not count."""
    objects = simulated.mooring_objects(18, lines=2)
    state = simulated.SimState.UNSTABLE
    (tmp_path / "odd").mkdir()
    unstable = tmp_path / "odd" / "unstable.sim"
    simulated.write_sim(unstable, simulated.SimSpec(state=state, objects=objects, size_bytes=40_000))
    for how in ("alone", "dropin", "batch"):
        run(how, flags_only([unstable, *files[:2]], tmp_path / how))
    assert contents(tmp_path / "alone") == contents(tmp_path / "dropin") == contents(tmp_path / "batch")
    assert b"Line03" in contents(tmp_path / "alone")["dm_lines.csv"]


def test_lines_are_not_those_of_another_file_where_there_is_no_licence_for_the_first(
    files: list[Path], tmp_path: Path
) -> None:
    """The clone asks for a licence before all else, and ends."""
    kind, said = run("refused", flags_only(files[:2], tmp_path / "out"))["refused"]
    assert kind == "OrcaFlexUnavailable"
    assert str(files[0]) in said
    assert "free a seat" in said


@pytest.mark.parametrize("how", ["batch", "dropin"])
def test_results_made_for_other_lines_are_not_handed_out(how: str, files: list[Path], tmp_path: Path) -> None:
    """No master, the same words, another first file with fewer lines: every other file is done again, for those."""
    (tmp_path / "few").mkdir()
    few = tmp_path / "few" / "few.sim"
    simulated.write_sim(few, simulated.SimSpec(objects=simulated.mooring_objects(9, lines=2), size_bytes=40_000))
    run(how, flags_only(files[:2], tmp_path / "out"))
    shutil.rmtree(tmp_path / "out")
    run(how, flags_only([few, *files[:2]], tmp_path / "out"))
    run("alone", flags_only([few, *files[:2]], tmp_path / "theirs"))
    assert contents(tmp_path / "out")["dm_lines.csv"] == contents(tmp_path / "theirs")["dm_lines.csv"]


def copied(clone: Path, folder: Path) -> Path:
    shutil.copytree(clone, folder)
    return folder


@pytest.mark.parametrize("module", ["opp_config_expansion", "run_state", "orcaflex_api", "orcaflex_objects"])
def test_every_module_that_the_post_process_imports_is_part_of_it(module: str, tmp_path: Path) -> None:
    """Directly or through another one: a clone in which one of them was edited has another digest."""
    clone = copied(STAND_IN, tmp_path / "clone") / "digitalmodel"
    package = "digitalmodel.solvers.orcaflex"
    before = source_hashes(package, clone)
    source = clone / "solvers" / "orcaflex" / f"{module}.py"
    source.write_text(source.read_text() + "\n# a change\n")
    after = source_hashes(package, clone)
    assert {name for name in after if after[name] != before[name]} == {f"{package}.{module}"}
    assert digest_of(after) != digest_of(before)


def test_imports_are_found_in_every_form_they_have(tmp_path: Path) -> None:
    """Relative, in brackets, inside functions, over several lines; a source that is not Python counts too."""
    folder = tmp_path / "digitalmodel"
    (folder / "orcaflex" / "deep").mkdir(parents=True)
    for name in ("a", "b", "c", "d", "e", "f", "unused"):
        (folder / "orcaflex" / f"{name}.py").write_text("def broken(:\n")
    (folder / "orcaflex" / "deep" / "g.py").touch()
    (folder / "orcaflex" / "opp.py").write_text(
        "from . import a\nfrom .b import (\n    x,  # one\n    y,\n)\nimport os, digitalmodel.orcaflex.c as c\n"
        "def f():\n    from digitalmodel.orcaflex import d, \\\n        e\n"
        "try:\n    from .deep.g import *\nexcept ImportError:\n    from digitalmodel.orcaflex import (f as other)\n"
    )
    found = source_hashes("digitalmodel.orcaflex", folder)
    assert {name.removeprefix("digitalmodel.orcaflex.") for name in found} == {
        "opp", "a", "b", "c", "d", "e", "f", "deep.g",
    }  # fmt: skip


@pytest.mark.parametrize("module", ["opp_config_expansion", "run_state"])
def test_an_edited_module_has_every_file_computed_again(module: str, files: list[Path], tmp_path: Path) -> None:
    """The version number is the same; the third run finds the second one's results."""
    clone = copied(STAND_IN, tmp_path / "clone")
    source = clone / "digitalmodel" / "solvers" / "orcaflex" / f"{module}.py"

    def statuses() -> list[str]:
        return list(run("batch", flags_only(files[:2], tmp_path / "out"), clone)["statuses"])

    assert statuses() == ["ok"] * 2
    source.write_text(source.read_text() + "\n# a change\n")
    assert statuses() == ["ok"] * 2
    assert statuses() == ["skipped"] * 2


@pytest.fixture(scope="module")
def between(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in where some clones have it: `digitalmodel.orcaflex`."""
    place = tmp_path_factory.mktemp("between")
    folder = copied(STAND_IN / "digitalmodel" / "solvers" / "orcaflex", place / "digitalmodel" / "orcaflex")
    shutil.copyfile(STAND_IN / "digitalmodel" / "__init__.py", folder.parent / "__init__.py")
    for source in folder.glob("*.py"):
        source.write_text(source.read_text().replace("digitalmodel.solvers.orcaflex", "digitalmodel.orcaflex"))
    return place


@pytest.mark.parametrize("how", ["dropin", "installed"])
def test_a_clone_that_has_it_elsewhere_is_found(how: str, files: list[Path], between: Path, tmp_path: Path) -> None:
    """The same files as the clone alone."""
    run("alone", case(files, tmp_path / "theirs"), between)
    run(how, case(files, tmp_path / "ours"), between)
    assert contents(tmp_path / "ours") == contents(tmp_path / "theirs")


def test_a_clone_that_has_it_elsewhere_can_be_proven(files: list[Path], between: Path, tmp_path: Path) -> None:
    """The reference finds it in the same place."""
    cfg = case(files, tmp_path / "out")
    cfg["performance"] = {"ledger": {"enabled": False}}
    assert "IDENTICAL" in run("proven", cfg, between)["proof"]


@pytest.mark.parametrize("pool", [{}, {"parallel_processing": {"enabled": False}}], ids=["as_it_comes", "pool_off"])
def test_a_real_clone_gives_the_same_bytes(pool: dict[str, Any], files: list[Path], tmp_path: Path) -> None:
    """On the clone that ORCABATCH_TEST_CLONE names (the folder that holds `digitalmodel`), as on the stand-in."""
    clone = os.environ.get("ORCABATCH_TEST_CLONE")
    if not clone:
        pytest.skip("ORCABATCH_TEST_CLONE names no clone of digitalmodel (the folder that holds the package)")
    on, sections = CASES["A+C"]
    outputs = [name for name in on if name != "linked_statistics"]  # with them its own pool loses every file
    many = write_files(tmp_path / "sims")
    for how in ("alone", "dropin", "installed"):
        (tmp_path / f"many_{how}").mkdir()
        cfg = configuration(many, tmp_path / f"many_{how}", *outputs, **sections, **pool, **QUIET)
        run(how, cfg, Path(clone))
        run(how, case(files, tmp_path / f"open_{how}", **pool), Path(clone))
    for which in ("many", "open"):
        theirs = contents(tmp_path / f"{which}_alone")
        assert theirs
        assert contents(tmp_path / f"{which}_dropin") == theirs
        assert contents(tmp_path / f"{which}_installed") == theirs
