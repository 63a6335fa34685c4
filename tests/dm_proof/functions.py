"""Functions as users write them, drawn at random: they cache, wrap, change data, keep objects, raise, return them.

A `Program` is a list of steps; `Drawn` runs the program that a file's name asks for, so that one batch runs hundreds
of them, in any executor. `plain_loop` is what it has to equal. Kept models and objects are the one difference: in the
plain loop they are let alone, in a batch every use has to raise `FileReleased`; both note the same word.
"""

from __future__ import annotations

import functools
import random
import threading
import traceback
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

CASES = 3
"""Files of each program."""
LINES = ("Line01", "Line02", "line02", "Line04", "Nobody")
VARIABLES = ("Effective tension", "X", "Bend moment", "curvature", "Nonsense")

_LOCAL = threading.local()


def api() -> Any:
    """OrcFxAPI as it stands in this process."""
    import OrcFxAPI

    return OrcFxAPI


@functools.cache
def classes(module: Any) -> Any:
    """Classes of a user's own over OrcFxAPI's."""

    class MyModel(module.Model):
        def __init__(self, model: Any) -> None:
            super().__init__(handle=model.handle)

        def called(self, name: str) -> Any:
            return self[name]

    class MyObject(module.OrcaFlexObject):
        pass

    class MyLine(module.OrcaFlexLineObject):
        __slots__ = ("mine",)

    class Hooked(module.OrcaFlexLineObject):
        def TimeHistory(self, *args: Any) -> Any:  # noqa: N802 - OrcFxAPI's name
            return super().TimeHistory(*args) * getattr(_LOCAL, "unit", 1.0)

    # A hook is of the whole process: what other threads' files print meanwhile must not tell.
    Hooked.__name__ = "OrcaFlexLineObject"
    return SimpleNamespace(MyModel=MyModel, MyObject=MyObject, MyLine=MyLine, Hooked=Hooked)


class Trouble(Exception):  # noqa: N818 - as users write it
    """An error of a user's own, with more to it than a text."""

    def __init__(self, what: str, number: int) -> None:
        super().__init__(what)
        self.number = number

    def __str__(self) -> str:
        return f"{self.args[0]}, number {self.number}"


@dataclass(frozen=True)
class Program:
    """What one drawn function does.

    Attributes:
        steps: name and arguments of each.
        end: how it ends: "value", the name of an exception, or of a place where it hides a model in its value.
        at: the files that end so (all others end with the value).
    """

    steps: tuple[tuple[Any, ...], ...]
    end: str
    at: tuple[int, ...]


@dataclass
class State:
    """What a program remembers from file to file, on one thread."""

    known: dict[Any, Any] = field(default_factory=dict)
    kept: list[tuple[str, Any]] = field(default_factory=list)
    cached: Any = None


@dataclass(frozen=True)
class Now:
    """What a step gets."""

    model: Any
    file: Path
    state: State
    plain: bool


class Drawn:
    """The drawn functions as one: `p007_case1.sim` gets program 7.

    Args:
        programs: by number.
        run: no two runs share a memory.
        plain: whether it runs in the plain loop.
    """

    def __init__(self, programs: list[Program], run: str, plain: bool = False) -> None:
        self.programs, self.run, self.plain = programs, run, plain

    def __call__(self, model: Any, sim_file: Path) -> Any:
        number, case = int(sim_file.name[1:4]), int(sim_file.stem[-1])
        states = _LOCAL.__dict__.setdefault(self.run, {})
        now = Now(model, sim_file, states.setdefault(number, State()), self.plain)
        program = self.programs[number]
        found = [_guarded(now, step) for step in program.steps]
        if case not in program.at or program.end == "value":
            return found
        if program.end in ENDS:
            ENDS[program.end](now)
        return HIDDEN[program.end](now)


