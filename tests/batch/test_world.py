"""The world that a function lives in: what it finds on a worker, what it may set up there, who hears it."""

from __future__ import annotations

import contextlib
import decimal
import logging
import math
import os
import sys
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import orcabatch
import world_functions as world
from engine import dask_cluster
from engine.fakes import locked
from orcabatch.batch import for_engine
from orcabatch.engine.executors import auto_decision
from orcabatch.errors import BatchError, SettingsError
from orcabatch.orcaflex.work import OrcaFlexWorker
from orcabatch.results.result import warnings_text

pytestmark = pytest.mark.usefixtures("dask_ends")

EXECUTORS = {
    "serial": {"executor": "serial"},
    "threads": {"executor": "threads"},
    "processes": {"executor": "processes", "process_count": 2},
    "hybrid": {"executor": "processes", "process_count": 1, "threads_per_process": 2},
    "dask": {"executor": "dask"},
}
DASK = pytest.param("dask", marks=dask_cluster.MARKS)
ALL = [*(name for name in EXECUTORS if name != "dask"), DASK]
ELSEWHERE = ["processes", "hybrid", DASK]


def run(files, function, name, **more):
    performance = dict(EXECUTORS[name])
    if name == "dask":
        performance["dask"] = {"address": dask_cluster.shared().address}
    asked = {"orcaflex": "simulated", "progress": False, "performance": performance, **more}
    return orcabatch.run_batch(files, postprocess=function, **asked)


@pytest.fixture
def precise():
    """A caller who wants many digits."""
    with decimal.localcontext() as context:
        context.prec = 40
        yield context


@pytest.mark.parametrize("name", ["threads", *ELSEWHERE])
def test_every_file_has_a_copy_of_the_callers_decimal_context(orcaflex, sims, precise, name):
    """Every file divides with forty digits, though the one before it on its thread wanted three; so does the caller."""
    result = run(sims, world.a_precise_number, name)
    assert set(result.values) == {str(decimal.Decimal(1) / decimal.Decimal(7))}
    assert precise.prec == 40
    assert decimal.getcontext() is precise


def test_serial_is_the_plain_loop(orcaflex, sims, precise):
    """In the caller's own thread the first file's change is there for the others, as in a plain loop."""
    before = str(decimal.Decimal(1) / decimal.Decimal(7))
    result = run(sims, world.a_precise_number, "serial")
    assert Counter(result.values) == {"0.143": len(sims) - 1, before: 1}
    assert precise.prec == 3


def test_serial_is_in_list_order(orcaflex, sims):
    """Whatever the sizes, and also where earlier runs know how long each takes; the plan says it."""
    files = sorted(sims, key=lambda file: (file.stat().st_size, file.name))
    met = []

    def meets(model):
        met.append(Path(model.latestFileName).name)

    for listed in (files, files[::-1], files):
        met.clear()
        result = run(listed, meets, "serial", fresh=True)
        assert met == [file.name for file in listed]
        assert result.plan.order == tuple(range(len(listed)))
        assert "order: as listed" in result.plan.to_text()


@pytest.mark.parametrize("mode", ["dynamic", "static"])
def test_what_the_plan_shows_is_what_is_run(orcaflex, sims, mode):
    """One file at a time they start in `plan.order`, tiers and folders included; so the plan's second run says too."""
    middle, top = (sorted(file.stat().st_size for file in sims)[at] for at in (3, 6))
    section = {
        "threading": {"mode": mode, "max_threads": 1},
        "optimization": {"size_thresholds": {"small": middle, "large": top}},
    }
    met = []
    asked = {"orcaflex": "simulated", "progress": False, "performance": section, "fresh": True}
    for _ in range(2):
        met.clear()
        result = orcabatch.run_batch(sims, postprocess=lambda model: met.append(Path(model.latestFileName)), **asked)
        assert len({outcome.tier for outcome in result.outcomes}) == 3
        assert met == [sims[index] for index in result.plan.order]


@pytest.mark.parametrize("name", ["threads", *ELSEWHERE])
def test_every_file_has_a_copy_of_the_callers_numpy_error_state(orcaflex, sims, name):
    """Thread-local before numpy 2, a context variable since: each file finds what the caller had."""
    with np.errstate(divide="call"):
        assert set(run(sims, world.numpys_state, name).values) == {"call"}
        assert np.geterr()["divide"] == "call"


def test_every_file_has_a_copy_of_the_callers_context_variables(orcaflex, sims):
    """On threads; nothing leaks back."""
    token = world.CASE.set("storm")
    try:
        assert set(run(sims, world.the_case, "threads").values) == {"storm"}
        assert world.CASE.get() == "storm"
    finally:
        world.CASE.reset(token)


