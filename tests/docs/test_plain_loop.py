"""Every line of the page on differences from a plain loop is tried: here, or by the test that is named."""

from __future__ import annotations

import copy
import re
import shutil
import threading
from pathlib import Path

import pytest

import orcabatch
from docs_pages import ROOT
from orcabatch import simulated

PAGE = ROOT / "docs" / "plain-loop.md"
HEADS = {"| | in the loop | here |"}


def lines():
    """The first cell of every line of the page's tables."""
    text = PAGE.read_text(encoding="utf-8").splitlines()
    return [line.split(" | ")[0].removeprefix("| ") for line in text if line.startswith("| ") and line not in HEADS]


@pytest.fixture
def loop(tmp_path, monkeypatch):
    """Two files and both worlds: what a plain loop shows, and what `run_batch` does."""
    monkeypatch.chdir(tmp_path)
    module = simulated.install(simulated.Costs())
    yield Worlds(module, simulated.generate_batch(tmp_path / "sims", lngc=0, standard=2, stop_times_s=(10.0, 12.0)))
    simulated.uninstall()


class Worlds:
    def __init__(self, module, files):
        self.module, self.files = module, files

    def plain(self, function, files=None):
        return [function(self.module.Model(str(file))) for file in files or self.files]

    def here(self, function, files=None, executor="serial", **more):
        performance = {"executor": executor, **more.pop("performance", {})}
        files = self.files if files is None else files
        return orcabatch.run_batch(files, postprocess=function, performance=performance, progress=False, **more)

    def values(self, function, files=None, **more):
        result = self.here(function, files, **more)
        assert result.ok, result.failed[0].error
        return result.values

    def error(self, function, **more):
        return self.here(function, self.files[:1], **more).failed[0].error


def kept(loop):
    seen = []

    def function(model):
        line = model["Line01"]
        seen[:] = [model, line, line.TimeHistory, model.general]

    loop.values(function)
    asked = [lambda m: m.state, lambda o: o.name, lambda ask: ask("Effective tension"), lambda g: g.typeName]
    for use, each in zip(asked, seen, strict=True):
        with pytest.raises(orcabatch.FileReleased):
            use(each)


def handles_and_copies(loop):
    seen = []

    def function(model):
        seen[:] = [model.handle, copy.copy(model["Line01"])]

    loop.values(function)
    with pytest.raises(orcabatch.FileReleased):
        seen[0].value  # noqa: B018 - asked on purpose
    with pytest.raises((orcabatch.FileReleased, loop.module.DLLError)):
        seen[1].TimeHistory("Effective tension", None, loop.module.oeEndA)


def numbers_of_handles(loop):
    def made():
        seen = []

        def function(model):
            seen.append(model.handle.value)
            models.append(model)
            return loop.module.Model(handle=seen[0]).simulationStopTime

        return function

    models = []
    assert loop.plain(made()) == [10.0, 10.0]
    assert loop.values(made()) == [10.0, 12.0]  # the second one of another file: as the page says


def held_by_a_value(loop):
    for function in (lambda m: {"a": [m]}, lambda m: loop.module.Model().general, lambda m: map(len, m.objects)):
        assert "which is gone with that file" in loop.error(function)


def placed(loop):
    ids = loop.values(id, loop.files * 5)
    assert len(set(ids)) == 10


def relative(loop):
    files = [Path("sims") / file.name for file in loop.files]
    assert loop.plain(lambda m: m.latestFileName, files) == [str(file) for file in files]
    assert loop.values(lambda m: m.latestFileName, files) == [str(file.absolute()) for file in files]
    assert loop.values(lambda m, sim_file: sim_file, files) == [file.absolute() for file in files]


def missing(loop):
    with pytest.raises(loop.module.DLLError):
        loop.module.Model("nope.sim")
    assert "nope.sim does not exist" in loop.here(len, ["nope.sim"]).failed[0].error


def classes(loop):
    def function(model):
        line, module = model["Line01"], loop.module
        same = (type(model) is module.Model, type(line) is module.OrcaFlexLineObject)
        named = (type(model).__name__, type(line).__name__)
        return same, named, isinstance(model, module.Model) and isinstance(line, module.OrcaFlexLineObject)

    names = ("Model", "OrcaFlexLineObject")
    assert loop.plain(function)[0] == ((True, True), names, True)
    assert loop.values(function)[0] == ((False, False), names, True)
    without = loop.values(function, performance={"broker": {"enabled": False}})
    assert without[0] == ((True, True), names, True)


def insides(loop):
    def function(model):
        line = model["Line01"]
        assert line.name
        return set(vars(line)), set(dir(line)), set(dir(model))

    plain, here = loop.plain(function)[0], loop.values(function)[0]
    more = [ours - theirs for theirs, ours in zip(plain, here, strict=True)]
    assert all(theirs <= ours for theirs, ours in zip(plain, here, strict=True))
    assert {name for name in set.union(*more) if not name.startswith("_")} == {"name", "ask_time_history"}
    without = loop.values(function, performance={"broker": {"enabled": False}})[0]
    assert (without[0], without[2]) == (plain[0], plain[2])


def same_object(loop):
    def function(model):
        return model["Line01"] is model["Line01"], model["Line01"] == model["Line01"]

    assert loop.plain(function)[0] == (False, True)
    assert loop.values(function)[0] == (True, True)
    assert loop.values(function, performance={"broker": {"enabled": False}})[0] == (False, True)


