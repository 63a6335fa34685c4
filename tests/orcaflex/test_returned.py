"""Models and objects hidden in what a function returns are refused as bare ones, and named with their place."""

from __future__ import annotations

import contextvars
import functools
import itertools
import queue
import weakref
from collections import ChainMap, OrderedDict, UserDict, UserList, defaultdict, deque
from concurrent.futures import Future
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from orcabatch.orcaflex import returned
from orcabatch.orcaflex.returned import held
from orcabatch.orcaflex.user_function import FunctionPostProcess
from orcabatch.orcaflex.work import OrcaFlexRecipe
from orcaflex.test_work import work


@dataclass
class Row:
    name: str
    line: object


class Slotted:
    __slots__ = ("__line", "empty")

    def __init__(self, line):
        self.__line = line


class Watcher:
    def __init__(self, line):
        self.line = line

    @property
    def peak(self):
        raise AssertionError("a property is the code's own affair")

    def ask(self):
        return self.line


def _end():
    return __import__("OrcFxAPI").oeEndA


def _noted(model):
    series = pd.Series([1.0])
    series.attrs["model"] = model
    return series


def _begun(model):
    """A generator that stands in the middle of its work."""

    def names():
        for line in [model["Line01"], model.general]:
            yield line.name

    begun = names()
    return [next(begun), begun]


def _queued(waiting, model):
    waiting.put(model["Line01"])
    return waiting


def _promised(model):
    promise = Future()
    promise.set_result(model["Line01"])
    return promise


def _in_context(model):
    there = contextvars.copy_context()
    there.run(contextvars.ContextVar("line").set, model["Line01"])
    return there


def _remembering(model):
    remember = functools.lru_cache(lambda line: 1.0)
    remember(model["Line01"])
    return remember


HIDDEN = {
    "itself": (lambda m: m, ""),
    "line": (lambda m: m["Line01"], ""),
    "list": (lambda m: [1.0, m], "[1]"),
    "deep": (lambda m: {"rows": [(1, {"line": m["Line01"]})]}, "['rows'][0][1]['line']"),
    "set": (lambda m: {1, m["Line01"]}, None),
    "frozen set": (lambda m: frozenset([m.general]), "[0]"),
    "key": (lambda m: {m["Line01"]: 1.0}, "'s key [...]"),
    "dictionaries": (lambda m: OrderedDict(a=defaultdict(list, b=m)), "['a']['b']"),
    "queue": (lambda m: deque([m.environment]), "[0]"),
    "dataclass": (lambda m: Row("x", m["Line01"]), ".line"),
    "attribute": (lambda m: Watcher(m["Line01"]), ".line"),
    "slot": (Slotted, None),
    "namespace": (lambda m: SimpleNamespace(a=[m]), ".a[0]"),
    "bound method": (lambda m: m["Line01"].TimeHistory, ".__self__"),
    "method of the function's own": (lambda m: Watcher(m["Line01"]).ask, ".__self__.line"),
    "partial": (lambda m: functools.partial(max, key=m), ".keywords['key']"),
    "closure": (lambda m: lambda: m, "'s m"),
    "default": (lambda m: lambda x=m: x, ".__defaults__[0]"),
    "error": (lambda m: ValueError("no", m), ".args[1]"),
    "indexed data": (lambda m: __import__("OrcFxAPI").IndexedDataItem("EndAX", m["Line01"]), ".obj"),
    "linked statistics": (lambda m: m["Line01"].LinkedStatistics(["X", "Y"], None, _end()), ".object"),
    "array": (lambda m: np.array([[1, m["Line01"]]], dtype=object), "[1]"),
    "records": (lambda m: np.array([(1.0, m.general)], dtype=[("a", float), ("b", object)]), "[0][1]"),
    "table": (lambda m: pd.DataFrame({"a": [1.0, 2.0], "b": [None, m["Line01"]]}), "['b'][1]"),
    "table's index": (lambda m: pd.DataFrame({"a": [1.0]}, index=[m["Line01"]]), ".index[0]"),
    "categories": (lambda m: {"s": pd.Series(pd.Categorical([m["Line01"]]))}, "['s'].categories[0]"),
    "series' notes": (_noted, ".attrs['model']"),
    "iterator": (lambda m: iter([m["Line01"]]), " (within the list_iterator)[0]"),
    "map over objects": (lambda m: map(len, m.objects), None),
    "map that asks": (lambda m: map(functools.partial(getattr, m), ["state"]), " (within the map).args[0]"),
    "zip": (lambda m: {"rows": zip("a", [m["Line01"]], strict=True)}, None),
    "chain": (lambda m: itertools.chain([1.0], [m["Line01"]]), None),
    "copied iterator": (lambda m: itertools.tee([1.0, m["Line01"]])[1], None),
    "generator in a list": (lambda m: [(m[name].typeName for name in ["Line01"])], None),
    "generator in a dictionary": (lambda m: {"names": (line.name for line in [m["Line01"]])}, None),
    "begun generator": (_begun, None),
    "view": (lambda m: {1: m["Line01"]}.values(), " (within the dict_values)[1]"),
    "read-only mapping": (lambda m: MappingProxyType({"line": m["Line01"]}), " (within the mappingproxy)['line']"),
    "weak reference": (lambda m: [weakref.ref(m.general)], "[0]()"),
    "weak proxy": (lambda m: [weakref.proxy(m.general)], "[0] (through the weak proxy)"),
    "weak dictionary": (lambda m: weakref.WeakValueDictionary(a=m.general), None),
    "weak set": (lambda m: weakref.WeakSet([m.general]), None),
    "chained dictionaries": (lambda m: ChainMap({}, {"line": m["Line01"]}), ".maps[1]['line']"),
    "wrapped dictionary": (lambda m: {"a": UserDict(line=m["Line01"])}, "['a'].data['line']"),
    "wrapped list": (lambda m: UserList([m]), ".data[0]"),
    "queue between threads": (lambda m: _queued(queue.Queue(), m), ".queue[0]"),
    "simple queue": (lambda m: _queued(queue.SimpleQueue(), m), None),
    "future": (_promised, "._result"),
    "context": (_in_context, None),
    "partial method": (lambda m: functools.partialmethod(max, m), None),
    "method of a list": (lambda m: [m].pop, " (within the builtin_function_or_method)[0]"),
    "remembering function": (_remembering, None),
    "array read one by one": (lambda m: np.array([m["Line01"]], dtype=object).flat, ".base[0]"),
    "grouped table": (lambda m: pd.DataFrame({"a": [1.0], "b": [m.general]}).groupby("a"), None),
}


