"""The engine's worker over OrcaFlex: load once, extract per batch, say what the job has to know."""

from __future__ import annotations

import contextlib
import pickle
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from orcabatch import simulated
from orcabatch.engine.contract import Extracted, Task
from orcabatch.errors import OrcaFlexUnavailable
from orcabatch.orcaflex import binding
from orcabatch.orcaflex.binding import Binding, BindingKind
from orcabatch.orcaflex.broker import BrokerOptions, Question
from orcabatch.orcaflex.sim_files import InputError
from orcabatch.orcaflex.user_function import FunctionPostProcess
from orcabatch.orcaflex.work import MISMATCH, PREFETCHED, OrcaFlexRecipe, TaskPayload
from orcabatch.outcome import Cause, Phase

NAMES = ("X", "Y", "Z")


class _Clock:
    def enter(self, phase: Phase) -> None:
        raise AssertionError(f"a plain function never enters {phase}")


def peaks(model):
    extra = __import__("OrcFxAPI").oeEndA
    return {name: float(model["Line01"].TimeHistory(name, None, extra).max()) for name in NAMES}


def boom(model):
    raise ValueError(f"no luck with {model['Line01'].name}")


def work(recipe, files, payload=None, batches=("b",)):
    """Outcomes as (value or failure, warnings), and the notes."""
    notes, results = [], []
    worker = recipe.open_worker(notes.append)
    for index, file in enumerate(files):
        task = Task(index, file, batches, 0, 0, payload=payload)
        phase = Phase.LOAD
        try:
            worker.load(task)
            phase = Phase.EXTRACT
            results += [worker.extract(task, batch, _Clock()) for batch in batches]
        except Exception as error:  # noqa: BLE001 - this stands for the engine's one broad except
            results.append(recipe.explain(error, task, phase))
        worker.release(task)
    worker.close()
    return results, notes


def test_files_are_worked_off_on_one_model(orcaflex, sims):
    """Three files, one model; from the second file on the job is told that joint answers were used."""
    with simulated.counting() as count:
        results, notes = work(OrcaFlexRecipe({"b": FunctionPostProcess(peaks)}, "simulated"), sims(3))
    assert all(isinstance(result, Extracted) and result.warnings == () for result in results)
    assert count.counters.models_created == 1
    assert [(note.index, note.batch, note.subject) for note in notes] == [(1, "b", PREFETCHED), (2, "b", PREFETCHED)]


def selects(model):
    """Like digitalmodel where a YAML asks for a reference current."""
    model.environment.SelectedCurrent = model.environment.ActiveCurrent
    return reads(model)


def selects_and_fails(model):
    selects(model)
    raise ValueError("no luck")


def reads(model):
    return [str(model.environment.SelectedCurrent), float(model.environment.RefCurrentSpeed), peaks(model)]


class _Phases(list):
    enter = list.append


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("first", [selects, selects_and_fails, reads])
def test_a_batch_finds_the_model_as_its_file_has_it(orcaflex, sims, first, enabled):
    """What an earlier batch over the same file did to it is not there; where it did nothing, it is not loaded again."""
    files = sims(2, selected_current=2, current_speeds_m_s=(0.4, 1.1))
    expected = [reads(orcaflex.Model(str(file))) for file in files]
    posts = {"a": FunctionPostProcess(first), "b": FunctionPostProcess(reads)}
    recipe = OrcaFlexRecipe(posts, "simulated", BrokerOptions(enabled=enabled))
    worker, found = recipe.open_worker(lambda _: None), []
    with simulated.counting() as count:
        for index, file in enumerate(files):
            task, phases = Task(index, file, ("a", "b"), 0, 0), _Phases()
            worker.load(task)
            with contextlib.suppress(ValueError):
                worker.extract(task, "a", phases)
            found.append(worker.extract(task, "b", phases).value)
            worker.release(task)
        worker.close()
    again = first is not reads or not enabled
    assert found == expected
    assert count.counters.loads == (4 if again else 2)
    assert phases == ([Phase.LOAD, Phase.EXTRACT] if again else [])


def selects_and_removes(model, sim_file):
    selects(model)
    sim_file.unlink()


