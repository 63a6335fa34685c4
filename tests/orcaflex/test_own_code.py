"""Code of the user's in the place of OrcFxAPI's is called as in a plain loop: the broker never answers for it."""

from __future__ import annotations

import contextlib
import functools

import pytest

from orcabatch.orcaflex.broker.hook import Hook
from orcabatch.orcaflex.owners import Owners
from orcaflex.driving import broker, run, values

# Names of methods are OrcFxAPI's.
# ruff: noqa: N802

TENSION, BEND = "Effective tension", "Bend moment"


@contextlib.contextmanager
def hooked(module, choose):
    """A class hook of the user's, given as `choose(kind, base)`."""
    module.Model.addOrcaFlexObjectClassHook(choose)
    try:
        yield
    finally:
        module.Model.removeOrcaFlexObjectClassHook(choose)


@contextlib.contextmanager
def replaced(owner, name, wrap):
    """`owner.name` replaced by `wrap(what stood there)`."""
    original = vars(owner)[name]
    setattr(owner, name, wrap(getattr(original, "__func__", original)))
    try:
        yield
    finally:
        setattr(owner, name, original)


def histories(module, model):
    """Enough to be foreseen: eight lines, and six variables of the vessel."""
    extra = module.oeVessel((0.0, 0.0, 0.0))
    out = [float(model[f"Line0{n}"].TimeHistory(TENSION, None, module.oeEndA).max()) for n in range(1, 9)]
    degrees = ("Surge", "Sway", "Heave", "Roll", "Pitch", "Yaw")
    out += [float(model["Vessel1"].TimeHistory(name, None, extra).max()) for name in degrees]
    line = model["Line01"]
    out.append(float(line.StaticResult(TENSION, module.oeEndA)))
    out.append(float(line.LinkedStatistics([TENSION, BEND], None, module.oeEndA).Query(TENSION, BEND).ValueAtMax))
    out.append(float(line.RangeGraph(TENSION).Max.max()))
    out.append(line.TimeHistory((TENSION, BEND), None, module.oeEndA).tobytes())
    return [*out, float(model.SampleTimes()[0]), [item.name for item in model.objects], line.typeName]


def same_as_plain(module, files, function):
    """Whether every file's value is the loop's, whichever joint answer is drawn; the last run's results."""
    plain = values(run(files, function))
    for draw in (lambda count: 0, lambda count: count - 1):
        results = run(files, function, broker(module, draw=draw))
        assert values(results) == plain
        assert [report.mismatch for *_, report in results] == [""] * len(files)
    return results


def test_all_that_answers_is_orcfxapis_own_where_nobody_changed_it(orcaflex):
    """Every guard says yes for every class of OrcFxAPI's and for its `Model`."""
    hook, owners = Hook.of(orcaflex), Owners.of(orcaflex)
    owners.acquire()
    hook.acquire()
    try:
        classes = [
            hook(None, kind)
            for kind in tuple(vars(orcaflex).values())
            if isinstance(kind, type) and issubclass(kind, orcaflex.OrcaFlexObject)
        ]
        made = [kind.__new__(kind) for kind in classes]
        assert len(made) > 5
        assert all(guard(target) for target in made for guard in type(target)._broker_guards.values())
    finally:
        hook.release()
        owners.release()


def test_a_class_of_the_users_that_changes_one_variable_is_asked_singly(orcaflex, sims, caplog):
    """Its override is called for every question, which the log says; others are asked jointly as before."""
    caplog.set_level("INFO")

    class Clockwise(orcaflex.OrcaFlexVesselObject):
        def TimeHistory(self, v, p=None, e=None):
            history = super().TimeHistory(v, p, e)
            return -history if v == "Yaw" else history

    with hooked(orcaflex, lambda kind, base: Clockwise if kind == orcaflex.otVessel else base):
        results = same_as_plain(orcaflex, sims(4), functools.partial(histories, orcaflex))
    assert all(report.used_joint_answers for *_, report in results[1:])
    said = [text for text in caplog.messages if "is not OrcFxAPI's own" in text]
    assert len(said) == 2  # once in each of two runs
    assert all(text.startswith("TimeHistory of ") and "Clockwise" in text for text in said)


