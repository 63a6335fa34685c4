"""A function sees what a plain loop `f(OrcFxAPI.Model(path))` shows: a model of its own for every file (R44)."""

from __future__ import annotations

import copy
import functools
import gc
import pickle
import threading
from contextlib import nullcontext

import pytest

from orcabatch import FileReleased, simulated
from orcabatch.orcaflex import owners as owners_module
from orcabatch.orcaflex.binding import find_binding
from orcabatch.orcaflex.owners import Owners, Shells
from orcabatch.orcaflex.session import Session
from orcaflex.driving import broker, run, values

BROKERED = pytest.mark.parametrize("brokered", [True, False], ids=["broker", "no broker"])


def plain(module, files, function):
    """What a plain loop gives."""
    return [function(module.Model(str(file), threadCount=1)) for file in files]


def batch(module, files, function, brokered):
    """What a session gives."""
    return values(run(files, function, broker(module) if brokered else None, nullcontext))


def peak(module, line):
    return float(line.TimeHistory("Effective tension", None, module.oeEndA).max())


def by_argument(module):
    @functools.cache
    def cached(model, name):
        return peak(module, model[name])

    return lambda model: cached(model, "Line01")


def by_key(key):
    def make(module):
        known = {}

        def function(model):
            if key(model) not in known:
                known[key(model)] = peak(module, model["Line01"])
            return known[key(model)]

        return function

    return make


CACHES = {
    "lru_cache": by_argument,
    "model": by_key(lambda model: model),
    "id": by_key(id),
    "environment": by_key(lambda model: model.environment),
    "id of general": by_key(lambda model: id(model.general)),
    "hash": by_key(hash),
    "object": by_key(lambda model: model["Line01"]),
    "hash of environment": by_key(lambda model: hash(model.environment)),
    "wrapped": by_key(lambda model: type(model)(handle=model.handle)),
}


@BROKERED
@pytest.mark.parametrize("cache", CACHES)
def test_whatever_is_cached_by_belongs_to_one_file(orcaflex, sims, cache, brokered):
    """Cached by the model, an object, an id or a hash: each of six files has its own value."""
    files = sims(6)
    expected = plain(orcaflex, files, lambda model: peak(orcaflex, model["Line01"]))
    assert len(set(expected)) == 6
    assert batch(orcaflex, files, CACHES[cache](orcaflex), brokered) == expected


@BROKERED
def test_no_two_files_share_a_model(orcaflex, sims, brokered):
    """Of forty files no model or object equals, hashes or is placed like another; one native model, one seat."""
    simulated.configure(simulated.Costs(seats=1))
    file, kept, ids = sims(1)[0], [], []

    class Own(orcaflex.Model):
        def __init__(self, model):
            super().__init__(handle=model.handle)

    class OwnObject(orcaflex.OrcaFlexObject):
        pass

    def function(model):
        general = model.general
        mine = OwnObject(general.modelHandle, general.handle, general.type)
        assert mine == general == Own(model).general
        assert Own(model) == model == orcaflex.Model(handle=model.handle)
        assert hash(mine) == hash(general)
        assert hash(Own(model)) == hash(model)
        kept.append((model, general, mine, Own(model)))
        ids.extend(id(each) for each in (model, general, model.environment))

    with simulated.counting() as count:
        batch(orcaflex, [file] * 40, function, brokered)
    assert count.counters.models_created == count.counters.peak_seats == 1
    assert len(set(ids)) == 120
    everything = [each for files in kept for each in files]
    assert len({hash(each) for each in everything}) == 2 * 40  # a file's models, and its General
    assert all(
        (one == other) is (row is line and isinstance(one, orcaflex.Model) is isinstance(other, orcaflex.Model))
        for row in kept for one in row for line in kept for other in line
    )  # fmt: skip


