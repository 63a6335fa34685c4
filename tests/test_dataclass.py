"""`orcabatch.dataclass` is the standard library's in all that anybody sees, and every room of a run uses it."""

from __future__ import annotations

import ast
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcabatch.dataclass import dataclass

SOURCES = Path(__file__).parents[1] / "src" / "orcabatch"


class Plain:
    """What both make a class of."""

    first: Any
    second: Any = 2
    shown: Any = field(default=3, compare=False)
    compared: Any = field(default_factory=list, repr=False)


def both(*, frozen: bool) -> tuple[type, type]:
    """A class made here, and the same one made by the standard library."""
    return tuple(
        make(frozen=frozen, slots=True)(type("Made", (), dict(vars(Plain))))
        for make in (dataclass, dataclasses.dataclass)
    )


VALUES = st.one_of(st.integers(0, 2), st.just(float("nan")), st.tuples(st.integers(0, 1)), st.just([1]))
FROZEN = pytest.mark.parametrize("frozen", [True, False])


@FROZEN
@given(one=st.lists(VALUES, min_size=1, max_size=4), other=st.lists(VALUES, min_size=1, max_size=4))
def test_objects_are_compared_shown_and_hashed_as_the_standard_ones(frozen, one, other):
    """NaN equals itself where it is the same object, and a list cannot be hashed, here as there."""
    here, there = ((made(*one), made(*other)) for made in both(frozen=frozen))
    assert (here[0] == here[1]) is (there[0] == there[1])
    assert repr(here[0]).rpartition(".")[2] == repr(there[0]).rpartition(".")[2]
    for mine, standard in zip(here, there, strict=True):
        try:
            expected = hash(standard)
        except TypeError:
            with pytest.raises(TypeError, match="unhashable"):
                hash(mine)
        else:
            assert hash(mine) == expected


@FROZEN
def test_objects_of_different_classes_are_never_equal(frozen):
    """Whatever they hold."""
    mine, standard = (made(1) for made in both(frozen=frozen))
    assert mine != standard
    assert mine.__eq__(standard) is NotImplemented


def test_a_frozen_one_stays_as_it_is():
    """Neither set nor deleted; a copy with another value is made by `replace`."""
    mine, _ = both(frozen=True)
    made = mine(1)
    with pytest.raises(FrozenInstanceError):
        made.first = 2
    with pytest.raises(FrozenInstanceError):
        del made.first
    assert dataclasses.asdict(dataclasses.replace(made, second=7)) == {
        "first": 1, "second": 7, "shown": 3, "compared": [],
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kept:
    """Defines what would be made, and can be found by its name."""

    value: Any

    def __repr__(self) -> str:
        return "kept"

    def __hash__(self) -> int:
        return 5


@dataclass(slots=True, eq=False)
class Itself:
    """Equal to itself alone."""

    value: Any


def test_what_a_class_defines_itself_is_kept():
    """What shows and hashes; it is compared all the same, also after a way through a pipe."""
    assert (repr(Kept(1)), hash(Kept(1)), Kept(1) == Kept(1), Kept(1) == Kept(2)) == ("kept", 5, True, False)
    assert pickle.loads(pickle.dumps(Kept([1]))) == Kept([1])  # noqa: S301 - its own


def test_without_eq_an_object_is_itself():
    """As a key, too."""
    one, other = Itself(1), Itself(1)
    assert len({one: 1, other: 2}) == 2
    assert one != other


def test_an_object_that_holds_itself_can_be_shown():
    """As the standard library's."""
    one = Itself(None)
    one.value = one
    assert repr(one) == "Itself(value=...)"


def test_every_room_makes_its_classes_here():
    """But the simulated OrcaFlex, which knows nothing of orcabatch, and `bench`, which is not a part of the library."""
    standard = {
        path.relative_to(SOURCES).parts[0]
        for path in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (isinstance(node, ast.ImportFrom) and node.module == "dataclasses")
        and "dataclass" in {each.name for each in node.names}
    }
    assert standard == {"bench", "simulated"}


def test_classes_share_what_shows_and_compares_them():
    """What is compiled for each of them again is what makes an object, and what keeps it frozen."""
    one, other = both(frozen=True)[0], Kept
    assert one.__eq__.__code__ is other.__eq__.__code__
    assert one.__repr__ is Itself.__repr__