@pytest.mark.parametrize("where", ["OrcaFlexObject", "OrcaFlexVesselObject"])
def test_a_replaced_method_is_called_for_every_question(orcaflex, sims, where):
    """Replaced on OrcFxAPI's class before the batch, also where OrcFxAPI itself only inherits it."""
    kind = getattr(orcaflex, where)
    original = kind.TimeHistory

    def clockwise(self, v, p=None, e=None):
        history = original(self, v, p, e)
        return -history if v == "Yaw" else history

    had = "TimeHistory" in vars(kind)
    kind.TimeHistory = clockwise
    try:
        same_as_plain(orcaflex, sims(4), functools.partial(histories, orcaflex))
    finally:
        if had:
            kind.TimeHistory = original
        else:
            del kind.TimeHistory


UNITS = {"factor": 1.0, "B": BEND}


def _history(base):
    class Mine(base):
        def TimeHistory(self, variable, p=None, extra=None, *, unit=1.0):
            return super().TimeHistory(variable, p, extra) * UNITS["factor"] * unit

    return Mine


def _graph(base):
    class Mine(base):
        def RangeGraph(self, *args):
            graph = super().RangeGraph(*args)
            graph.Max *= UNITS["factor"]
            return graph

    return Mine


def _static(base):
    class Mine(base):
        def StaticResult(self, *args):
            return super().StaticResult(*args) * UNITS["factor"]

    return Mine


def _linked(base):
    class Mine(base):
        def LinkedStatistics(self, names, *args):
            return super().LinkedStatistics(
                names, *(args if UNITS["factor"] == 1.0 else (*args[:-1], args[-1].__class__(LinePoint=1)))
            )

    return Mine


def _kind(base):
    return type("Mine", (base,), {"typeName": property(lambda self: f"{UNITS['factor']}")})


def _variable(base):
    class Mine(base):
        def varID(self, name):
            return super().varID(UNITS["B"] if name == BEND else name)

    return Mine


@pytest.mark.parametrize("body", [_history, _graph, _static, _linked, _kind, _variable])
@pytest.mark.parametrize("over", ["OrcFxAPI's class", "the class the hook was given"])
def test_what_depends_on_the_users_state_is_never_remembered(orcaflex, sims, body, over):
    """The same question under two unit systems has two answers, whichever question it is."""
    classes = {}

    def choose(kind, base):
        if kind != orcaflex.otLine:
            return base
        base = orcaflex.OrcaFlexLineObject if over.startswith("Orc") else base
        if base not in classes:
            classes[base] = body(base)
        return classes[base]

    def function(model):
        out = []
        for UNITS["factor"], UNITS["B"] in ((1.0, BEND), (0.5, TENSION), (1.0, BEND)):
            out.append(histories(orcaflex, model))
            out.append(float(model["Line02"].TimeHistory(BEND, None, orcaflex.oeEndA).max()))
            if body is _history:
                out.append(float(model["Line02"].TimeHistory(BEND, extra=orcaflex.oeEndA, unit=2.0).max()))
        return out

    with hooked(orcaflex, choose):
        same_as_plain(orcaflex, sims(3), function)


def test_an_object_of_a_class_of_the_users_has_its_own_state(orcaflex, sims):
    """What is noted on it is not there on the next one that the model gives out; a loop makes them anew, too."""

    class Scaled(orcaflex.OrcaFlexLineObject):
        def TimeHistory(self, *args):
            return super().TimeHistory(*args) * self.__dict__.get("scale", 1.0)

    def function(model):
        line = model["Line01"]
        out = [float(line.TimeHistory(TENSION, None, orcaflex.oeEndA).max())]
        line.__dict__["scale"] = 2.0
        again = [line, model["Line01"]]
        return out + [float(target.TimeHistory(TENSION, None, orcaflex.oeEndA).max()) for target in again]

    with hooked(orcaflex, lambda kind, base: Scaled if kind == orcaflex.otLine else base):
        same_as_plain(orcaflex, sims(2), function)


def test_a_hook_is_asked_for_every_object(orcaflex, sims):
    """It may choose by what it likes; how often it is asked is the loop's."""
    state = {"kilo": False, "asked": 0}

    class Kilo(orcaflex.OrcaFlexLineObject):
        def TimeHistory(self, *args):
            return super().TimeHistory(*args) * 1000

    def choose(kind, base):
        return Kilo if kind == orcaflex.otLine and state["kilo"] else base

    def function(model):
        out = []
        for state["kilo"] in (False, True, False):
            out.append(float(model["Line01"].TimeHistory(TENSION, None, orcaflex.oeEndA).max()))
            out.append([isinstance(item, Kilo) for item in model.objects])
            out.append(histories(orcaflex, model))
        return out

    with hooked(orcaflex, choose):
        same_as_plain(orcaflex, sims(3), function)


