"""What a function is: everything that it carries, and what it names in its module."""

from __future__ import annotations

import functools
import logging
import os
import pickle
import re
import subprocess
import sys
import textwrap
import threading
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from orcabatch import simulated
from orcabatch.store.as_here import AsHere
from orcabatch.store.code import HOOKS, described, innermost
from orcabatch.store.values import NotStorable


def same(one, other):
    first, second = described(one), described(other)
    return (first.code, first.uses) == (second.code, second.uses)


def defined(text, name="f", module="a_script"):
    """A function of a script with this text."""
    script = ModuleType(module)
    exec(compile(textwrap.dedent(text), module, "exec", dont_inherit=True), vars(script))  # noqa: S102 - made on the spot
    return vars(script)[name]


def enclosing(value):
    return lambda model: value


def wrapped(extra):
    def decorate(function):
        @functools.wraps(function)
        def inner(model):
            return function(model) + extra

        return inner

    return decorate


class Adder:
    def __init__(self, amount):
        self.amount = amount

    def __call__(self, model):
        return self.amount

    def method(self, model):
        return self.amount


CHANGES = {
    "a constant": (lambda model: 1, lambda model: 2),
    "the type of a constant": (lambda model: 1, lambda model: 1.0),
    "true is not one": (lambda model: 1, lambda model: True),
    "the sign of a zero": (lambda model: 0.0, lambda model: -0.0),
    "an operation": (lambda model: model + 1, lambda model: model - 1),
    "a name": (lambda model: model.a, lambda model: model.b),
    "a set of constants": (lambda model: model in {1, 2}, lambda model: model in {1, 3}),
    "a function inside": (lambda model: [lambda x: x + 1], lambda model: [lambda x: x + 2]),
    "a default": (lambda model, line="a": line, lambda model, line="b": line),
    "a keyword default": (lambda model, *, line="a": line, lambda model, *, line="b": line),
    "an enclosed value": (enclosing(1), enclosing(2)),
    "an enclosed array": (enclosing(np.arange(3.0)), enclosing(np.arange(3.0) + 1e-15)),
    "an enclosed list": (enclosing([1, [2]]), enclosing([1, [3]])),
    "an enclosed set": (enclosing({1, 2}), enclosing({1, 3})),
    "an enclosed series": (enclosing(pd.Series([1.0])), enclosing(pd.Series([2.0]))),
    "an enclosed function": (enclosing(lambda x: 1), enclosing(lambda x: 2)),
    "functions in a dict": (enclosing({"a": np.max}), enclosing({"a": np.min})),
    "an enclosed pattern": (enclosing(re.compile("a")), enclosing(re.compile("b"))),
    "what a decorator encloses": (wrapped(1)(lambda model: 1), wrapped(2)(lambda model: 1)),
    "what is decorated": (wrapped(1)(lambda model: 1), wrapped(1)(lambda model: 2)),
    "what is cached": (functools.lru_cache(lambda model: 1), functools.lru_cache(lambda model: 2)),
    "a partial's argument": (functools.partial(enclosing(1), line=1), functools.partial(enclosing(1), line=2)),
    "the object of a method": (Adder(1).method, Adder(2).method),
    "a callable object": (Adder(1), Adder(2)),
    "a builtin": (functools.partial(max), functools.partial(min)),
    "numpy's functions": (functools.partial(np.add), functools.partial(np.subtract)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_function_that_differs_in_what_it_carries_is_another(change):
    """Whatever its name and version are; and each is the same as itself."""
    one, other = CHANGES[change]
    assert not same(one, other)
    assert same(one, one)
    assert same(other, other)


SCRIPT = """
    from dataclasses import dataclass
    FACTOR = 2.0
    LINES = ["Line01"]
    @dataclass
    class Config:
        depth: float = 100.0
        def scaled(self): return self.depth * 2
    CONFIG = Config(100.0)
    def deepest(value): return value + 1
    def helper(value): return deepest(value) * FACTOR
    def even(n): return n == 0 or odd(n - 1)
    def odd(n): return n != 0 and even(n - 1)
    def f(model):
        inner = [helper(line) for line in LINES]
        return inner, CONFIG.scaled(), even(4), lambda: Config(1.0)
    def unrelated(): return 1
"""


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("FACTOR = 2.0", "FACTOR = 2.5", "helper"),
        ('["Line01"]', '["Line02"]', "LINES"),
        ("value + 1", "value + 2", "helper"),
        ("n != 0", "n != 1", "even"),
        ("self.depth * 2", "self.depth * 3", "CONFIG"),
        ("CONFIG = Config(100.0)", "CONFIG = Config(101.0)", "CONFIG"),
        ("depth: float = 100.0", "depth: float = 50.0", "Config"),
    ],
)
def test_what_it_names_in_its_module_is_part_of_it(before, after, named):
    """Helpers and their helpers, constants, classes, objects; the name says where it is."""
    assert before in SCRIPT
    one, other = described(defined(SCRIPT)), described(defined(SCRIPT.replace(before, after)))
    assert one.code == other.code
    assert named in {name for name in one.uses if one.uses[name] != other.uses[name]}
    assert one.unsure == ()


