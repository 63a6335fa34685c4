"""Values that a function goes on changing after their files have ended: shown as in a plain loop, and not kept."""

from __future__ import annotations

import functools
import sys
import threading
from datetime import datetime
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import orcabatch
import world_functions as world
from engine import dask_cluster
from orcabatch.batch import carry_out, changed_values
from orcabatch.batch.changed_values import ChangedValues
from orcabatch.batch.functions import FunctionBatch
from orcabatch.batch.job import BatchJob
from orcabatch.batch.readers import read_request
from orcabatch.batch.request import Options
from orcabatch.batch.result_cache import ResultCache
from orcabatch.batch.shared_files import shared_files
from orcabatch.engine import shared_values
from orcabatch.engine.contract import Note
from orcabatch.engine.shared_values import SHARED
from orcabatch.orcaflex.binding import Binding, BindingKind
from orcabatch.outcome import FileOutcome, Status
from orcabatch.settings import parse_settings
from orcabatch.store.kept_values import read_values

RETURNS_ONE = "returns one list, dictionary, table or array for several files that ran at the same time"
SAID = "goes on changing what it has returned"
CONSTANT = {"max": 0.0}
SIMULATED = Binding(None, BindingKind.SIMULATED, "11.4", "11.4b")


class Filling:
    """What scripts do to save an allocation, or to have all results in one place; each file has a number."""

    def __init__(self) -> None:
        self.rows: list[float] = []
        self.by_name = {"all": self.rows}
        self.buffer = np.zeros(4)
        self.frame = pd.DataFrame({"n": [0.0]})

    def one_list(self, number: float):
        self.rows.append(number)
        return self.rows

    def deep_in_a_new_one(self, number: float):
        self.rows.append(number)
        return {"n": number, "so far": [self.by_name]}

    def stretch_of_a_buffer(self, number: float):
        self.buffer[:] = number
        return self.buffer[:2]

    def one_table(self, number: float):
        self.frame.loc[0, "n"] += number
        return self.frame


KINDS = ["one_list", "deep_in_a_new_one", "stretch_of_a_buffer", "one_table"]


def number_of(sim_file: Path) -> float:
    return float(sum(sim_file.stem.encode()))


def fills(model, sim_file, kind):
    """What it fills lies in another module, where nobody looks for what decides a result."""
    import filled_elsewhere  # type: ignore[import-not-found]

    return getattr(filled_elsewhere.filling, kind)(float(sum(sim_file.stem.encode())))


@pytest.fixture
def begun(monkeypatch):
    """Runs a batch as the first one of a new process."""
    module = ModuleType("filled_elsewhere")
    monkeypatch.setitem(sys.modules, "filled_elsewhere", module)

    def run(sims, kind, fill=fills, parties=2, **more):
        module.filling = Filling()
        module.filling.gate = threading.Barrier(parties)
        function = functools.partial(fill, kind=kind)
        arguments = {"performance": {"executor": "serial"}, "version": "1", **more}
        return orcabatch.run_batch(sims, postprocess=function, orcaflex="simulated", progress=False, **arguments)

    return run


def plain(value):
    if isinstance(value, pd.DataFrame):
        return value.to_dict()
    return value.tolist() if isinstance(value, np.ndarray) else value


def loop(sims, kind) -> list:
    filling = Filling()
    return list(map(plain, [getattr(filling, kind)(number_of(Path(sim))) for sim in sims]))


def said(result) -> list[str]:
    return [warning for warning in result.warnings if SAID in warning]


def statuses(result) -> list[str]:
    return [str(each.status) for each in result.outcomes]


@pytest.mark.parametrize("kind", KINDS)
def test_such_values_are_those_of_a_plain_loop_and_computed_again(orcaflex, sims, begun, kind):
    """In every run: a remembered one could only be what it was when its file ended."""
    for _ in range(2):
        result = begun(sims[:3], kind)
        assert (list(map(plain, result.values)), statuses(result)) == (loop(sims[:3], kind), ["ok"] * 3)
        (warning,) = said(result)
        assert "fills goes on changing" in warning
        assert "as in a plain loop. Nothing of fills is kept for the next run." in warning