@pytest.mark.parametrize("name", ALL)
def test_the_initializer_is_called_once_per_process_before_its_first_file(orcaflex, sims, tmp_path, name):
    """Serial and on threads that is the caller's process; no process that worked on a file is without it."""
    book = tmp_path / "book"
    world.SET_UP.clear()
    result = run(sims, world.what_was_set_up, name, initializer=world.set_up, initargs=(book, "twice"))
    written = Counter(int(line) for line in book.read_text("utf-8").split())
    assert set(written.values()) == {1}
    assert {pid for pid, _ in result.values} <= set(written)
    assert all(("twice",) in left for _, left in result.values)
    if name in {"serial", "threads"}:
        assert list(written) == [os.getpid()]
    else:
        assert os.getpid() not in written
        assert not world.SET_UP


def test_a_run_that_moves_sets_every_process_up(orcaflex, sims, tmp_path, monkeypatch):
    """`auto`: once here for the threads, once in each worker process that follows."""
    changes = {"LEAST_LOOKS": 1, "LEAST_WATCHED_S": 0.0, "WORTH": 0.0, "MARGIN": 0.0, "HELD": 0.1}
    for name, value in changes.items():
        monkeypatch.setattr(auto_decision, name, value)
    monkeypatch.setattr(for_engine, "host_probe", lambda cpus: locked)
    monkeypatch.setattr(for_engine, "SAMPLE_INTERVAL_S", 1e-3)
    monkeypatch.setattr(for_engine, "stays_because", lambda request, binding: "")
    book = tmp_path / "book"
    performance = {"process_count": 2, "threading": {"max_threads": 2}}
    result = orcabatch.run_batch(
        sims * 8, postprocess=world.what_was_set_up, orcaflex="simulated", progress=False, performance=performance,
        initializer=world.set_up, initargs=(book,),
    )  # fmt: skip
    written = Counter(int(line) for line in book.read_text("utf-8").split())
    assert set(written.values()) == {1}
    worked = {pid for pid, _ in result.values}
    assert os.getpid() in worked
    assert len(worked) > 1
    assert worked <= set(written)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("set_up", "said"), [(world.fails, "LookupError: no case"), (world.leaves, "SystemExit: 4")])
def test_an_initializer_that_fails_ends_the_run_before_the_first_file(orcaflex, sims, name, set_up, said):
    """Nothing is loaded; the error names the function, what it raised and where."""
    args = ("no case",) if set_up is world.fails else ()
    with pytest.raises(SettingsError) as caught:
        run(sims, world.what_was_set_up, name, initializer=set_up, initargs=args)
    assert f"the initializer {set_up.__name__} raised" in str(caught.value)
    assert said in str(caught.value)
    assert "world_functions.py, line" in str(caught.value)
    assert not orcaflex.counters.loads_by_file


def test_an_initializer_that_fails_in_a_later_process_leaves_what_was_computed(sims, tmp_path):
    """The error says what failed and hands over one outcome a file; the account agrees."""
    folder = tmp_path / "signs"
    folder.mkdir()
    with pytest.raises(BatchError, match="sets_up_one_process raised LookupError: no further seat") as broken:
        run(
            sims, world.waits_after_the_first, "processes", initializer=world.sets_up_one_process, initargs=(folder,),
            output_dir=tmp_path / "out", on_outcome=lambda outcome: (folder / "heard").touch(),
        )  # fmt: skip
    result = broken.value.result
    assert "the next run does all files again" in str(broken.value)
    assert Counter(outcome.status.value for outcome in result.outcomes) == {"ok": 1, "cancelled": len(sims) - 1}
    assert result.metrics["state"] == "failed"
    assert len(result.metrics["files"]) == len(sims)


def test_what_breaks_the_engine_itself_brings_what_was_computed(orcaflex, sims, monkeypatch):
    """The exception stays what it is, and has the result so far."""
    from orcabatch.batch.job import BatchJob

    told = BatchJob.finished

    def finished(self, outcomes):
        if len(self.ended) == 2:
            raise ZeroDivisionError("in the engine")
        return told(self, outcomes)

    monkeypatch.setattr(BatchJob, "finished", finished)
    with pytest.raises(ZeroDivisionError, match="in the engine") as broken:
        run(sims, world.what_was_set_up, "serial")
    result = broken.value.batch_result
    assert Counter(outcome.status.value for outcome in result.outcomes) == {"ok": 2, "cancelled": len(sims) - 2}
    assert result.metrics["state"] == "failed"