def test_what_does_not_compute_changes_nothing():
    """Comments, empty lines, functions that it does not call, notes on types."""
    edited = SCRIPT.replace("def f(model):", "\n    # a comment\n\n    def f(model: object) -> list:")
    edited = edited.replace("def unrelated(): return 1", "def unrelated(): return 2\n    OTHER = 3")
    assert same(defined(SCRIPT), defined(edited))


def test_a_function_of_another_module_counts_with_its_own_code():
    """What that one names there does not: it is for the version."""
    script = "def f(model): return tool(model)"

    def using(tool_text):
        function = defined(script)
        function.__globals__["tool"] = defined(tool_text, "tool", "a_library")
        return function

    own = using("X = 1\ndef tool(model): return X")
    assert not same(own, using("X = 1\ndef tool(model): return X + 1"))
    assert same(own, using("X = 2\ndef tool(model): return X"))


REACHED = """
    import functools, types
    import numpy as np
    FACTOR = 1.0
    class Meta(type):
        kind = 1.0
        @property
        def half(cls): return 0.5
    class Kept(metaclass=Meta):
        fixed = types.MappingProxyType({"a": 3.0})
        @functools.cached_property
        def cached(self): return 2.0
    class Scaled:
        def __init__(self, function, factor):
            self.function, self.factor = function, factor
            functools.update_wrapper(self, function)
        def __call__(self, *args): return 7.0 * self.factor * FACTOR * self.function(*args)
        def same(self, *args): return self(*args)
    class Secretive:
        def __init__(self, value): self.value = value
        def __getstate__(self): return {}
    class Slotted:
        __slots__ = ("value",)
        def __init__(self, value): self.value = value
        def __reduce__(self): return Slotted, ()
    class Table(np.ndarray): pass
    TABLE = np.zeros(2).view(Table)
    TABLE.unit = 9.81
    HIDING, SLOTTED = Secretive(11.0), Slotted(12.0)
    def plain(*args): return 4.0
    def helper(): return helper.attribute
    helper.attribute = 8.0
    wrapped = Scaled(plain, 5.0)
    def f(model): return f.own, helper(), Kept.half, wrapped(), TABLE.unit, HIDING.value, SLOTTED.value
    f.own = 6.0
"""