def test_on_threads_they_are_found_as_well(orcaflex, sims, begun):
    """Whichever file ends first."""
    for _ in range(2):
        result = begun(sims, "one_list", performance={"executor": "threads"})
        assert all(value is result.values[0] for value in result.values)
        assert sorted(result.values[0]) == sorted(map(number_of, map(Path, sims)))
        assert (len(said(result)), statuses(result)) == (1, ["ok"] * 8)


def test_a_batch_that_is_known_to_change_is_gone_through_no_more(orcaflex, sims, begun, monkeypatch):
    """One list for all files would be read anew, and longer, with each: twice as each ends, and all at the end."""
    read, original = [], changed_values._content
    monkeypatch.setattr(changed_values, "_content", lambda value: read.append(len(value)) or original(value))
    assert len(said(begun(sims, "one_list"))) == 1
    assert read == [1, 2, 2], "the first as it ended, then as the next one did, and that one"


def test_what_an_earlier_run_kept_of_them_is_said_and_forgotten(orcaflex, sims, begun):
    """One file shows nothing: its list is found to be filled further when the next ones are computed."""
    assert said(begun(sims[:1], "one_list")) == []
    result = begun(sims[:3], "one_list")
    assert (statuses(result), result.values[0]) == (["skipped", "ok", "ok"], loop(sims[:1], "one_list")[0])
    assert "In what earlier runs had computed each is as it was when its file ended." in said(result)[0]
    assert begun(sims[:3], "one_list").values == loop(sims[:3], "one_list")


def returns_a_constant(model):
    return CONSTANT


def test_one_object_for_several_files_that_does_not_change_is_kept(orcaflex, sims):
    """A constant for files in which there is nothing, say; unless they ran at the same time."""
    batch = {"postprocess": returns_a_constant, "orcaflex": "simulated", "progress": False, "version": "1"}
    for status in ("ok", "skipped"):
        result = orcabatch.run_batch(sims[:3], performance={"executor": "serial"}, **batch)
        assert (said(result), statuses(result), result.values) == ([], [status] * 3, [CONSTANT] * 3)


THREADS = {"executor": "threads", "threading": {"max_threads": 2}}
FOUND: list[float] = []


def fills_before_any_ends(model, sim_file, kind):
    """Two files run at once, and both have changed what they return before either ends."""
    import filled_elsewhere  # type: ignore[import-not-found]

    value = getattr(filled_elsewhere.filling, kind)(float(sum(sim_file.stem.encode())))
    filled_elsewhere.filling.gate.wait(20.0)
    return value


@pytest.mark.parametrize("kind", KINDS)
def test_what_files_that_ran_at_once_share_is_not_remembered(orcaflex, sims, begun, kind):
    """Nobody sees that it changes: it did before the first of them ended. Later runs computed one of them alone."""
    result = begun(sims[:2], kind, fills_before_any_ends, performance=THREADS)
    assert (said(result), statuses(result)) == ([], ["ok"] * 2)
    (warning,) = [each for each in result.warnings if RETURNS_ONE in each]
    assert "Nothing of fills_before_any_ends is kept for the next run." in warning
    for sim in sims[:2]:
        alone = begun([sim], kind, fills_before_any_ends, parties=1)
        assert (list(map(plain, alone.values)), statuses(alone)) == (loop([sim], kind), ["ok"])
        assert not [each for each in alone.warnings if RETURNS_ONE in each]


class Gate:
    """Another one in each run, and the same to those who look for what decides a result."""

    def __init__(self, parties: int) -> None:
        self.parties = parties

    @property
    def gate(self):
        return GATES[self.parties]


GATES = {2: threading.Barrier(2)}


def finds(model, sim_file, gate, where):
    """What it found in the file, in a list that each file clears: the second does so before the first ends."""
    if sim_file.name == where:
        FOUND[:] = [1.0]
    gate.gate.wait(20.0)
    if sim_file.name != where:
        FOUND.clear()
    gate.gate.wait(20.0)
    return FOUND


def test_a_shared_list_that_is_as_it_was_before_the_first_file_is_not_remembered(orcaflex, sims):
    """It looked as if it had never changed: no finding was remembered for the file that had one."""
    function = functools.partial(finds, gate=Gate(2), where=Path(sims[0]).name)
    batch = {"postprocess": function, "orcaflex": "simulated", "progress": False, "version": "1"}
    for _ in range(2):
        result = orcabatch.run_batch(sims[:2], performance=THREADS, **batch)
        assert (said(result), statuses(result), FOUND) == ([], ["ok"] * 2, [])
        assert len([each for each in result.warnings if RETURNS_ONE in each]) == 1