def test_batches_whose_file_cannot_be_loaded_again_are_told_so(orcaflex, sims):
    """Each of those that want it: none of them meets a model that is not there."""
    (file,) = sims(1, selected_current=2, current_speeds_m_s=(0.4, 1.1))
    posts = {"a": FunctionPostProcess(selects_and_removes), **dict.fromkeys("bc", FunctionPostProcess(reads))}
    worker, task = OrcaFlexRecipe(posts, "simulated").open_worker(lambda _: None), Task(0, file, ("a", "b", "c"), 0, 0)
    worker.load(task)
    worker.extract(task, "a", _Phases())
    for batch in "bc":
        with pytest.raises(InputError, match="does not exist"):
            worker.extract(task, batch, _Phases())
    worker.release(task)
    worker.close()


def test_the_same_without_broker(orcaflex, sims):
    """`broker=None` and `enabled=False` give the same values and say nothing."""
    files = sims(3)
    expected, _ = work(OrcaFlexRecipe({"b": FunctionPostProcess(peaks)}, "simulated"), files)
    for options in (None, BrokerOptions(enabled=False)):
        results, notes = work(OrcaFlexRecipe({"b": FunctionPostProcess(peaks)}, "simulated", options), files)
        assert results == expected
        assert notes == []


def test_a_job_can_forbid_joint_answers(orcaflex, sims):
    """With prefetch False in the payload, each batch gets its own payload and nothing is asked jointly."""
    seen = []

    class Recorder:
        def prepare(self):
            seen.append("prepared")

        def __call__(self, model, visit):
            seen.append((visit.batch, visit.payload))
            return Extracted(peaks(model))

    recipe = OrcaFlexRecipe({"a": Recorder(), "b": Recorder()}, "simulated")
    payload = TaskPayload({"a": 1, "b": 2}, prefetch=False)
    with simulated.counting() as count:
        results, notes = work(recipe, sims(2), payload, ("a", "b"))
    assert len(results) == 4
    assert notes == []
    assert "C_GetMultipleTimeHistoriesW" not in count.counters.calls
    assert count.counters.loads == 2
    assert seen == ["prepared", "prepared", *[("a", 1), ("b", 2)] * 2]


def test_a_postprocess_may_know_its_questions_beforehand(orcaflex, sims):
    """With a method `questions` the very first file is asked jointly; a batch beside it that has none is no matter."""

    class Knowing:
        def prepare(self):
            pass

        def questions(self):
            return [Question("Line01", name, None, (("LinePoint", 0),)) for name in NAMES]

        def __call__(self, model, visit):
            return Extracted(peaks(model))

    recipe = OrcaFlexRecipe({"a": Knowing(), "b": FunctionPostProcess(peaks)}, "simulated")
    with simulated.counting() as count:
        results, notes = work(recipe, sims(1), None, ("a", "b"))
    assert results[0] == results[1]
    assert count.counters.log_passes == 2
    assert [note.subject for note in notes] == [PREFETCHED, PREFETCHED]


def test_a_mismatch_is_said_and_prefetching_ends(orcaflex, sims):
    """A joint answer that differs is named in a note; later files of the process are asked singly."""
    files = sims(4)
    simulated.configure(simulated.Costs(ulp=("case1.sim", "Line01", "X")))
    recipe = OrcaFlexRecipe({"b": FunctionPostProcess(peaks)}, "simulated")
    recipe._shared().broker._draw = lambda count: 0
    _, notes = work(recipe, files)
    assert [(note.index, note.subject) for note in notes] == [(1, PREFETCHED), (1, MISMATCH)]
    assert "'X' of 'Line01'" in notes[1].content