def _twice(original):
    return lambda *args, **kwargs: original(*args, **kwargs) * 2


REPLACED = {
    "TimeHistory": ("OrcaFlexObject", "TimeHistory", _twice),
    "StaticResult": ("OrcaFlexObject", "StaticResult", _twice),
    "varID": ("OrcaFlexObject", "varID", lambda f: lambda self, name: f(self, BEND if name == TENSION else name)),
    "SampleTimes": ("Model", "SampleTimes", lambda f: lambda self, p=None: f(self, p) + 100),
    "objects": (
        "Model",
        "objects",
        lambda f: property(lambda self: [item for item in f.fget(self) if item.name.startswith("Line")]),
    ),
    "aliases": ("Model", "__getitem__", lambda f: lambda self, name: f(self, "Line02" if name == "Line01" else name)),
    "hook": ("Model", "orcaFlexObjectClass", lambda f: staticmethod(functools.partial(f))),
    "GetMultipleTimeHistories": ("", "GetMultipleTimeHistories", _twice),
    "GetMultipleTimeHistories, wrapped": ("", "GetMultipleTimeHistories", lambda f: functools.wraps(f)(_twice(f))),
    "helper": ("HelperMethods", "TimeDomainTimeHistory", lambda f: staticmethod(_twice(f))),
    "sample times": ("HelperMethods", "TimeDomainSampleTimes", lambda f: staticmethod(_twice(f))),
    "export": ("", "_GetSampleTimes", lambda f: lambda *args: (f(*args), args[2].__iadd__(100))[0]),
    "GetData": (
        "DataObject",
        "GetData",
        lambda f: lambda self, *a: f"{f(self, *a)}!" if a[0] == "name" else f(self, *a),
    ),
    "state": ("Model", "state", lambda f: property(lambda self: "mine")),
}


@pytest.mark.parametrize("when", ["before", "in the middle"])
@pytest.mark.parametrize("what", REPLACED)
def test_what_is_replaced_is_called(orcaflex, sims, what, when):
    """On a class or on the module, before the batch or in the middle of the function, and put back again."""
    owner, name, wrap = REPLACED[what]
    place = getattr(orcaflex, owner) if owner else orcaflex

    def asked(model):
        return [histories(orcaflex, model), str(model.state)]

    def function(model):
        if when == "before":
            return asked(model)
        out = [asked(model)]
        with replaced(place, name, wrap):
            out.append(asked(model))
        return [*out, asked(model)]

    with replaced(place, name, wrap) if when == "before" else contextlib.nullcontext():
        same_as_plain(orcaflex, sims(3), function)


def test_an_answer_of_an_object_is_its_own_where_its_attribute_was_replaced(orcaflex, sims):
    """`__dict__` takes what OrcFxAPI's own `__setattr__` refuses."""

    def function(model):
        line = model["Line01"]
        out = [float(line.TimeHistory(TENSION, None, orcaflex.oeEndA).max())]
        line.__dict__["varID"] = lambda name: type(line).varID(line, BEND)
        out.append(float(line.TimeHistory(TENSION, None, orcaflex.oeEndA).max()))
        line.__dict__["TimeHistory"] = lambda *_: 7
        return [*out, line.TimeHistory(TENSION), float(model["Line02"].TimeHistory(BEND, None, orcaflex.oeEndA).max())]

    same_as_plain(orcaflex, sims(2), function)


def test_a_change_through_a_replaced_export_is_seen(orcaflex, sims):
    """An export that somebody wrapped, to log it say, changes the model as before: nothing stale is answered."""

    def function(model):
        line = model["Line01"]
        before = line.name, line.TimeHistory("X", None, orcaflex.oeEndA).tobytes()
        line.name = "Other"
        return before, line.name, "Line01" in model, [item.name for item in model.objects]

    with replaced(orcaflex, "_SetDataString", functools.partial):
        same_as_plain(orcaflex, sims(2), function)