@pytest.mark.parametrize("where", HIDDEN)
def test_a_model_or_object_in_what_is_returned_is_refused(orcaflex, sims, where):
    """The failure names the function, the place, what it is, the file, and what to return instead."""
    hide, place = HIDDEN[where]

    def mine(model):
        return hide(model)

    files = sims(1)
    for broker in (None, OrcaFlexRecipe({}).broker):
        results, _ = work(OrcaFlexRecipe({"b": FunctionPostProcess(mine)}, "simulated", broker), files)
        said = results[0].message
        assert "FileReleased" in results[0].traceback
        assert "that mine returned is" in said
        assert "case0.sim, which is gone with that file" in said
        assert place is None or f"the value{place} that" in said or f"the value's {place} that" in said


def test_finished_values_are_handed_on_untouched(orcaflex, sims):
    """Numbers, arrays, tables, text, types, and values that hold themselves."""
    ring = [1.0]
    ring.append(ring)

    class Odd:
        @property
        def __dict__(self):
            raise AssertionError("asked for more than there is")

    for value in (
        None, 1, [1.0] * 10, {"a": {"b": np.arange(3.0)}}, pd.DataFrame({"a": [1.0], "b": ["x"]}), orcaflex.Model,
        pd.DataFrame({("a", "b"): [1]}, index=pd.MultiIndex.from_tuples([(1, "x")])), ring, Odd(), np.float64(3), len,
        [orcaflex.oeEndA, orcaflex.ObjectType.Line, orcaflex.SpecifiedPeriod(0.0, 1.0)], lambda: 3, held,
    ):  # fmt: skip
        assert held(value) is None
    results, _ = work(OrcaFlexRecipe({"b": FunctionPostProcess(lambda model: ring)}, "simulated"), sims(1))
    assert results[0].value is ring


def test_what_is_lazy_over_finished_values_is_handed_on_with_all_it_has(orcaflex):
    """Nothing is taken from an iterator by looking into it."""
    rows = {"a": 1.0, "b": 2.0}
    lazy = [
        iter([1.0, 2.0]), map(float, ["1", "2"]), (value for value in (1.0, 2.0)), rows.values(),
        MappingProxyType(rows).values(), itertools.chain([1.0], [2.0]), filter(None, [1.0, 0.0, 2.0]),
        np.array([1.0, 2.0]).flat, itertools.tee([1.0, 2.0])[0],
    ]  # fmt: skip
    assert held(lazy) is None
    assert [[float(value) for value in each] for each in lazy] == [[1.0, 2.0]] * len(lazy)
    watched = Watcher(1.0)
    for holder in (ChainMap({"a": 1}), UserDict(a=1), UserList([1.0]), queue.Queue(), Future(), weakref.proxy(watched)):
        assert held(holder) is None
    for harmless in (len, [].append, weakref.ref(Watcher(1.0)), functools.lru_cache(len), ValueError("no")):
        assert held(harmless) is None


def test_the_search_has_an_end(orcaflex, sims, monkeypatch):
    """Beyond so many items, or so deep, nobody looks: what hides there raises when it is used."""
    monkeypatch.setattr(returned, "MOST_VISITED", 50)
    model = orcaflex.Model(threadCount=1)
    deep = model
    for _ in range(returned.DEEPEST):
        deep = [deep]
    assert held([0.0] * 40 + [model]) == ("[40]", model)
    assert held([0.0] * 60 + [model]) is None
    assert held(deep) == ("[0]" * returned.DEEPEST, model)
    assert held([deep]) is None

    class Endless:
        def __getitem__(self, place):
            return self

    assert held(Endless()) is None