def test_what_could_not_be_looked_through_is_not_said_to_be_one_list(orcaflex, sims, monkeypatch):
    """For want of memory, say: each of these files returns a new one."""

    def none(value):
        raise MemoryError

    monkeypatch.setattr(shared_values, "_parts_of", none)
    batch = {"postprocess": lambda model: [1.0], "orcaflex": "simulated", "progress": False, "version": "1"}
    result = orcabatch.run_batch(sims[:2], performance=THREADS, **batch)
    (warning,) = [each for each in result.warnings if RETURNS_ONE in each]
    assert "or what it returns could not be looked through" in warning


@pytest.mark.parametrize("executor", ["processes", pytest.param("dask", marks=dask_cluster.MARKS)])
def test_threads_of_one_worker_process_share_as_well(orcaflex, sims, executor):
    """What comes from there are copies, made when both had changed it."""
    batch = {"postprocess": world.finds, "orcaflex": "simulated", "progress": False, "version": "1"}
    one = {"executor": executor, "process_count": 1, "threads_per_process": 2}
    for _ in range(2):
        result = orcabatch.run_batch(sims[:2], performance=one, **batch)
        assert (statuses(result), result.values) == (["ok"] * 2, [[]] * 2)
        assert len([each for each in result.warnings if RETURNS_ONE in each]) == 1


def test_what_is_written_as_files_end_is_named(orcaflex, sims, begun, tmp_path):
    """Kept values and a table that grows hold each as it was then: without a version, too."""
    kept = {"executor": "serial", "keep_values": True}
    result = begun(sims[:3], "one_list", version=None, output_dir=tmp_path / "out", performance=kept)
    assert "In fills_values.bin each is as it was when its file ended." in said(result)[0]
    numbers = [number_of(Path(sim)) for sim in sims[:3]]
    (values,) = (tmp_path / "out").glob("*_values.bin")
    assert [each.value for each in read_values(values)] == [numbers[:count] for count in (1, 2, 3)]

    sys.modules["filled_elsewhere"].filling = Filling()
    function = functools.partial(fills, kind="one_list")
    request = read_request(
        sims[:3], Options(postprocess=function, orcaflex="simulated", performance={"executor": "serial"})
    )
    (warning,) = said(carry_out(request, progress=False, save=tmp_path / "table.csv"))
    assert "In the table each is as it was when its file ended." in warning
    assert "plain loop" not in warning
    assert len(pd.read_csv(tmp_path / "table.csv")) == 6


def test_a_value_is_looked_at_when_the_next_file_ends(tmp_path):
    """A run that is killed then has forgotten already what it kept of the first."""
    rows, values = [1.0], ChangedValues()
    ends = [FileOutcome(tmp_path / f"{n}.sim", "f", Status.OK, rows, index=n) for n in range(3)]
    assert values.ended(ends[0]) is None
    rows.append(2.0)
    assert values.ended(ends[1]) is ends[0]
    assert values.ended(ends[2]) is None
    assert [values.is_changed(end) for end in ends] == [True, False, False]


def test_a_value_that_is_changed_while_it_is_looked_at_goes_on_changing(tmp_path, monkeypatch):
    """Another thread adds to a dictionary at that moment: what it was nobody can say, and it may look whole later."""
    row = {"first": np.zeros(2), "second": np.zeros(2)}
    end, values = FileOutcome(tmp_path / "a.sim", "f", Status.OK, row, index=0), ChangedValues()

    def adds(_, value):
        row["third"] = 3.0
        return NotImplemented

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(changed_values._Reader, "reducer_override", adds)
        assert values.ended(end) is None
    assert values.is_changed(end)


def test_what_a_function_goes_on_changing_is_kept_of_none_of_its_batches(tmp_path):
    """Its last value was not changed any more, and holds what it made of files of other batches."""
    files = [tmp_path / f"{name}.sim" for name in "ab"]
    for file in files:
        file.write_bytes(file.name.encode())
    batches = [FunctionBatch.over([file], returns_a_constant, None, "1", among=file.stem) for file in files]
    settings, rows, warned = parse_settings({}), [], []
    own = {batch.name: settings for batch in batches}

    def memory():
        return ResultCache(batches, shared_files(batches), SIMULATED, settings, own)

    with memory().opened() as cache:
        named = {batch.name: batch for batch in batches}
        job = BatchJob(None, named, cache.shared_files, warned.append, cache)
        for index, batch in enumerate(batches):
            cache.starting(index)
            rows.append(index)
            job.finished((FileOutcome(files[index], batch.name, Status.OK, rows, index=index, size_bytes=1),))
        job.look_again()
    with memory().opened() as cache:
        cache.look()  # as every run does
        assert [cache.answered(index, batch.name) for index, batch in enumerate(batches)] == [None] * 2
    assert len(warned) == 1