def test_a_failing_function_is_explained_and_the_next_file_goes_on(orcaflex, sims):
    """The failure names the exception; nothing is learnt from a file that failed."""
    results, notes = work(OrcaFlexRecipe({"b": FunctionPostProcess(boom)}, "simulated"), sims(2))
    assert [(result.cause, result.message) for result in results] == [
        (Cause.EXCEPTION, "ValueError: no luck with Line01")
    ] * 2
    assert "boom" in results[0].traceback
    assert notes == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (simulated.SimFault.TRUNCATED, "truncated or damaged"),
        (simulated.SimFault.NOT_A_SIM, "not an OrcaFlex simulation"),
        (simulated.SimFault.WRONG_VERSION, "another version"),
        (simulated.SimFault.EMPTY, "is empty (0 bytes)"),
    ],
)
def test_bad_files_are_named_with_their_reason(orcaflex, sims, tmp_path, fault, words):
    """Each kind of broken file has its own words, and the good file after it succeeds."""
    bad = simulated.write_sim(tmp_path / "bad.sim", simulated.SimSpec(faults=(fault,)))
    results, _ = work(OrcaFlexRecipe({"b": FunctionPostProcess(peaks)}, "simulated"), [bad, *sims(1)])
    assert results[0].cause is Cause.INPUT
    assert words in results[0].message
    assert "bad.sim" in results[0].message
    assert isinstance(results[1], Extracted)


def test_an_unfinished_simulation_and_a_nan_are_warned_about(orcaflex, sims):
    """Values are handed on unchanged; the warnings say what is wrong with them."""
    files = sims(1, current_time_s=5.0, nan_variable=("Line01", "Y"))
    results, _ = work(OrcaFlexRecipe({"b": FunctionPostProcess(peaks)}, "simulated"), files)
    assert np.isnan(results[0].value["Y"])
    assert len(results[0].warnings) == 2
    assert "reached 5 s of 20 s" in results[0].warnings[0]
    assert results[0].warnings[1] == "not a finite number: Y"


def test_a_recipe_crosses_to_another_process(orcaflex, sims):
    """It pickles, also after it was used, and what comes out works."""
    recipe = OrcaFlexRecipe({"b": FunctionPostProcess(peaks)}, "simulated")
    files = sims(2)
    expected, _ = work(recipe, files)
    copy = pickle.loads(pickle.dumps(recipe))  # noqa: S301 - our own bytes
    assert work(copy, files)[0] == expected


class Configuration(ModuleType):
    """`OrcFxAPIConfig` of a process that nobody has told which DLL to load, which then is the registry's."""

    def __init__(self):
        super().__init__("OrcFxAPIConfig")
        self.library = "the registry's"

    def setLibPath(self, path):  # noqa: N802 - OrcFxAPI's name
        self.library = path