def data_files(loop):
    shutil.copyfile(loop.files[0], "a.dat")
    assert loop.values(lambda m: m.simulationStopTime, ["a.dat"]) == [10.0]


def raises(error):
    def function(model):
        if model.simulationStopTime == 10.0:
            raise error
        return 1

    return function


def raised(loop):
    result = loop.here(raises(ValueError("no such case")))
    assert (result.values, len(result.failed)) == ([None, 1], 1)
    assert "no such case" in result.failed[0].error
    assert "ValueError: no such case" in result.failed[0].traceback
    with pytest.raises(orcabatch.BatchError):
        loop.here(raises(ValueError("no such case")), on_failure="raise")


def no_exception(loop):
    result = loop.here(raises(SystemExit(1)))
    assert (result.values, str(result.failed[0].cause)) == ([None, 1], "crash")


def interrupted(loop):
    threads = loop.here(raises(KeyboardInterrupt()), executor="threads")
    assert (threads.values, str(threads.failed[0].cause)) == ([None, 1], "crash")
    with pytest.raises(orcabatch.BatchInterrupted):
        loop.here(raises(KeyboardInterrupt()))


def lazy(loop):
    async def coroutine():
        return 1

    for function, said in ((lambda m: (x for x in "a"), "generator"), (lambda m: coroutine(), "coroutine")):
        assert f"returned a {said}" in loop.error(function)


def not_finite(loop):
    result = loop.here(lambda model: float("nan"))
    assert result.ok
    assert "not a finite number" in result.outcomes[0].warnings[0]


def empty(loop):
    with pytest.raises(orcabatch.SourceError):
        loop.here(len, [])


def order(loop):
    seen = []
    assert loop.values(lambda m: seen.append(m.simulationStopTime) or seen[-1]) == [10.0, 12.0] == seen
    assert loop.values(lambda m: m.simulationStopTime, executor="threads") == [10.0, 12.0]


def threads(loop):
    here = threading.get_ident()
    assert set(loop.values(lambda m: threading.get_ident())) == {here}
    assert here not in loop.values(lambda m: threading.get_ident(), executor="threads")


TRIED = {
    "kept models and objects": kept,
    "their handles, copies": handles_and_copies,
    "a value that holds a model": held_by_a_value,
    "numbers taken out of handles": numbers_of_handles,
    "`id(model)`": placed,
    "`model.threadCount`": lambda loop: loop.values(lambda m: m.threadCount) == [1, 1] or pytest.fail("more threads"),
    "`model.ownsModelHandle`": lambda loop: (
        (loop.plain(lambda m: m.ownsModelHandle), loop.values(lambda m: m.ownsModelHandle)) == ([True] * 2, [False] * 2)
        or pytest.fail("who owns it")
    ),
    "what `OrcFxAPI.Model(path)` does with data files": data_files,
    "`model.latestFileName`": relative,
    "a missing, empty or unreadable file": missing,
    "`type(model)`": classes,
    '`vars(model["Line1"])`': insides,
    '`model["Line1"]`, asked again': same_object,
    "models that the function opened itself": "orcaflex/test_owners.py::test_a_model_of_the_functions_own_is_destroyed",
    "the function raises": raised,
    "it raises something that is no `Exception`": no_exception,
    "it raises `KeyboardInterrupt`": interrupted,
    "loading fails with an error that may heal": "batch/test_repeating.py::test_a_function_that_says_so_is_called",
    "it returns a generator": lazy,
    "a joint answer turns out to differ": "batch/test_joint_answers.py::test_one_bit_of_difference_redoes_every_file",
    "a worker process dies": "engine/test_processes.py::test_a_file_whose_process_was_killed_once_succeeds_elsewhere",
    "the value is not a finite number": not_finite,
    "the list is empty": empty,
    "order of calls": order,
    "thread": threads,
    "what the script set in a module": "batch/test_as_here.py::test_what_the_script_set_is_said_once",
    "values from worker processes": "batch/test_run_batch.py::test_values_stand_in_input_order_on_every_executor",
    "a list in the load case": "batch/test_cases.py::test_a_case_that_its_function_changes_is_changed_for_that_call",
    "a value that is changed after its file has ended": (
        "batch/test_changed_values.py::test_such_values_are_those_of_a_plain_loop_and_computed_again"
    ),
    "an unchanged file, with `version=`": "batch/test_resume.py::test_a_function_with_a_version_is_not_called_again",
    "printing, logging, contexts": "batch/test_world.py::test_every_file_has_a_copy_of_the_callers_decimal_context",
}
"""By how a line begins: what tries it, or the test that does."""


def test_every_line_of_the_page_is_tried():
    """No line without its test, and no test without its line."""
    found = {start: [line for line in lines() if line.startswith(start)] for start in TRIED}
    assert {start: len(those) for start, those in found.items()} == dict.fromkeys(TRIED, 1)
    assert len(lines()) == len(TRIED)


@pytest.mark.parametrize("start", [start for start, trial in TRIED.items() if not isinstance(trial, str)])
def test_a_line_is_as_the_page_says(start, loop):
    """In the loop, and here."""
    TRIED[start](loop)


@pytest.mark.parametrize("start", [start for start, trial in TRIED.items() if isinstance(trial, str)])
def test_a_line_is_tried_by_the_test_that_is_named(start):
    """It is there."""
    file, name = TRIED[start].split("::")
    assert re.search(rf"^def {name}", (ROOT / "tests" / file).read_text(encoding="utf-8"), re.MULTILINE)