def plain_loop(files: list[Path], programs: list[Program]) -> list[tuple[str, Any]]:
    """Of each file: "value" with the value, "error" with its text as Python prints it, "gone" where a model is held."""
    module, function, models = api(), Drawn(programs, "plain", plain=True), []
    ends: list[tuple[str, Any]] = []
    for file in files:
        # Held until the end, so that no address comes again, as orcabatch promises.
        models.append(module.Model(str(file), threadCount=1))
        try:
            value = function(models[-1], file)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must be the same
            ends.append(("error", said(error)))
        else:
            program = programs[int(file.name[1:4])]
            gone = program.end in HIDDEN and int(file.stem[-1]) in program.at
            ends.append(("gone", None) if gone else ("value", value))
    _LOCAL.__dict__.clear()
    return ends


def said(error: BaseException) -> str:
    """Type and text of an error, as the last lines of its traceback have them."""
    return "".join(traceback.format_exception_only(error))


def _guarded(now: Now, step: tuple[Any, ...]) -> Any:
    try:
        return STEPS[step[0]](now, *step[1:])
    except Exception as error:  # noqa: BLE001 - whatever it is, it must be the same
        return type(error).__name__, getattr(error, "status", None), str(error)


# --- asking ---------------------------------------------------------------------------------------------------------

REACHED: dict[str, Callable[[Any, str], Any]] = {
    "by name": lambda model, name: model[name],
    "listed": lambda model, name: next(item for item in model.objects if item.name == name),
    "values": lambda model, name: dict(model.items())[name],
    "another wrapper": lambda model, name: api().Model(handle=model.handle)[name],
    "own class": lambda model, name: classes(api()).MyModel(model).called(name),
    "same class": lambda model, name: type(model)(handle=model.handle)[name],
    "by hand": lambda model, name: _by_hand(model[name]),
    "raw handles": lambda model, name: _raw(model, model[name]),
}


def _by_hand(target: Any) -> Any:
    return classes(api()).MyLine(target.modelHandle, target.handle, target.type)


def _raw(model: Any, target: Any) -> Any:
    return classes(api()).MyLine(model.handle.value, api().Handle(target.handle.value), target.type)


def _peak(target: Any, variable: str) -> Any:
    history = target.TimeHistory(variable, None, api().oeEndA)
    shown = float(history.max()).hex(), zlib.crc32(history.tobytes()), history.shape
    history[:] = -1.0  # it is the caller's
    return shown


KEYS: dict[str, Callable[[Any], Any]] = {
    "model": lambda model: model,
    "id": id,
    "hash": hash,
    "general": lambda model: model.general,
    "environment": lambda model: model.environment,
    "id of environment": lambda model: id(model.environment),
    "object": lambda model: model["Line01"],
    "own class": lambda model: classes(api()).MyModel(model),
    "another wrapper": lambda model: api().Model(handle=model.handle),
    "by hand": lambda model: _by_hand(model["Line01"]),
}


def ask(now: Now, how: str, name: str, variable: str) -> Any:
    """A time history of an object, reached in one of many ways."""
    return _peak(REACHED[how](now.model, name), variable)


def ask_cached(now: Now, key: str, how: str, name: str, variable: str) -> Any:
    """The same, remembered under something of the model's."""
    place = (KEYS[key](now.model), name, variable)
    if place not in now.state.known:
        now.state.known[place] = _peak(REACHED[how](now.model, name), variable)
    return now.state.known[place]


def ask_lru(now: Now, name: str, variable: str) -> Any:
    """The same, by `lru_cache`."""
    if now.state.cached is None:

        @functools.lru_cache(maxsize=None)  # noqa: UP033 - as users write it
        def history(model: Any, name: str, variable: str) -> Any:
            return _peak(model[name], variable)

        now.state.cached = history
    return now.state.cached(now.model, name, variable)


def ask_graph(now: Now, how: str, name: str, variable: str) -> Any:
    """A range graph, twice; the caller spoils the first."""
    first = REACHED[how](now.model, name).RangeGraph(variable, None)
    text = first.Max.tobytes()
    first.Max[:] = 0.0
    return zlib.crc32(text), REACHED[how](now.model, name).RangeGraph(variable, None).Max.tobytes() == text


