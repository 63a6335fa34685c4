"""Two spellings of one path are one path, and what holds a spelling is never handed out for another one."""

from __future__ import annotations

import json
import os
import runpy
import shutil
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import pytest
import yaml

import batch_functions
import orcabatch
from capabilities import needs, require
from orcabatch import simulated
from orcabatch.batch.functions import FunctionBatch
from orcabatch.batch.result_cache import ResultCache
from orcabatch.batch.shared_files import Ended, shared_files
from orcabatch.errors import BatchLocked, OutputError, SourceError
from orcabatch.orcaflex.binding import Binding, BindingKind
from orcabatch.outcome import FileOutcome, Phase, Status
from orcabatch.settings import parse_settings
from orcabatch.store import paths
from orcabatch.store.compare import compare_folders
from orcabatch.store.lock import folder_lock

EXAMPLES = Path(__file__).parents[2] / "examples"
SILENT = {"orcaflex": "simulated", "progress": False}


def loads():
    """How many files were loaded so far."""
    return sum(simulated.counters().loads_by_file.values())


# --- functions


def where(model, file):
    """A function that shows how its file is spelled."""
    return str(file)


@needs("symbolic links")
def test_a_function_is_asked_again_for_another_spelling_and_that_is_said(orcaflex, sims):
    """It may look at the path: a result of one spelling never answers for another one; each has its own."""
    link = sims[0].parent.with_name("link")
    link.symlink_to(sims[0].parent)
    for folder in (sims[0].parent, link, link / ".." / "sims", sims[0].parent, link):
        files = [folder / file.name for file in sims[:2]]
        result = orcabatch.run_batch(files, postprocess=where, version="1", **SILENT)
        assert result.values == [str(file) for file in files]
        said = [warning for warning in result.warnings if "spelled in another way" in warning]
        assert bool(said) == (result.outcomes[0].status is Status.OK and folder != sims[0].parent)
    assert loads() == 6


def test_one_file_under_two_spellings_in_one_batch_has_each_its_own_value(orcaflex, sims, monkeypatch):
    """Also where the system does not tell them apart; in a second run as well."""
    monkeypatch.setattr(paths, "IGNORES_CASE", True)
    upper = sims[0].with_name(sims[0].name.upper())
    os.link(sims[0], upper)  # as a file system without case has it
    for _ in range(2):
        result = orcabatch.run_batch([sims[0], upper, sims[0]], postprocess=where, version="1", **SILENT)
        assert result.values == [str(sims[0]), str(upper), str(sims[0])]
    assert result.ok


def test_two_batches_that_spell_a_file_differently_each_get_their_own_spelling():
    """Windows' paths are equal in other capitals, and what one batch's function sees is not the other's spelling."""
    one, other = (PureWindowsPath(f"C:/sims/{name}.sim") for name in ("a", "A"))
    assert one == other
    batches = [SimpleNamespace(name="x", files=(one, other, one)), SimpleNamespace(name="y", files=(other,))]
    found = [(str(shared.file), dict(shared.positions)) for shared in shared_files(batches)]
    assert found == [(str(one), {"x": 0}), (str(other), {"x": 1, "y": 0}), (str(one), {"x": 2})]


REAL = Binding(None, BindingKind.REAL, "11.4", "11.4b")


class Telling(FunctionBatch):
    """A function whose workers say something about a file that later runs want to know."""

    facts = ("stop",)


def memory(files):
    batch = Telling.over(files, batch_functions.largest_tension, None, "1")
    settings = parse_settings({})
    return ResultCache([batch], shared_files([batch]), REAL, settings, {batch.name: settings})


@pytest.fixture
def spelled(tmp_path, monkeypatch):
    """One file in two spellings: through a link, and in another case where that counts for nothing."""
    require("symbolic links")
    monkeypatch.setattr(paths, "IGNORES_CASE", True)
    (tmp_path / "runs").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    (tmp_path / "runs" / "a.sim").write_bytes(b"content" * 9)
    os.link(tmp_path / "runs" / "a.sim", tmp_path / "runs" / "A.sim")
    return tmp_path / "runs" / "a.sim", tmp_path / "link" / "A.sim"