@BROKERED
def test_addresses_do_not_come_again_although_nobody_holds_the_objects(orcaflex, sims, brokered):
    """What a function only noted the `id` of stays: of models without end, of other objects a bounded number."""
    ids = []

    def function(model):
        ids.append((id(model), id(model.environment), id(model.general)))

    batch(orcaflex, sims(1) * 60, function, brokered)
    assert len({each for row in ids for each in row}) == 180


USES = {
    "attribute": lambda m, kept: kept.handle,
    "data": lambda m, kept: kept.Length,
    "misspelt": lambda m, kept: kept.nonsense,
    "hasattr": lambda m, kept: hasattr(kept, "name"),
    "set": lambda m, kept: setattr(kept, "name", "x"),
    "set what is no data": lambda m, kept: setattr(kept, "handle", 3),
    "delete": lambda m, kept: delattr(kept, "handle"),
    "call": lambda m, kept: kept.SampleTimes(),
    "text": lambda m, kept: str(kept),
    "formatted": lambda m, kept: f"{kept}",
    "state": lambda m, kept: kept.__dict__,
    "copy": lambda m, kept: copy.copy(kept),
    "pickle": lambda m, kept: pickle.dumps(kept),
}
MODEL_USES = {
    "item": lambda m, kept: kept["Line01"],
    "names": lambda m, kept: list(kept),
    "count": lambda m, kept: len(kept),
    "truth": lambda m, kept: bool(kept),
    "contains": lambda m, kept: "Line01" in kept,
    "get": lambda m, kept: kept.get("Line01"),
    "objects": lambda m, kept: kept.objects,
    "general": lambda m, kept: kept.general,
    "load": lambda m, kept: kept.LoadSimulation("x.sim"),
    "wrap": lambda m, kept: m.Model(handle=kept.handle),
}
OBJECT_USES = {
    "history": lambda m, kept: kept.TimeHistory("X", None, m.oeEndA),
    "name": lambda m, kept: kept.name,
    "joint": lambda m, kept: m.GetMultipleTimeHistories([m.TimeHistorySpecification(kept, "X", m.oeEndA)], None),
    "by hand": lambda m, kept: m.OrcaFlexObject(kept.modelHandle, kept.handle, kept.type),
    "exchange": lambda m, kept: m.ExchangeObjects(kept, kept),
}


def _kept_line(module, model):
    return model["Line01"]


def _made_by_hand(module, model):
    class MyLine(module.OrcaFlexLineObject):
        made = []

        def __init_subclass__(cls):
            raise AssertionError("told of a subclass of no concern")

    line = model["Line01"]
    return MyLine(line.modelHandle, line.handle, line.type)


def _with_slots(module, model):
    class Slotted(module.OrcaFlexLineObject):
        __slots__ = ("extra",)

    line = model["Line01"]
    made = Slotted(line.modelHandle.value, line.handle, line.type)
    object.__setattr__(made, "extra", bytearray(8))
    return made


def _own_model(module, model):
    class Own(module.Model):
        def __init__(self, handle):
            super().__init__(handle=handle)
            object.__setattr__(self, "mine", 3)

    return Own(model.handle)


OBJECTS = {
    "line": _kept_line,
    "environment": lambda module, model: model.environment,
    "of objects": lambda module, model: model.objects[3],
    "by hand": _made_by_hand,
    "with slots": _with_slots,
}
MODELS = {
    "model": lambda module, model: model,
    "wrapper": lambda module, model: module.Model(handle=model.handle),
    "own class": _own_model,
}