@pytest.mark.parametrize("executor", ["serial", "threads"])
@pytest.mark.parametrize("reading", [math.nan, math.inf, -1e9])
def test_a_function_that_sets_the_clock_costs_no_result(orcaflex, sims, monkeypatch, executor, reading):
    """As a mock of `time` does: what was measured is less, and still numbers; nothing is computed of what is none."""

    def setting(model):
        monkeypatch.setattr(time, "perf_counter", lambda: reading)
        return 1.0

    result = run(sims, setting, executor)
    monkeypatch.undo()
    assert result.values == [1.0] * len(sims)
    measured = [seconds for outcome in result.outcomes for seconds in outcome.phases.values()]
    measured += [instant for outcome in result.outcomes for instant in (outcome.started_s, outcome.finished_s)]
    assert all(map(math.isfinite, [*measured, result.metrics["wall_s"]]))
    assert min(measured) >= 0.0


def test_an_initializer_travels_as_the_function_does(orcaflex, sims):
    """What is defined in the script is refused for worker processes in the same words, before anything is started."""

    def here():
        """Of no module that can be imported."""

    called = []
    with pytest.raises(SettingsError, match="move it to a module"):
        run(sims, world.what_was_set_up, "processes", initializer=here)
    here.__module__ = "__main__"
    with pytest.raises(SettingsError, match="here is defined in the script or notebook itself"):
        run(sims, world.what_was_set_up, "processes", initializer=here)
    assert run(sims, world.what_was_set_up, "threads", initializer=lambda: called.append(1)).ok
    assert called == [1]


def test_an_initializer_that_is_none_is_refused(sims):
    """As `concurrent.futures` does, before anything else; planning takes it too."""
    with pytest.raises(TypeError, match="initializer must be a function"):
        orcabatch.run_batch(sims, postprocess=world.what_was_set_up, initializer=3)
    with pytest.raises(TypeError, match="initargs must be a tuple"):
        orcabatch.plan_batch(sims, postprocess=world.what_was_set_up, initializer=print, initargs=3)
    assert orcabatch.plan_batch(sims, postprocess=world.what_was_set_up, initializer=print, initargs=(3,)).files


TOP = """
import OrcFxAPI

SET_UP = []

def set_up():
    SET_UP.append(OrcFxAPI.oeEndA)

def end_a(model):
    return len(SET_UP)
"""


def test_modules_that_import_orcfxapi_at_their_top_travel(orcaflex, sims, tmp_path, monkeypatch):
    """As nearly every user's module does: the simulated DLL is there before function and initializer are looked for."""
    (tmp_path / "users_own_module.py").write_text(TOP, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import users_own_module as own

    result = run(sims[:2], own.end_a, "processes", initializer=own.set_up)
    assert result.values == [1, 1]


class Kept(logging.Handler):
    """Keeps records, and who handled them."""

    def __init__(self):
        super().__init__()
        self.records, self.threads = [], set()

    def emit(self, record):
        self.records.append(record)
        self.threads.add(threading.get_ident())


@contextlib.contextmanager
def listening(level=logging.INFO):
    """The caller's own handler, on the logger and at the level that he chose."""
    logger, kept = logging.getLogger("users"), Kept()
    logger.addHandler(kept)
    logger.setLevel(level)
    try:
        yield kept
    finally:
        logger.removeHandler(kept)
        logger.setLevel(logging.NOTSET)


@pytest.mark.parametrize("name", ["threads", "processes", DASK])
def test_log_records_of_workers_arrive_in_the_callers_handlers(orcaflex, sims, name):
    """Each once, at the caller's level, with its logger, text and process; also one that carries what cannot travel."""
    with listening() as kept, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = run(sims, world.speaks, name)
    assert sorted(record.getMessage() for record in kept.records) == sorted(f"did {sim.name}" for sim in sims)
    assert {record.name for record in kept.records} == {"users.own"}
    assert {record.levelname for record in kept.records} == {"INFO"}
    if name != "threads":
        assert len(kept.threads) == 1, "one after the other"
        assert threading.get_ident() not in kept.threads, "where a console that is held would hold up the run"
        assert {record.process for record in kept.records} == set(result.values)
        assert "MainProcess" not in {record.processName for record in kept.records}


@pytest.mark.parametrize("name", ["threads", "processes", DASK])
def test_a_level_that_the_caller_set_holds_in_workers(orcaflex, sims, name):
    """Below it nothing is even sent; above it everything comes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with listening(logging.WARNING) as kept:
            run(sims, world.speaks, name)
        assert not kept.records
        with listening(logging.DEBUG) as kept:
            run(sims, world.speaks, name)
        assert len(kept.records) == 2 * len(sims)


@pytest.mark.parametrize("name", ["threads", "processes", DASK])
def test_warnings_of_workers_arrive_where_the_caller_looks(orcaflex, sims, name):
    """`always`: one for each file; `default`: one for the place, however many processes there are."""
    for action, count in (("always", len(sims)), ("default", 1)):
        with warnings.catch_warnings(record=True) as seen:
            warnings.resetwarnings()
            warnings.simplefilter(action)
            assert run(sims, world.speaks, name).ok
        own = [each for each in seen if str(each.message) == "look at this"]
        assert len(own) == count, action
        assert {each.category for each in own} == {UserWarning}
        assert {Path(each.filename).name for each in own} == {"world_functions.py"}


@pytest.mark.parametrize("name", ["threads", "processes", DASK])
def test_warning_filters_of_the_caller_hold_in_workers(orcaflex, sims, name):
    """What he ignores by module is ignored; what he makes an error of fails the file, as in a plain loop."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.resetwarnings()
        warnings.filterwarnings("ignore", module="world_functions")
        assert run(sims, world.speaks, name).ok
        assert not [each for each in seen if str(each.message) == "look at this"]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="look at", category=UserWarning)
        result = run(sims, world.speaks, name)
    assert len(result.failed) == len(sims)
    assert "look at this" in result.failed[0].error