@pytest.mark.parametrize("name", ["f", "method"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("kind = 1.0", "kind = 1.5"),
        ("return 0.5", "return 0.25"),
        ("return 2.0", "return 2.5"),
        ('"a": 3.0', '"a": 3.5'),
        ("return 4.0", "return 4.5"),
        ("(plain, 5.0)", "(plain, 5.5)"),
        ("f.own = 6.0", "f.own = 6.5"),
        ("7.0 * self", "7.5 * self"),
        ("attribute = 8.0", "attribute = 8.5"),
        ("unit = 9.81", "unit = 9.80"),
        ("FACTOR = 1.0", "FACTOR = 1.5"),
        ("Secretive(11.0)", "Secretive(11.5)"),
        ("Slotted(12.0)", "Slotted(12.5)"),
    ],
)
def test_however_it_is_reached_it_is_part_of_the_function(before, after, name):
    """Attributes of functions, metaclasses, cached properties, decorators' objects, what a class hides from pickle."""
    script = REACHED + "    def g(model): return f(model)\n    method = Scaled(g, 1.0).same\n"
    assert before in script
    one, other = (defined(text, name) for text in (script, script.replace(before, after)))
    assert same(one, one)
    assert not same(one, other)
    assert described(one).unsure == ()


UNDERSCORED = """
    import functools, pydantic
    class Getting:
        def __init__(self, function): self.function = function
        def __get__(self, one, kind): return functools.partial(self.function, one)
    class Kept:
        __factor__ = 1.0
        @functools.lru_cache
        def __getitem__(self, key): return 2.0
        @Getting
        def __float__(self): return 3.0
        __abs__ = functools.partialmethod(lambda self, value: value, 4.0)
    class Given(pydantic.BaseModel):
        slope: float = 5.0
        parts: list = pydantic.Field(default_factory=lambda: [6.0])
        _hidden: float = pydantic.PrivateAttr(7.0)
    class One:
        kind = 8.0
        def __reduce__(self): return "ONE"
    ONE = One()
    ONE.value = 9.0
    def f(model): return Kept()["a"], Given().slope, ONE.kind
"""


@pytest.mark.parametrize("value", range(1, 10))
def test_what_a_class_keeps_under_underscores_is_part_of_it(value, monkeypatch):
    """Decorated special methods, values; the defaults of pydantic's fields; what pickle only names is looked into."""

    def seen(text):
        function = defined(text)
        monkeypatch.setitem(sys.modules, "a_script", SimpleNamespace(**function.__globals__))
        function(None)  # what is written into a class when it is used changes nothing
        return described(function)

    one, other = seen(UNDERSCORED), seen(UNDERSCORED.replace(f"{value}.0", f"{value}.5"))
    assert one == seen(UNDERSCORED)
    assert one != other
    assert one.unsure == ()


@pytest.mark.parametrize(("before", "after"), [("5.0)", "5.5)"), ("7.0 *", "7.5 *"), ("FACTOR = 1", "FACTOR = 2")])
def test_a_decorators_object_counts_with_its_class_and_state(before, after):
    """Also where the decorator is of another module than the function; the name is still the function's."""

    def decorated(text):
        return defined(text, "Scaled", "tools")(defined("def plain(model): return 1.0", "plain"), 5.0)

    assert not same(decorated(REACHED), decorated(REACHED.replace("7.0 *", "7.5 *")))
    assert innermost(decorated(REACHED)).__name__ == "plain"
    assert not same(defined(REACHED, "wrapped"), defined(REACHED.replace(before, after), "wrapped"))


@pytest.mark.parametrize(
    ("script", "unsure"),
    [
        ("def helper(): return LOCK\ndef f(model): return helper()", ("LOCK",)),
        ("class C:\n    lock = LOCK\ndef f(model): return C.lock", ("C.lock",)),
        ("class C:\n    lock = LOCK\n    def __call__(self, model): return self.lock\nf = C()", ("C.lock",)),
        ("def helper(): return 1\nhelper.lock = LOCK\ndef f(model): return helper()", ("helper.lock",)),
        ("def f(model): return f.lock\nf.lock = LOCK", ("f.lock",)),
        ("X = 1\ndef f(model): return globals()['X']", ("what globals() reaches",)),
        ("X = 1\ndef helper(): return eval('X')\ndef f(model): return helper()", ("what eval() reaches",)),
        ("import numpy as np\nX = np.frompyfunc(lambda q: 1, 1, 1)\ndef f(model): return X(0)", ("X",)),
        ("def globals(): return 1\ndef f(model): return globals()", ()),
    ],
)
def test_what_has_no_form_is_said_however_it_is_reached(script, unsure):
    """Through a helper, a class, an attribute, a name that is made while it runs."""
    assert described(defined("import threading\nLOCK = threading.Lock()\n" + script)).unsure == unsure