@BROKERED
@pytest.mark.parametrize("kind", [*OBJECTS, *MODELS])
def test_what_was_kept_raises_the_one_error_whatever_is_done_with_it(orcaflex, sims, kind, brokered):
    """It says whose file is gone, in the next file and after the last; it is no other file's, and changes nothing."""
    uses = USES | (MODEL_USES if kind in MODELS else OBJECT_USES)
    kept, files = [], sims(2)

    def refused():
        for name, use in uses.items():
            with pytest.raises(FileReleased) as caught:
                pytest.fail(f"{name}: {use(orcaflex, kept[0])!r}")
            assert caught.value.file == str(files[0])
            assert "case0.sim was used after that file was released" in str(caught.value)

    def function(model):
        kept.append((OBJECTS | MODELS)[kind](orcaflex, model))
        if len(kept) == 2:
            refused()
        return peak(orcaflex, model["Line01"])

    assert batch(orcaflex, files, function, brokered) == plain(orcaflex, files, CACHES["hash"](orcaflex))
    refused()
    known = {kept[0]: 1}
    assert (kept[0] == kept[0], kept[0] == kept[1], kept[0] != kept[1], known[kept[0]]) == (True, False, True, 1)
    assert "case0.sim" in repr(kept[0])
    assert isinstance(kept[0], orcaflex.Model if kind in MODELS else orcaflex.OrcaFlexObject)


@BROKERED
def test_what_leads_to_a_kept_object_raises_too(orcaflex, sims, brokered):
    """Methods, indexed data, tags, linked statistics, blocks and handles that were taken from objects of a file."""
    kept, files = [], sims(2)

    def function(model):
        line = model["Line01"]
        if kept:
            return [_raised(use) for use in kept[0]]
        graph, linked = line.RangeGraph, line.LinkedStatistics(["X", "Y"], None, orcaflex.oeEndA)
        ends, tags, handle, whole = orcaflex.IndexedDataItem("EndAX", line), line.tags, line.handle, model.handle
        block = line.dataChange()
        kept.append(
            [
                lambda: graph("X"),
                lambda: linked.Query("X", "Y"),
                lambda: ends[0],
                lambda: tags["x"],
                lambda: tags.x,
                block.__enter__,
                lambda: orcaflex.OrcaFlexObject(whole, handle, orcaflex.ObjectType.Line),
                lambda: orcaflex.Model(handle=whole),
                lambda: handle.value,
            ]
        )
        return None

    assert batch(orcaflex, files, function, brokered) == [None, [FileReleased] * 9]


def _raised(use):
    try:
        return use()
    except Exception as error:  # noqa: BLE001 - which one is the point
        return type(error)


@BROKERED
def test_a_copy_never_answers_for_another_file(orcaflex, sims, brokered):
    """A copy that Python made of an object, unknown to OrcFxAPI's constructors, is refused by OrcaFlex at the least."""
    kept = []

    def function(model):
        if not kept:
            kept.append(copy.copy(model.environment))
            gc.collect()
            return kept[0].name
        return _raised(lambda: kept[0].GetData("Name", 0))

    first, second = batch(orcaflex, sims(2), function, brokered)
    assert first == "Environment"
    assert issubclass(second, orcaflex.DLLError | FileReleased)


def test_the_error_survives_pickling():
    """With what it knows, and in the words of both its cases."""
    for error in (FileReleased("Line 'L1'", "a.sim"), FileReleased("the model", "a.sim", "the value[0]")):
        copied = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        assert (copied.what, copied.file, copied.where, str(copied)) == (
            error.what,
            error.file,
            error.where,
            str(error),
        )


@BROKERED
def test_attributes_end_with_their_file_and_misspelt_ones_raise_as_plain(orcaflex, sims, brokered):
    """`model.typo = 1` is OrcFxAPI's own AttributeError; nothing that was set on a model is there for the next."""

    def function(model):
        seen = [model.batchProgressHandler, sorted(name for name in dir(model) if "rogress" in name)]
        for name in ("typo", "Handle"):
            try:
                setattr(model, name, 1)
            except AttributeError as error:
                seen.append(str(error))
        model.batchProgressHandler = print
        return seen

    files = sims(3)
    assert len(plain(orcaflex, files[:1], function)[0]) == 4
    assert batch(orcaflex, files, function, brokered) == plain(orcaflex, files, function)