def ask_table(now: Now, name: str) -> Any:
    """Several histories at once, and the times."""
    table = now.model[name].TimeHistory(["X", "Y"], (0.0, 5.0), api().oeEndA)
    return table.shape, zlib.crc32(np.ascontiguousarray(table).tobytes()), now.model.SampleTimes(None).size


def ask_linked(now: Now, name: str) -> Any:
    """Linked statistics."""
    return now.model[name].LinkedStatistics(["X", "Y"], None, api().oeEndA).Query("X", "Y").asDict()


def look(now: Now) -> Any:
    """States, times, names, numbers."""
    model = now.model
    return (
        int(model.state),
        model.simulationComplete,
        model.simulationStopTime,
        len(model),
        sorted(model.keys()),
        "Line02" in model,
        model.general.name,
        str(model.environment),
        repr(model["Line01"]),
        model.environment.RefCurrentSpeed,
        now.file.name == Path(model.latestFileName).name,
    )


def compare(now: Now) -> Any:
    """What is equal within a file, whatever class it has."""
    model, mine = now.model, classes(api())
    own, line = mine.MyModel(model), model["Line01"]
    return (
        own == model,
        hash(own) == hash(model),
        _by_hand(line) == line == model["line01"],
        hash(_by_hand(line)) == hash(line),
        model.general == own.general,
        line != model["Line02"],
        model != 3,
        line == model,
        isinstance(line, api().OrcaFlexLineObject),
        hasattr(model, "nonsense"),
    )


def second_model(now: Now, name: str) -> Any:
    """A model of the function's own, beside the batch's; it is changed and dropped."""
    other = api().Model(str(now.file), threadCount=1)
    other[name].name = "Elsewhere"
    found = other == now.model, sorted(set(other.keys()) - set(now.model.keys())), _peak(other["Elsewhere"], "X")
    return found, _peak(now.model[name], "X")


# --- changing -------------------------------------------------------------------------------------------------------


def rename(now: Now, how: str, name: str) -> Any:
    """An object gets another name."""
    REACHED[how](now.model, name).name = "Renamed"
    return now.model["Renamed"].name, sorted(now.model.keys())


def select(now: Now, how: str, current: str) -> Any:
    """Environment data, through an object of any class."""
    environment = now.model.environment
    if how != "by name":
        environment = classes(api()).MyObject(environment.modelHandle, environment.handle, environment.type)
    with environment.dataChange():
        environment.SelectedCurrent = current
    return now.model.environment.RefCurrentSpeed


def reset(now: Now, how: str) -> Any:
    """The simulation is thrown away, or all of the model, or another file's is loaded."""
    through, _, deed = how.partition("/")
    model = now.model if through == "model" else KEPT[through](now.model)
    if deed == "load":
        model.LoadSimulation(str(now.file.with_name(now.file.name.replace(now.file.stem[-1] + ".sim", "0.sim"))))
    else:
        getattr(model, deed)()
    return int(now.model.state), len(now.model)


def misspell(now: Now, name: str) -> Any:
    """An attribute that OrcFxAPI's model does not have."""
    seen = getattr(now.model, "batchProgressHandler", "?")
    now.model.batchProgressHandler = len
    setattr(now.model, name, 1)
    return seen


def leave(now: Now, what: str) -> Any:
    """Something set on the model that outlasts a file."""
    seen = now.model.threadCount, now.model.progressHandler is None
    if what == "threads":
        now.model.threadCount = 3
    else:
        now.model.progressHandler = lambda *_: None
    return seen


def hook(now: Now, name: str) -> Any:
    """A class hook, added and taken out while the file is open; its class answers in a unit that changes meanwhile."""
    mine = classes(api()).Hooked
    before = now.model[name]

    def line_class(kind: Any, base: type) -> type:
        return mine if kind == api().ObjectType.Line else base

    api().Model.addOrcaFlexObjectClassHook(line_class)
    try:
        during = now.model[name]
        peaks = []
        for _LOCAL.unit in (1.0, 2.0, 1.0):
            peaks += [_peak(during, "X"), _peak(now.model[name], "X")]
        return isinstance(during, mine), during.name, during == before, peaks
    finally:
        _LOCAL.unit = 1.0
        api().Model.removeOrcaFlexObjectClassHook(line_class)