def test_what_is_known_of_a_file_holds_for_each_of_its_spellings(spelled):
    """How long it takes, and what workers said of it; so it is looked at again before the run, too."""
    one, other = spelled
    with memory([one]).opened() as first:
        name = first.batches[0].name
        first.starting(0)
        first.remember_fact(0, name, "stop", 12.5)
        took = FileOutcome(one, name, Status.OK, 1, index=0, size_bytes=63, phases={Phase.LOAD: 4.0})
        first.record([Ended(took)])
    with memory([other]).opened() as later:
        assert later.expect(other, 63).seconds == 4.0
        assert later.look() == {}
        assert list(later.facts(0, name)) == [("stop", 12.5)]
        assert later._files.was_seen(other)
        assert later.answered(0, name) is None
        said = []
        later.warn = said.append
        later.say_again()
        assert len(said) == 1
        assert "its path is spelled in another way, which a function can see" in said[0]


# --- result folders


@needs("symbolic links")
def test_a_folder_is_locked_whatever_its_spelling(tmp_path):
    """The lock belongs to the folder, not to its name."""
    link = tmp_path.with_name(f"{tmp_path.name}_link")
    link.symlink_to(tmp_path)
    with folder_lock(tmp_path, "one"), pytest.raises(BatchLocked), folder_lock(link, "two"):
        pytest.fail("it was let in")


@pytest.fixture
def project(tmp_path):
    """The smaller example batch over three files, and its YAML; the folder has a second name, `link`."""
    pytest.importorskip("digitalmodel", reason="needs digitalmodel itself: install orcabatch[digitalmodel]")
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copyfile(EXAMPLES / "dm_fsts.yml", folder / "dm_fsts.yml")
    runpy.run_path(str(EXAMPLES / "generate_sims.py"))["generate_sims"](folder / "sims", lngc=0, standard=3, scale=0.1)
    require("symbolic links")
    (tmp_path / "link").symlink_to(folder)
    return folder


def edited(source, target, change):
    """A YAML made from another one."""
    cfg = yaml.safe_load(source.read_text())
    change(cfg)
    target.write_text(yaml.safe_dump(cfg, sort_keys=False))
    return target


def spellings(project):
    """One YAML as a user names it from one day to the next."""
    return [
        project / "dm_fsts.yml",
        Path("dm_fsts.yml"),
        "./dm_fsts.yml",
        project.with_name("link") / "dm_fsts.yml",
        f"{project}/../project/dm_fsts.yml",
    ]


def test_a_yaml_named_in_another_way_is_the_same_batch(orcaflex, project, monkeypatch):
    """Summaries and time series are found again, and are what a run of everything writes under that name."""
    monkeypatch.chdir(project)
    for number, name in enumerate(spellings(project)):
        result = orcabatch.run_batch(name, **SILENT)
        assert result.ok
        assert loads() == 3
        assert all(path.exists() for path in result.outputs)
        found = project / f"found{number}"
        shutil.copytree(project / "results" / "fsts", found)
    orcabatch.run_batch("./dm_fsts.yml", **SILENT, fresh=True)
    for number in range(len(spellings(project))):
        compared = compare_folders(project / f"found{number}", project / "results" / "fsts")
        assert compared.equal, compared.to_text()


def test_what_a_cfg_says_of_time_series_is_spelled_as_it_is_given(orcaflex, project, monkeypatch):
    """digitalmodel notes file and folder there as they are in the configuration: handed out as computed."""
    from orcabatch.digitalmodel.configuration import load_configuration

    monkeypatch.chdir(project)

    def recorded(name, **more):
        cfg = load_configuration(name).cfg
        cfg["Analysis"]["result_folder"] = os.fspath(Path(name).parent / "results" / "fsts")
        Path(cfg["Analysis"]["result_folder"]).mkdir(parents=True, exist_ok=True)
        loaded = loads()
        orcabatch.run_batch(cfg, **SILENT, **more)
        return cfg[cfg["meta"]["basename"]]["time_series"], loads() - loaded

    recorded(project / "dm_fsts.yml")
    for name in ("./dm_fsts.yml", project.with_name("link") / "dm_fsts.yml"):
        found, loaded = recorded(name)
        assert loaded == 0
        assert (found, 3) == recorded(name, fresh=True)