def test_nothing_is_said_of_classes_as_engineers_write_them():
    """What Python puts into an enumeration, an abstract class, a protocol or a named tuple is no value of theirs."""
    script = """
        import abc, collections, dataclasses, enum, functools, logging, pydantic, typing
        T = typing.TypeVar("T")
        class Kind(enum.Enum):
            A = 1
        class Flags(enum.IntFlag):
            ONE = 1
        class Base(abc.ABC):
            @abc.abstractmethod
            def value(self): ...
        class Derived(Base):
            def value(self): return super().value()
        class Shape(typing.Protocol):
            def area(self) -> float: ...
        class Row(typing.NamedTuple):
            name: str = "a"
        class Box(typing.Generic[T]):
            item: T
        class Config(typing.TypedDict):
            depth: float
        @dataclasses.dataclass(frozen=True, slots=True)
        class Case:
            depth: float = 1.0
        @functools.total_ordering
        class Ordered:
            __slots__ = ("value",)
            def __lt__(self, other): return True
            half = functools.partialmethod(__lt__, 1)
        class Checked(pydantic.BaseModel):
            depth: float = pydantic.Field(1.0, gt=0.0)
            @pydantic.field_validator("depth")
            @classmethod
            def rounded(cls, depth): return round(depth)
        @pydantic.dataclasses.dataclass
        class Plain:
            depth: float = 1.0
        Pair = collections.namedtuple("Pair", "a b", defaults=[1])
        LOG = logging.getLogger("a")
        @functools.lru_cache
        def cached(value): return value
        def f(model):
            LOG.info("%s", cached(1))
            return Kind, Flags, Derived, Shape, Row, Box, Config, Case, Ordered, Checked, Plain, Pair, Kind.A, Flags.ONE
    """
    assert described(defined(script)).unsure == ()


TRAVELLING = {
    "a masked array": np.ma.array([1.0, 2.0], mask=[False, True]),
    "a column": pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}, index=pd.date_range("2020", periods=2, tz="UTC"))["b"],
    "a view": np.arange(12).reshape(3, 4)[::2, 1:],
    "a pattern and a set": [re.compile("a"), {re.compile("b"), (1, 2)}],
}


@pytest.mark.parametrize("value", TRAVELLING.values(), ids=TRAVELLING)
def test_what_travels_by_its_value_is_there_as_it_is_here(value):
    """Though pickle may give it another form: it is the same value."""
    assert pickle.loads(pickle.dumps(AsHere(functools.partial(hooked, base=value)))).differing() == ()  # noqa: S301 - made here


def hooked(kind, base):
    return base


def test_classes_hooked_into_orcaflex_are_part_of_every_function():
    """They change what its models answer; those of orcabatch itself do not."""
    simulated.install()
    try:
        import OrcFxAPI

        before = described(wrapped(1))
        OrcFxAPI.Model.addOrcaFlexObjectClassHook(hooked)
        try:
            assert set(described(wrapped(1)).uses) - set(before.uses) == {HOOKS}
        finally:
            OrcFxAPI.Model.removeOrcaFlexObjectClassHook(hooked)
    finally:
        simulated.uninstall()


KINDS = ["lock", "open file", "generator", "list of a lock"]


@pytest.mark.parametrize("value", [threading.Lock(), sys.stdout, (x for x in ()), [threading.Lock()]], ids=KINDS)
def test_what_it_carries_without_an_exact_form_leaves_it_without_one(value):
    """In a default, enclosed, given by a partial, in a method's object: the message says where."""

    def with_default(model, thing=value):
        return thing

    with pytest.raises(NotStorable, match="its default value `thing`"):
        described(with_default)
    with pytest.raises(NotStorable, match="its enclosed value `value`"):
        described(enclosing(value))
    for carrier in (functools.partial(enclosing(1), value), Adder(value).method, Adder(value)):
        with pytest.raises(NotStorable):
            described(carrier)