# --- keeping --------------------------------------------------------------------------------------------------------

KEPT: dict[str, Callable[[Any], Any]] = {
    "model": lambda model: model,
    "wrapper": lambda model: api().Model(handle=model.handle),
    "own class": lambda model: classes(api()).MyModel(model),
    "environment": lambda model: model.environment,
    "general": lambda model: model.general,
    "line": lambda model: model["Line01"],
    "by hand": lambda model: _by_hand(model["Line01"]),
    "raw": lambda model: _raw(model, model["Line01"]),
    "own environment": lambda model: classes(api()).MyObject(
        model.handle, model.environment.handle, model.environment.type
    ),
    "listed": lambda model: model.objects[-1],
}
USES: dict[str, Callable[[Any], Any]] = {
    "read": lambda kept: kept.handle,
    "no such": lambda kept: kept.nonsense,
    "write": lambda kept: setattr(kept, "name", "Written"),
    "call": lambda kept: kept.SampleTimes(None),
    "text": str,
    "data": lambda kept: kept.name if hasattr(kept, "name") else kept.state,
    "ask": lambda kept: (kept["Line01"] if isinstance(kept, api().Model) else kept).TimeHistory("X", None, None),
    "group": lambda kept: kept.groupFirstChild,
    "clear": lambda kept: kept.Clear() if isinstance(kept, api().Model) else kept.SetData("Name", 0, "Written"),
}


def keep(now: Now, what: str) -> None:
    """A model or object stays in a list."""
    now.state.kept.append((str(now.file), KEPT[what](now.model)))


def use_kept(now: Now, how: str) -> Any:
    """What stayed from earlier files, used: in a batch each one has to raise the one error, of its own file."""
    from orcabatch.errors import FileReleased

    for file, kept in now.state.kept:
        if file == str(now.file) or now.plain:
            continue
        try:
            answer = USES[how](kept)
        except FileReleased as error:
            if error.file != file:
                return f"it was {file}, not {error.file}"
        else:
            return f"{kept!r} answered {answer!r}"
    return "refused"


def compare_kept(now: Now) -> Any:
    """What stayed from earlier files equals nothing of this one, nor does it hash alike."""
    model = now.model
    mine = [model, model.general, model.environment, model["Line01"], classes(api()).MyModel(model)]
    kept = [each for file, each in now.state.kept if file != str(now.file)]
    return any(each == own or own == each or hash(each) == hash(own) for own in mine for each in kept)


# --- ending ---------------------------------------------------------------------------------------------------------


def _raising(make: Callable[[Now], BaseException]) -> Callable[[Now], Any]:
    def end(now: Now) -> None:
        raise make(now)

    return end


def _with_a_cause(now: Now) -> None:
    try:
        now.model["Nobody"]
    except KeyError as error:
        raise OSError(5, "input or output") from error


ENDS: dict[str, Callable[[Now], Any]] = {
    "ValueError": _raising(lambda now: ValueError(f"no luck with {now.model['Line01'].name}\nat all")),
    "PermissionError": _raising(lambda now: PermissionError(13, "not for you", "some.csv")),
    "MemoryError": _raising(lambda now: MemoryError()),
    "TimeoutError": _raising(lambda now: TimeoutError("too long")),
    "StopIteration": _raising(lambda now: StopIteration(3)),
    "AssertionError": _raising(lambda now: AssertionError()),
    "Trouble": _raising(lambda now: Trouble("trouble", 3)),
    "group": _raising(lambda now: ExceptionGroup("two", [ValueError("one"), KeyError("two")])),
    "holds an object": _raising(lambda now: RuntimeError(now.model["Line01"], now.model.general)),
    "no such object": lambda now: now.model["Nobody"],
    "no such variable": lambda now: now.model["Line01"].TimeHistory("Nonsense"),
    "no such attribute": lambda now: now.model["Line01"].nonsense,
    "no such period": lambda now: now.model["Line01"].TimeHistory("X", 77, api().oeEndA),
    "no such file": lambda now: (now.file.parent / "nowhere.txt").read_text(),
    "no simulation": lambda now: api().Model(__file__),
    "a cause": _with_a_cause,
}