def test_relative_names_of_a_cfg_stay_where_they_were_whoever_changes_the_working_folder(
    orcaflex, project, tmp_path, monkeypatch
):
    """The loop that reads the outcomes, say: tables, their rows, metrics and what a proof needs are as without it."""
    from orcabatch.digitalmodel.configuration import load_configuration

    def ran(folder, performance, changes):
        monkeypatch.chdir(project)
        cfg = load_configuration("./dm_fsts.yml").cfg
        assert not any(Path(item).is_absolute() for item in cfg["file_management"]["input_files"]["sim"])
        cfg["Analysis"]["result_folder"] = folder
        (project / folder).mkdir()
        for number, outcome in enumerate(
            orcabatch.iter_batch(cfg, orcaflex="simulated", fresh=True, performance=performance)
        ):
            assert outcome.ok, outcome.error
            if changes:
                (tmp_path / f"{folder}{number}").mkdir()
                os.chdir(tmp_path / f"{folder}{number}")
        left = cfg[cfg["meta"]["basename"]]["time_series"]
        return project / folder, [group["data"] for record in left for group in record["time_series"]["groups"]]

    plain, data = ran("plain", {"executor": "serial"}, False)
    for executor in ("serial", "threads", "processes"):
        performance = {"executor": executor, "process_count": 1, "threading": {"max_threads": 1}}
        found, named = ran(executor, performance, True)
        compared = compare_folders(found, plain)
        assert compared.equal, compared.to_text()
        assert [name.replace(executor, "plain") for name in named] == data
        proof = json.loads((found / "performance_metrics.json").read_text())["proof"]
        assert (proof["result_folder"], proof["working_folder"]) == (str(found), str(project))
        assert not any(path.is_file() for path in tmp_path.glob(f"{executor}*/**/*"))


def test_linked_statistics_hold_the_spelling_and_are_done_again(orcaflex, project, monkeypatch):
    """digitalmodel writes each file's name as it was given: never one spelling's table for another."""

    def link(cfg):
        cfg["basename"] = "orcaflex_post_process"
        cfg["orcaflex"]["postprocess"]["linked_statistics"]["flag"] = True
        cfg["linked_statistics_settings"] = {
            "groups": [
                {
                    "Label": "ls",
                    "Columns": [
                        {
                            "ObjectName": "Line01",
                            "objectExtra": ["End B"],
                            "SimulationPeriod": [0.0, 5.0],
                            "Variable": ["Effective tension", "Bend moment", "Curvature"],
                            "Label": "l1",
                        }
                    ],
                }
            ]
        }

    monkeypatch.chdir(project)
    edited(project / "dm_fsts.yml", project / "dm_fsts.yml", link)
    for times, name in enumerate(spellings(project)[::3], start=1):
        result = orcabatch.run_batch(name, **SILENT)
        assert result.ok
        assert loads() == 3 * times
        folder = Path(name).parent / "sims"
        table = next(path for path in result.outputs if path.name.endswith("_ls.csv"))
        assert f"{folder}/" in table.read_text()


def test_two_batches_that_write_one_folder_under_two_names_are_refused_or_kept_apart(orcaflex, project):
    """Tables of one name are refused; metrics files get the batch's name; one lock, two names."""

    def elsewhere(cfg):
        cfg["meta"]["label"] = "other"
        cfg["file_management"]["output_directory"] = str(project.with_name("link") / "results" / "fsts")
        cfg["performance"] = {**cfg.get("performance", {}), "monitoring": {"export_metrics": True}}

    both = [project / "dm_fsts.yml", edited(project / "dm_fsts.yml", project / "other.yml", elsewhere)]
    with pytest.raises(OutputError, match=r"would both write .*_tension.csv. Give one of them another result folder"):
        orcabatch.run_batch(both, **SILENT)
    assert loads() == 0
    for name in both:
        edited(name, name, lambda cfg: cfg["orcaflex"]["postprocess"]["time_series"].update(flag=False))
    result = orcabatch.run_batch(both, **SILENT)
    assert result.ok
    metrics = [path.name for path in result.outputs if path.suffix == ".json"]
    assert len(set(metrics)) == 2
    assert len(list((project / "results" / "fsts").glob("*.json"))) == 2


def test_two_batches_whose_names_differ_in_case_only_are_one_name_where_case_counts_for_nothing(
    orcaflex, project, monkeypatch
):
    """Their tables would overwrite each other."""
    other = edited(project / "dm_fsts.yml", project / "DM_FSTS.yml", lambda cfg: None)
    edited(other, other, lambda cfg: cfg["file_management"].update(output_directory="results/upper"))
    monkeypatch.setattr(paths, "IGNORES_CASE", True)
    with pytest.raises(SourceError, match="Two batches would write under the same name"):
        orcabatch.run_batch([project / "dm_fsts.yml", other], **SILENT)