@pytest.mark.parametrize(
    ("is_there", "imported", "loads"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_worker_processes_load_the_dll_that_was_loaded_here(monkeypatch, tmp_path, is_there, imported, loads):
    """The script that chose it is not run there. Another machine, or an OrcFxAPI that is loaded, has its own."""
    library = tmp_path / "11.4" / "OrcFxAPI.dll"
    here, configuration = ModuleType("OrcFxAPI"), Configuration()
    here._lib = SimpleNamespace(_name=str(library))
    monkeypatch.setitem(sys.modules, "OrcFxAPI", here)
    sent = pickle.dumps(OrcaFlexRecipe({"b": FunctionPostProcess(peaks)}))
    if is_there:
        library.parent.mkdir()
        library.touch()
    if not imported:
        monkeypatch.delitem(sys.modules, "OrcFxAPI")
    monkeypatch.setitem(sys.modules, "OrcFxAPIConfig", configuration)
    pickle.loads(sent)  # noqa: S301 - our own bytes
    assert (configuration.library == str(library)) is loads


@pytest.mark.parametrize("library", [None, SimpleNamespace(_name=None), SimpleNamespace(_name="")])
def test_a_dll_that_has_no_path_is_not_chosen_elsewhere(monkeypatch, library):
    """A user's own mock has none, and inside OrcaFlex the DLL is known by its handle alone."""
    here, configuration = ModuleType("OrcFxAPI"), Configuration()
    here._lib = library
    monkeypatch.setitem(sys.modules, "OrcFxAPI", here)
    sent = pickle.dumps(OrcaFlexRecipe({"b": FunctionPostProcess(peaks)}))
    monkeypatch.delitem(sys.modules, "OrcFxAPI")
    monkeypatch.setitem(sys.modules, "OrcFxAPIConfig", configuration)
    pickle.loads(sent)  # noqa: S301 - our own bytes
    assert configuration.library == "the registry's"


@pytest.mark.parametrize(
    ("here", "there", "computes"), [("11.5e", "11.5e", True), ("11.5e", "11.6c", False), ("", "11.6c", True)]
)
def test_another_orcaflex_than_the_callers_computes_nothing(monkeypatch, here, there, computes):
    """On another machine of a cluster, say: its results would be kept as the caller's own."""
    monkeypatch.setitem(sys.modules, "OrcFxAPI", ModuleType("OrcFxAPI"))
    kind = BindingKind.REAL if here else BindingKind.FOREIGN
    monkeypatch.setattr(binding, "_described", lambda module: Binding(module, kind, "11.5", here))
    sent = pickle.dumps(OrcaFlexRecipe({"b": FunctionPostProcess(peaks)}, broker=None))
    monkeypatch.setattr(binding, "_described", lambda module: Binding(module, BindingKind.REAL, "11.5", there))
    recipe = pickle.loads(sent)  # noqa: S301 - our own bytes
    with contextlib.nullcontext() if computes else pytest.raises(OrcaFlexUnavailable, match=r"11\.6c .* and 11\.5e"):
        recipe.open_worker([].append)


def test_answers_count_in_what_is_reserved(orcaflex, sims):
    """A quarter of the file's reservation, but 8 MB, which every file may have, and twice the chunk at most."""
    limits = []

    def look(model):
        limits.append(model._answer_cache.answers.limit_bytes)

    recipe = OrcaFlexRecipe({"b": FunctionPostProcess(look)}, "simulated")
    worker = recipe.open_worker([].append)
    for file, reserved in zip(sims(3), (300_000_000, 1_000_000, 4_000_000_000), strict=True):
        task = Task(0, file, ("b",), 0, reserved)
        worker.load(task)
        worker.extract(task, "b", _Clock())
        worker.release(task)
    worker.close()
    assert limits == [75_000_000, 8_000_000, 200_000_000]


def test_a_file_that_stopped_early_makes_nobody_forget(orcaflex, tmp_path):
    """A function that leaves off where the simulation did: the files behind it are asked jointly as before."""
    spec = {"objects": simulated.mooring_objects(26), "stop_time_s": 20.0}
    files = [
        simulated.write_sim(
            tmp_path / f"{i}.sim", simulated.SimSpec(seed=i, current_time_s=9.0 if i == 2 else None, **spec)
        )
        for i in range(4)
    ]

    def careful(model):
        names = NAMES if model.simulationComplete else NAMES[:1]
        return [model["Line01"].TimeHistory(name, (0.0, 5.0), orcaflex.oeEndA).size for name in names]

    passes = []
    worker = OrcaFlexRecipe({"b": FunctionPostProcess(careful)}, "simulated").open_worker([].append)
    for file in files:
        task = Task(0, file, ("b",), 0, 0)
        with simulated.counting() as count:
            worker.load(task)
            worker.extract(task, "b", _Clock())
            worker.release(task)
        passes.append(count.counters.log_passes)
    worker.close()
    # 3 singly; then one joint request and its check.
    assert passes == [3, 2, 2, 2]


def test_a_copy_that_cannot_be_loaded_is_given_up_for_the_original(orcaflex, sims, tmp_path):
    """A copy lies alone (a restart's parent does not lie beside it): the file itself is loaded then."""
    (file,) = sims(1)
    copy = tmp_path / "copies" / file.name
    copy.parent.mkdir()
    copy.write_bytes(file.read_bytes()[:100])
    worker = OrcaFlexRecipe({"b": FunctionPostProcess(peaks)}, "simulated").open_worker(lambda _: None)
    task = Task(0, file, ("b",), 0, 0, read_from=copy)
    worker.load(task)
    assert worker.extract(task, "b", _Clock()).value
    worker.release(task)
    worker.close()


def test_failures_speak_of_the_file_and_not_of_its_copy(tmp_path):
    """An error that names the copy is told in terms of the engineer's file."""
    recipe = OrcaFlexRecipe({"b": FunctionPostProcess(peaks)}, "simulated")
    copy, file = tmp_path / "copies" / "a.sim", tmp_path / "a.sim"
    task = Task(0, file, ("b",), 0, 0, read_from=copy)
    failure = recipe.explain(ValueError(f"cannot use {copy}"), task, Phase.EXTRACT)
    assert str(file) in failure.message
    assert str(copy) not in failure.message + failure.traceback