@dataclass
class Row:
    """A user's own record."""

    name: str
    of: Any


HIDDEN: dict[str, Callable[[Now], Any]] = {
    "model itself": lambda now: now.model,
    "line itself": lambda now: now.model["Line01"],
    "in a list": lambda now: [1.0, [now.model]],
    "in a tuple": lambda now: (1.0, now.model.environment),
    "in a set": lambda now: {now.model["Line01"]},
    "as a key": lambda now: {now.model["Line01"]: 1.0},
    "in a dictionary": lambda now: {"a": {"b": KEPT["own class"](now.model)}},
    "in a record": lambda now: [Row("x", KEPT["by hand"](now.model))],
    "in a namespace": lambda now: SimpleNamespace(of=now.model.general),
    "in a table": lambda now: _table(now.model["Line01"]),
    "a method": lambda now: now.model["Line01"].TimeHistory,
    "partial": lambda now: functools.partial(max, key=now.model),
}


def _table(target: Any) -> Any:
    import pandas as pd

    return pd.DataFrame({"x": [1.0, 2.0], "of": [None, target]})


# --- drawing --------------------------------------------------------------------------------------------------------

_DEEDS = [f"{how}/{deed}" for how in ("model", "wrapper", "own class") for deed in ("Reset", "Clear", "load")]
STEPS: dict[str, Callable[..., Any]] = {
    "ask": ask,
    "cached": ask_cached,
    "lru": ask_lru,
    "graph": ask_graph,
    "table": ask_table,
    "linked": ask_linked,
    "look": look,
    "compare": compare,
    "second model": second_model,
    "rename": rename,
    "select": select,
    "reset": reset,
    "misspell": misspell,
    "leave": leave,
    "hook": hook,
    "keep": keep,
    "use": use_kept,
    "compare kept": compare_kept,
}
_ARGUMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "ask": (tuple(REACHED), LINES, VARIABLES),
    "cached": (tuple(KEYS), tuple(REACHED), LINES, VARIABLES),
    "lru": (LINES, VARIABLES),
    "graph": (tuple(REACHED), LINES, VARIABLES),
    "table": (LINES,),
    "linked": (LINES,),
    "second model": (LINES,),
    "rename": (tuple(REACHED), LINES),
    "select": (("by name", "by hand"), ("Current1", "Current2", "Nothing")),
    "reset": (tuple(_DEEDS),),
    "misspell": (("typo", "Handle", "_memory2"),),
    "leave": (("threads", "handler"),),
    "hook": (LINES,),
    "keep": (tuple(KEPT),),
    "use": (tuple(USES),),
}
_OFTEN = ("ask", "cached", "cached", "lru", "graph", "look", "keep", "use", "use", "compare kept", "rename", "select")
_SELDOM = ("table", "linked", "compare", "second model", "reset", "misspell", "leave", "hook")


def drawn(seed: int, count: int) -> list[Program]:
    """So many programs; every kind of end and every step is among a hundred of them."""
    draw = random.Random(seed)
    ends = ["value", "value", *ENDS, *HIDDEN]
    return [_program(draw, ends[number % len(ends)]) for number in range(count)]


def _program(draw: random.Random, end: str) -> Program:
    names = [draw.choice(_OFTEN if draw.random() < 0.75 else _SELDOM) for _ in range(draw.randint(2, 9))]
    steps = tuple((name, *(draw.choice(choices) for choices in _ARGUMENTS.get(name, ()))) for name in names)
    return Program(steps, end, tuple(sorted(draw.sample(range(CASES), draw.randint(1, CASES)))))