def test_what_it_only_names_without_an_exact_form_is_said():
    """The rest of what it names counts all the same; a logger is its name."""
    function = defined("def f(model): return LOCK, LOG, FACTOR")
    function.__globals__.update(LOCK=threading.Lock(), LOG=logging.getLogger("a"), FACTOR=2)
    seen = described(function)
    assert seen.unsure == ("LOCK",)
    assert set(seen.uses) == {"LOG", "FACTOR"}


def test_something_without_a_form_has_none_wherever_it_is_met_again():
    """Met first where it may be left out, and then where it may not."""
    lock = threading.Lock()

    def helper():
        return lock

    script = defined("def f(model, thing=None): return HOLDER, thing")
    script.__globals__.update(HOLDER=SimpleNamespace(lock=lock))
    assert described(script).unsure == ("HOLDER",)
    script.__defaults__ = (SimpleNamespace(first=helper, lock=lock),)
    with pytest.raises(NotStorable):
        described(script)


def test_objects_that_refuse_to_be_looked_at_have_no_form():
    """A user's object may raise anything."""

    class Odd:
        def __getattribute__(self, name):
            raise RuntimeError("no")

    with pytest.raises(NotStorable):
        described(enclosing(Odd()))


def test_objects_that_hold_each_other_end():
    """A cycle is told from another one."""

    def ring(last):
        one, other = SimpleNamespace(), SimpleNamespace(last=last)
        one.other, other.one = other, one
        return enclosing(one)

    assert same(ring(1), ring(1))
    assert not same(ring(1), ring(2))
    deep = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(NotStorable):
        described(enclosing(deep))


def test_a_decorated_function_is_found_inside():
    """Its name is the engineer's own."""

    @functools.lru_cache
    def named(model):
        return 1

    assert innermost(functools.partial(functools.partial(named), 1)).__name__ == "named"
    assert innermost(Adder(1).method).__name__ == "method"
    assert isinstance(innermost(Adder(1)), Adder)


def test_constants_of_orcaflex_have_a_form_and_models_have_none():
    """The end of a line is a name, whatever it is in memory; a model's handle says nothing."""
    simulated.install()
    try:
        import OrcFxAPI as ofx  # noqa: N813 - as engineers call it

        def at(end, period=ofx.PeriodNum.WholeSimulation):
            return lambda model, end=end: (end, period)

        assert same(at(ofx.oeEndA), at(ofx.oeEndA))
        assert not same(at(ofx.oeEndA), at(ofx.oeEndB))
        assert not same(at(ofx.oeEndA), at(ofx.oeEndA, ofx.PeriodNum.LatestWave))
        with pytest.raises(NotStorable):
            described(at(ofx.oeArcLength(30.0)))
        for held in (ofx.Model(), ofx.Model().environment):
            with pytest.raises(NotStorable, match="belongs to a model"):
                described(enclosing(held))
    finally:
        simulated.uninstall()


def test_the_form_is_the_same_in_every_process(tmp_path):
    """Whatever the order of sets is there."""
    (tmp_path / "a_script.py").write_text(
        textwrap.dedent(SCRIPT)
        + "NAMES = {'a', 'b', 'c', 'd'}\nimport numpy\n"
        + "import pydantic\nclass Given(pydantic.BaseModel):\n    slope: float = 5.0\n"
        + "def g(model, names=frozenset(NAMES)): return Given, NAMES, numpy, f, model in {'x', 'y', 'z'}\n"
    )
    program = (
        "import a_script; from orcabatch.store.code import described\n"
        "seen = described(a_script.g); print(seen.code.hex(), sorted(seen.uses.items()), seen.unsure)"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(tmp_path)},
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(said) == 1
    assert b"()" in said.pop()


def test_an_enclosed_name_without_a_value_yet_has_a_form():
    """A function that encloses itself, and a name that was never set."""

    def outer():
        def again(model):
            return again, later

        if again is None:
            later = 1
        return again

    assert same(outer(), outer())
