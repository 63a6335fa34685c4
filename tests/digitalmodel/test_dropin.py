"""The drop-in and `install`: digitalmodel's own way in, same object back, loud about failed files."""

from __future__ import annotations

import copy
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import orcabatch.digitalmodel
from dm_proof.configurations import CASES, break_files, column, configuration, write_files
from dm_proof.harness import Reference, contents, with_output
from orcabatch import simulated
from orcabatch.digitalmodel import OrcaFlexPostProcess
from orcabatch.digitalmodel.installed import find_installation
from orcabatch.digitalmodel.mappings import AttributeDict
from orcabatch.errors import BatchError, OrcaFlexUnavailable, SourceError

pytest.importorskip("digitalmodel", reason="digitalmodel itself is called: install orcabatch[digitalmodel]")


@pytest.fixture(scope="module", autouse=True)
def orcaflex() -> Iterator[None]:
    from loguru import logger

    simulated.install()
    logger.remove()  # digitalmodel's logger holds the terminal of whichever test came first
    yield
    simulated.uninstall()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    process = Reference(tmp_path_factory.mktemp("reference"))
    yield process
    process.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_files(tmp_path_factory.mktemp("sims"), count=4)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return break_files(tmp_path_factory.mktemp("broken"))


@pytest.fixture
def installed() -> Iterator[None]:
    orcabatch.digitalmodel.install()
    yield
    orcabatch.digitalmodel.uninstall()


def case(files: list[Path], folder: Path, **performance: Any) -> dict[str, Any]:
    on, sections = CASES["A+C"]
    own = {"ledger": {"enabled": False}, "monitoring": {"export_metrics": False}, **performance}
    return configuration(files, folder, *on, performance=own, **sections)