@BROKERED
def test_models_of_the_functions_own_are_left_alone(orcaflex, sims, brokered):
    """A base case that it opened once works on in every file, and is compared by its handle as before."""
    files = sims(4)

    def make():
        base = []

        def function(model):
            if not base:
                base.append(orcaflex.Model(str(files[3]), threadCount=1))
                base.append(base[0]["Line02"])
            assert base[0] != model
            assert base[1] == base[0]["Line02"]
            assert hash(base[0]) == hash(base[0].handle.value)
            return peak(orcaflex, base[1]) - peak(orcaflex, model["Line02"])

        return function

    assert batch(orcaflex, files[:3], make(), brokered) == plain(orcaflex, files[:3], make())


def test_a_model_of_the_functions_own_is_destroyed_on_its_own_thread_wherever_it_is_collected(orcaflex, sims):
    """It ended in a cycle: its thread destroys it with the file, at the latest with the session; a moved one, there."""
    files = sims(3)

    def own_model(model):
        return orcaflex.Model(str(files[0]), threadCount=1)

    def elsewhere(deed):
        thread = threading.Thread(target=deed)
        thread.start()
        thread.join()

    def failed(model):
        with pytest.raises(orcaflex.DLLError) as caught:
            orcaflex.Model(__file__)
        return caught

    def collected_elsewhere(model):
        ring = [own_model(model), failed(model)]
        ring.append(ring)
        del ring
        elsewhere(gc.collect)

    def moved(model):
        other = own_model(model)
        other.DetachFromThread()
        kept = [other]
        del other
        elsewhere(lambda: (kept[0].AttachToThread(), kept.clear()))

    with simulated.counting() as count:
        session = Session(find_binding())
        collected_elsewhere(session.load(files[0]))
        assert count.counters.models_destroyed == 0
        session.release()
        assert count.counters.models_destroyed == 2
        moved(session.load(files[1]))
        assert count.counters.models_destroyed == 3
        ring = [own_model(session.load(files[2]))]
        ring.append(ring)
        del ring
        session.release()
        session.close()
    assert count.counters.models_created == count.counters.models_destroyed == 5
    assert count.counters.affinity_violations == count.counters.destroyed_on_wrong_thread == 0


@BROKERED
def test_a_hook_that_is_added_while_a_file_is_open_works_at_once(orcaflex, sims, brokered):
    """Objects made from then on are of its class, also those that were asked for before; taken out, they are not."""

    class MyLine(orcaflex.OrcaFlexLineObject):
        def double(self, variable):
            return 2 * self.TimeHistory(variable, None, orcaflex.oeEndA)

    def hook(kind, base):
        return MyLine if kind == orcaflex.ObjectType.Line else base

    def function(model):
        before = model["Line01"], [type(item).__name__ for item in model.objects]
        orcaflex.Model.addOrcaFlexObjectClassHook(hook)
        try:
            during = model["Line01"]
            listed = [isinstance(item, MyLine) for item in model.objects]
            doubled = during.double("X").tobytes(), during.name
        finally:
            orcaflex.Model.removeOrcaFlexObjectClassHook(hook)
        after = model["Line01"]
        return before[1], listed, doubled, [isinstance(each, MyLine) for each in (before[0], during, after)]

    files = sims(2)
    assert batch(orcaflex, files, function, brokered) == plain(orcaflex, files, function)


def _reload(module, model, other):
    module.Model(handle=model.handle).LoadSimulation(str(other))


def _subclass(module, model, other):
    class Own(module.Model):
        pass

    Own(handle=model.handle).LoadSimulation(str(other))


def _by_hand(module, model, other):
    class MyObject(module.OrcaFlexObject):
        pass

    environment = model.environment
    MyObject(environment.modelHandle, environment.handle, environment.type).SelectedCurrent = "Current2"
    line = model["Line01"]
    MyObject(line.modelHandle, line.handle, line.type).name = "Renamed"