@pytest.mark.parametrize("rows", [True, False])
def test_what_another_batch_shares_is_said_with_the_end_of_a_file_that_it_does_not_have(tmp_path, monkeypatch, rows):
    """By a worker process in which files of both ran at the same time; of digitalmodel's values it says nothing."""
    monkeypatch.setattr(FunctionBatch, "values_are_rows", rows)
    files = [tmp_path / f"{name}.sim" for name in "ab"]
    batches = [FunctionBatch.over([file], returns_a_constant, None, "1", among=file.stem) for file in files]
    settings, warned = parse_settings({}), []
    own = {batch.name: settings for batch in batches}
    with ResultCache(batches, shared_files(batches), SIMULATED, settings, own).opened() as cache:
        job = BatchJob(None, {batch.name: batch for batch in batches}, cache.shared_files, warned.append, cache)
        for batch in batches:
            job.noted(Note(1, batch.name, SHARED, None))
        job.look_again()
    assert [RETURNS_ONE in each for each in warned] == [True] * 2 * rows


def test_a_table_that_somebody_looked_at_is_not_changed(tmp_path):
    """pandas puts columns together where they are asked for, which changes nothing that a table holds."""
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    frame["b"] = [3.0, 4.0]
    end, values = FileOutcome(tmp_path / "a.sim", "f", Status.OK, {"table": frame}, index=0), ChangedValues()
    values.ended(end)
    frame["text"], frame["kind"] = ["x", "y"], pd.Categorical(["p", "q"])
    frame["n"] = pd.Series([1, None], dtype="Int64")
    values.ended(end)
    frame._consolidate_inplace()
    assert not values.is_changed(end)
    frame.loc[0, "b"] = 5.0
    assert values.is_changed(end)


@pytest.mark.parametrize("order", ["C", "F"])
def test_one_number_of_a_large_array_is_enough(order, tmp_path):
    """Every byte is looked at."""
    large = np.zeros((300, 200), order=order)
    end, values = FileOutcome(tmp_path / "a.sim", "f", Status.OK, large, index=0), ChangedValues()
    values.ended(end)
    large[-1, -1] = 1.0
    assert values.is_changed(end)


class Foreign:
    """Of a class of the user's."""

    def __reduce__(self):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "other", [Foreign(), [Foreign()], np.array([Foreign()]), Foreign, pd.DataFrame({"a": [Foreign()]})]
)
def test_what_is_somebody_elses_is_not_gone_through(other, tmp_path):
    """It runs code of theirs, and can be kept in no form; a plain loop would not have looked."""
    value = [other]
    end, values = FileOutcome(tmp_path / "a.sim", "f", Status.OK, value, index=0), ChangedValues()
    assert values.ended(end) is None
    value.append(1)
    assert not values.is_changed(end)


@pytest.mark.parametrize(
    "other",
    [
        {1.5, "a"}, Path("a"), 3j, datetime(2026, 11, 29), (1, bytearray(b"x")),
        np.arange(3.0), np.float64(2), np.array(["a", None], object),
        np.ones((300, 200)), np.ones((300, 200), order="F"), np.ones((300, 200))[::2, ::3],
        pd.DataFrame(np.ones((300, 200))), b"x" * 100_000,
        pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=["p", "q"]), pd.Series([1.0]), pd.Timestamp(0),
    ],
    ids=lambda other: type(other).__name__,
)  # fmt: skip
def test_what_can_be_gone_through_is_the_same_until_it_is_changed(other, tmp_path):
    """Whatever functions return."""
    for more in (1, Foreign()):
        value = [other]
        end, values = FileOutcome(tmp_path / "a.sim", "f", Status.OK, value, index=0), ChangedValues()
        values.ended(end)
        assert not values.is_changed(end)
        value.append(more)
        assert values.is_changed(end)