def as_digitalmodel_leaves_it(reference: Reference, cfg: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The reference's outputs are in `folder`, its configuration is the answer."""
    answer = reference.run(with_output({key: value for key, value in cfg.items() if key != "performance"}, folder))
    assert answer["error"] is None
    left: dict[str, Any] = answer["cfg"]
    return left


@pytest.mark.parametrize("kind", [AttributeDict, dict])
def test_the_drop_in_gives_the_same_object_and_files_back(
    kind: type[dict[str, Any]],
    reference: Reference,
    files: list[Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A script with one changed line: same files, same object with the same content, nothing new on the terminal."""
    cfg = kind(case(files, tmp_path / "ours"))
    (tmp_path / "ours").mkdir()
    post = OrcaFlexPostProcess(cfg)
    assert post.result is None
    assert post.post_process_router(cfg) is cfg
    theirs = case(files, tmp_path / "theirs")
    left = as_digitalmodel_leaves_it(reference, theirs, tmp_path / "theirs")
    assert contents(tmp_path / "ours") == contents(tmp_path / "theirs")
    assert str({key: cfg.get(key) for key in left}).replace("ours", "theirs") == str(left)
    assert post.result is not None
    assert [outcome.file for outcome in post.result.outcomes] == files
    assert "license" not in "".join(capfd.readouterr())


def test_what_callers_read_from_the_object_is_there(
    reference: Reference, files: list[Path], broken: list[Path], tmp_path: Path
) -> None:
    """As after digitalmodel's own pass over the files that stand; before a run there is none of it, as there."""
    post = OrcaFlexPostProcess()
    for name in ("fileIndex", "RangeAllFiles", "HistogramAllFiles"):
        with pytest.raises(AttributeError):
            getattr(post, name)
    for listed, stand in ((files, files), ([files[0], broken[1], files[1], broken[4]], files[:2]), ([broken[1]], [])):
        post = OrcaFlexPostProcess()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            post.post_process_router(case(listed, tmp_path))
        theirs = reference.run(with_output(case(stand, tmp_path), tmp_path / "theirs"))["object"]
        assert {name: value for name, value in vars(post).items() if name not in {"result", "_cfg"}} == theirs


def test_without_any_output_the_object_has_nothing(reference: Reference, files: list[Path], tmp_path: Path) -> None:
    """Where digitalmodel visits no file it leaves nothing."""
    post = OrcaFlexPostProcess()
    off = configuration(files, tmp_path, performance={"orcaflex": "simulated"})
    post.post_process_router(off)
    off.pop("performance")
    assert reference.run(off)["object"] == {}
    assert vars(post).keys() == {"result", "_cfg"}


def test_other_methods_are_digitalmodels_own(files: list[Path], tmp_path: Path) -> None:
    """A script that calls the merge itself gets digitalmodel's."""
    cfg, theirs = case(files, tmp_path), case(files, tmp_path)
    assert OrcaFlexPostProcess().get_cfg_with_master_data(cfg) is cfg
    find_installation().opp.OrcaFlexPostProcess().get_cfg_with_master_data(theirs)
    assert cfg == theirs
    with pytest.raises(AttributeError):
        OrcaFlexPostProcess().no_such_method  # noqa: B018 - looked up on purpose


def test_failed_files_raise_one_warning_that_names_them(files: list[Path], broken: list[Path], tmp_path: Path) -> None:
    """Never silent: one warning, and the outcomes say more."""
    post = OrcaFlexPostProcess()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        post.post_process_router(case([broken[1], *files, broken[4]], tmp_path))
    told = [str(item.message) for item in caught if "failed" in str(item.message)]
    assert len(told) == 1
    assert "empty.sim" in told[0]
    assert "bare.sim" in told[0]
    assert post.result is not None
    assert [outcome.file for outcome in post.result.failed] == [broken[1], broken[4]]


@pytest.mark.parametrize("way", ["drop-in", "install"])
def test_mistakes_are_said_and_break_no_script(
    way: str, files: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Masters are merged by then; a misspelt key that bled into later columns is told once. `check: off` is silent."""
    for check, count in (("warn", 1), ("off", 0)):
        cfg = case(files, tmp_path, check=check)
        cfg["summary_settings"]["groups"][0]["Columns"][0]["Statistik_Type"] = "Max"
        caplog.clear()
        if way == "drop-in":
            post = OrcaFlexPostProcess()
            post.post_process_router(cfg)
        else:
            orcabatch.digitalmodel.install()
            post = find_installation().opp.OrcaFlexPostProcess()
            post.post_process_router(AttributeDict(cfg))
            orcabatch.digitalmodel.uninstall()
        said = [text for text in post.result.warnings if "Statistik_Type" in text]
        assert len(said) == count
        assert caplog.text.count("Did you mean Statistic_Type?") == count
    assert (tmp_path / "dm_dyn.csv").exists()


def test_on_failure_raise_raises_after_the_others_are_written(
    files: list[Path], broken: list[Path], tmp_path: Path
) -> None:
    """The section in the YAML decides; the good files' results are there, and so is `result`."""
    post = OrcaFlexPostProcess()
    with pytest.raises(BatchError, match=r"empty\.sim"):
        post.post_process_router(case([*files, broken[1]], tmp_path, on_failure="raise"))
    assert (tmp_path / "dm_dyn.csv").exists()
    assert post.result is not None
    assert len(post.result.failed) == 1


def test_without_a_licence_the_drop_in_says_so(files: list[Path], tmp_path: Path) -> None:
    """Digitalmodel asks whether a model can be made; where none can, nothing runs."""
    simulated.configure(simulated.Costs(seats=0))
    try:
        with pytest.raises(OrcaFlexUnavailable, match="licence"):
            OrcaFlexPostProcess().post_process_router(case(files, tmp_path))
    finally:
        simulated.configure(simulated.Costs())
    assert contents(tmp_path) == {}


@pytest.mark.usefixtures("installed")
def test_installed_digitalmodels_own_engine_runs_in_parallel(
    reference: Reference, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`digitalmodel.engine` goes its own way and finds orcabatch at the end of it."""
    from digitalmodel.engine import engine

    orcabatch.digitalmodel.install()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["digitalmodel"])
    (tmp_path / "results").mkdir()
    cfg = AttributeDict(case(files, tmp_path / "ours"))
    cfg["Analysis"] |= {"analysis_root_folder": str(tmp_path), "result_folder": str(tmp_path / "ours"), "basename": "x"}
    (tmp_path / "ours").mkdir()
    from digitalmodel.modules.orcaflex import orcaflex as at_import

    with simulated.counting() as count:
        back = engine(cfg=cfg, config_flag=False)
    assert (at_import.opp.fileIndex, at_import.opp.RangeAllFiles) == (len(files) - 1, [None] * 2 * len(files))
    assert count.counters.loads == len(files)
    left = as_digitalmodel_leaves_it(reference, case(files, tmp_path), tmp_path / "theirs")
    assert contents(tmp_path / "ours") == contents(tmp_path / "theirs")
    assert str({key: back.get(key) for key in left}).replace("ours", "theirs") == str(left)


@pytest.mark.usefixtures("installed")
def test_an_engine_that_cannot_start_says_what_to_do(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published package has no base configuration: its error stays, and names what reads the YAML all the same."""
    from digitalmodel.engine import engine

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["digitalmodel"])
    with pytest.raises(FileNotFoundError, match="Application input file") as error:
        engine(cfg=AttributeDict(case(files, tmp_path)))
    assert "orcabatch run file.yml" in " ".join(error.value.__notes__)
    orcabatch.digitalmodel.uninstall()
    with pytest.raises(FileNotFoundError) as error:
        engine(cfg=AttributeDict(case(files, tmp_path)))
    assert not hasattr(error.value, "__notes__")


@pytest.mark.parametrize("lacking", [{"Analysis"}, {"Analysis", "file_management"}, {"Analysis", "orcaflex"}])
def test_a_yaml_as_it_was_read_is_answered_with_what_makes_a_configuration_of_it(
    files: list[Path], tmp_path: Path, lacking: set[str]
) -> None:
    """Not with the key that digitalmodel happens to miss first."""
    cfg = {key: value for key, value in case(files, tmp_path).items() if key not in lacking}
    with pytest.raises(SourceError, match="load_configuration"):
        OrcaFlexPostProcess().post_process_router(cfg)


def test_install_can_be_done_twice_and_undone(files: list[Path], tmp_path: Path) -> None:
    """Installing twice changes nothing more; uninstalling gives digitalmodel its own method back, once and for all."""
    theirs = find_installation().opp.OrcaFlexPostProcess
    original = theirs.post_process
    orcabatch.digitalmodel.install()
    patched = theirs.post_process
    orcabatch.digitalmodel.install()
    assert theirs.post_process is patched is not original
    orcabatch.digitalmodel.uninstall()
    orcabatch.digitalmodel.uninstall()
    assert theirs.post_process is original


@pytest.mark.usefixtures("installed")
def test_the_drop_in_and_install_do_not_nest(files: list[Path], tmp_path: Path) -> None:
    """With both, every file is still loaded once."""
    with simulated.counting() as count:
        OrcaFlexPostProcess().post_process_router(case(files, tmp_path))
    assert count.counters.loads == len(files)


def test_visualisation_is_digitalmodels_own_call(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What else the configuration asks for is passed on with the same object that digitalmodel would get."""
    cfg = case(files[:1], tmp_path)
    cfg["orcaflex"]["postprocess"]["visualization"]["flag"] = True
    seen: list[Any] = []
    monkeypatch.setattr(find_installation().opp.opp_visualization, "get_visualizations", seen.append)
    OrcaFlexPostProcess().post_process_router(cfg)
    orcabatch.run_batch(copy.deepcopy(case(files[:1], tmp_path)), progress=False)
    assert len(seen) == 1
    assert seen[0].file_management["input_files"]["sim"] == files[:1]


def cut(files: list[Path], folder: Path) -> dict[str, Any]:
    """Time series that digitalmodel ends where the shorter first file does."""
    open_end = column("TimeHistory", "Line01", "Effective tension", "l1", SimulationPeriod=[0, None], objectExtra=END_A)
    settings = {"data": True, "groups": [{"Label": "ten", "Columns": [open_end]}]}
    performance = {"orcaflex": "simulated", "ledger": {"enabled": False}}
    return configuration(files, folder, "time_series", time_series_settings=settings, performance=performance)


END_A = ["End A"]
CUT = "Time series of 1 of 2 files end at 10 s, before their simulation does (20 s)"
SCRIPT = """
import sys
from pathlib import Path
import orcabatch.digitalmodel
from test_dropin import cut
from dm_proof.configurations import write_files

folder = Path(sys.argv[1])
cfg = cut(write_files(folder / "sims", 2, stops=(10.0, 20.0)), folder)
orcabatch.digitalmodel.OrcaFlexPostProcess().post_process_router(cfg)
"""


def test_what_is_done_without_a_word_is_seen_where_no_logging_is_set_up(tmp_path: Path) -> None:
    """Python itself shows what nobody handles, from warnings on: a script without any set-up is told, once."""
    here = Path(__file__).parent
    search = os.pathsep.join(map(str, (here, here.parent)))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "PYTHONPATH": search},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (done.stdout.count(CUT), done.stderr.count(CUT)) == (0, 1)


@pytest.mark.parametrize("way", ["drop-in", "install"])
@pytest.mark.parametrize(("level", "logged"), [("INFO", 1), ("WARNING", 1), ("ERROR", 0), ("disabled", 0)])
def test_what_is_done_without_a_word_is_seen_where_the_log_is_quiet(
    level: str, logged: int, way: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, request: Any
) -> None:
    """`default.log_level: ERROR` silences digitalmodel's own talk, and must not hide that numbers are not meant so."""
    cfg = cut(write_files(tmp_path / "sims", 2, stops=(10.0, 20.0)), tmp_path)
    request.addfinalizer(lambda: logging.disable(logging.NOTSET))
    if level == "disabled":
        logging.disable(logging.CRITICAL)
    else:
        caplog.set_level(level, "orcabatch")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if way == "drop-in":
            OrcaFlexPostProcess().post_process_router(cfg)
        else:
            request.getfixturevalue("installed")
            find_installation().opp.OrcaFlexPostProcess().post_process_router(AttributeDict(cfg))
    told = [item for item in caught if CUT in str(item.message)]
    assert (caplog.text.count(CUT), len(told)) == (logged, 1 - logged)
    assert all(item.filename == __file__ and "consistency: per_file" in str(item.message) for item in told)


def test_importing_the_door_imports_neither_digitalmodel_nor_orcfxapi() -> None:
    """The changed line costs nothing until it is used."""
    code = (
        "import sys; from orcabatch.digitalmodel import OrcaFlexPostProcess, install, uninstall; "
        "print([m for m in ('digitalmodel', 'OrcFxAPI', 'pandas') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
