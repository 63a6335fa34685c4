"""What a function is: everything that it carries, and what it names in its module."""

from __future__ import annotations

import functools
import logging
import os
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
from orcabatch.batch.code import described, innermost
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
        + "def g(model, names=frozenset(NAMES)): return NAMES, numpy, f, model in {'x', 'y', 'z'}\n"
    )
    program = (
        "import a_script; from orcabatch.batch.code import described\n"
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