MANY_AT_ONCE = ["threads", "hybrid"]


def about(result, words):
    """The warnings of the run that say this."""
    return [text for text in result.warnings if words in text]


@pytest.fixture
def _as_before(monkeypatch):
    """The working directory is this one again."""
    monkeypatch.chdir(Path.cwd())


@pytest.mark.usefixtures("_as_before")
@pytest.mark.parametrize("function", [world.goes_there_and_back, world.stays_there])
@pytest.mark.parametrize("name", MANY_AT_ONCE)
def test_a_changed_working_directory_is_said_once_with_the_remedy(orcaflex, sims, name, function):
    """Also where each file changes it back: others may have been at work meanwhile."""
    before = os.chdir, os.fchdir
    result = run(sims, function, name)
    assert result.ok
    assert len(about(result, "working directory changed")) == 1
    assert "`executor: processes`" in about(result, "working directory changed")[0]
    assert ".sim" in about(result, "working directory changed")[0]
    assert result.metrics["warnings"].count(about(result, "working directory changed")[0]) == 1
    assert (os.chdir, os.fchdir) == before


@pytest.mark.usefixtures("_as_before")
@pytest.mark.parametrize("name", ["serial", "processes"])
def test_where_one_file_is_worked_on_at_a_time_nothing_is_said(orcaflex, sims, name):
    """Serial and in worker processes with one thread each nobody else is there."""
    assert not about(run(sims, world.goes_there_and_back, name), "working directory")


@pytest.mark.parametrize("name", MANY_AT_ONCE)
def test_figures_of_pyplot_are_said_once_with_the_remedy(orcaflex, sims, name):
    """Whether pyplot was imported before the run or by the function; figures without pyplot are nobody's affair."""
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    assert not about(run(sims, world.draws_by_itself, name), "pyplot")
    for _ in range(2):
        result = run(sims, world.draws, name)
        assert result.ok
        assert len(about(result, "matplotlib.pyplot")) == 1
        assert "matplotlib.figure.Figure" in about(result, "matplotlib.pyplot")[0]
    # In worker processes it may be all that imports it.
    assert name == "hybrid" or not hasattr(sys.modules["matplotlib.pyplot"].new_figure_manager, "__wrapped__")


def test_the_first_file_that_imports_pyplot_is_noticed(orcaflex, sims):
    """In a fresh process, on a single thread of two, without a second file."""
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    assert len(about(run(sims[:1], world.draws, "hybrid"), "matplotlib.pyplot")) == 1


@pytest.mark.parametrize("function", [world.writes_its_input, world.moves_its_input])
@pytest.mark.parametrize("version", [None, "1"])
def test_a_function_that_changes_its_own_input_is_told(orcaflex, sims, function, version):
    """Not to run the same command again, which would do the same again; other functions are told nothing."""
    result = run(sims, function, "threads", version=version)
    assert result.ok
    (said,) = warnings_text(result.outcomes)
    assert f"and {len(sims) - 3} more: the function changed, moved or removed the .sim file" in said
    assert "another name" in said
    assert not [text for text in (*result.warnings, said) if "same command again" in text]


def test_a_file_that_changed_before_its_function_had_it_is_worth_another_run(orcaflex, sims, monkeypatch):
    """Another program wrote it while it was being loaded: the same command again does it again."""
    load = OrcaFlexWorker.load

    def meanwhile(self, task):
        load(self, task)
        os.utime(task.file, ns=(0, task.file.stat().st_mtime_ns + 1_000_000))

    monkeypatch.setattr(OrcaFlexWorker, "load", meanwhile)
    result = run(sims[:1], world.the_case, "threads", version="1")
    assert not warnings_text(result.outcomes)
    assert [text for text in result.warnings if "Run the same command again" in text]