CHANGES = {
    "another wrapper loads": _reload,
    "an own subclass loads": _subclass,
    "another wrapper resets": lambda module, model, other: module.Model(handle=model.handle).Reset(),
    "a class of one's own writes": _by_hand,
    "an export is called": lambda module, model, other: module.HelperMethods.SetDataString(
        model["Line01"].handle, "Name", 0, "Renamed"
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_brokers_memory_goes_by_the_models_handle(orcaflex, sims, change):
    """Whatever Python class a change is made through: histories, states, graphs, names and data are the new ones."""
    *files, other = sims(4)

    def look(model):
        found = [model.state, model.simulationComplete, model.simulationStopTime, sorted(model.keys()), len(model)]
        found.append(_raised(lambda: model.environment.RefCurrentSpeed))
        for name in ("Line01", "Renamed", "Line02"):
            asks = (
                lambda line: line.TimeHistory("X", None, orcaflex.oeEndA).tobytes(),
                lambda line: line.RangeGraph("Effective tension", None).Max.tobytes(),
                lambda line: line.SampleTimes().tobytes(),
                lambda line: line.name,
            )
            found += [_raised(lambda name=name, ask=ask: ask(model[name])) for ask in asks]
        return found

    def function(model):
        before = look(model)
        CHANGES[change](orcaflex, model, other)
        return before, look(model)

    assert batch(orcaflex, files, function, True) == plain(orcaflex, files, function)


def test_what_happens_to_another_model_empties_no_memory(orcaflex, sims):
    """Loading, changing, resetting and destroying a second model leaves the answers of the first where they are."""
    *files, other = sims(3)

    def function(model):
        model["Line01"].TimeHistory("X", None, orcaflex.oeEndA)
        held = len(model._answer_cache.held)
        second = orcaflex.Model(str(other), threadCount=1)
        second["Line01"].name = "Else"
        second.environment.SelectedCurrent = "Current2"
        with second["Else"].dataChange():
            second["Else"].SetData("Name", -1, "More")
        second.Reset()
        del second
        return held, len(model._answer_cache.held)

    assert batch(orcaflex, files, function, True) == [(1, 1)] * 2


def test_a_subclass_of_ones_own_asks_as_the_model_does(orcaflex, sims):
    """Objects found through it are the broker's too; its own methods and attributes work."""

    class Own(orcaflex.Model):
        def __init__(self, model):
            super().__init__(handle=model.handle)
            self.asked = 0

        def peak(self, name):
            self.asked += 1
            return peak(orcaflex, self[name])

    def function(model):
        own = Own(model)
        with simulated.counting() as count:
            found = [own.peak("Line01"), own.peak("Line01"), own.asked, own == model, len(own)]
        return found, count.counters.log_passes

    files = sims(2)
    ours, theirs = (batch(orcaflex, files, function, True), plain(orcaflex, files, function))
    assert [found for found, _ in ours] == [found for found, _ in theirs]
    assert [passes for _, passes in ours] == [1, 1]
    assert [passes for _, passes in theirs] == [2, 2]


@BROKERED
def test_what_ended_by_itself_is_not_remembered(orcaflex, sims, brokered, monkeypatch):
    """A loop that makes objects by the thousand leaves nothing behind; shells of objects have a bound, here 5."""
    monkeypatch.setattr(owners_module, "MOST_SHELLS", 5)
    shells = Shells()
    session = Session(find_binding(), broker(orcaflex) if brokered else None, shells=shells)
    for file in sims(3):
        model = session.load(file)
        opened = Owners.of(orcaflex).files[model.handle.value]
        for _ in range(3000):
            orcaflex.OrcaFlexObject(model.handle, model.general.handle, model.general.type)
        kept = [orcaflex.OrcaFlexObject(model.handle, model.general.handle, orcaflex.ObjectType.Line) for _ in range(9)]
        assert len(opened.alive) < 100
        session.release()
        assert len(kept) == 9
    session.close()
    assert (len(shells._models), len(shells._objects)) == (9, 5)
