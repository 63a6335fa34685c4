"""Values of files that ran at the same time: whether they share something that can be changed, in any form."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orcabatch.engine import shared_values
from orcabatch.engine.shared_values import SharedValues

FRESH: list[Callable[[], Any]] = [
    lambda: [1.5, {"a": [2]}], lambda: np.arange(3.0), lambda: np.array(["a", None], object), dict,
    lambda: np.array([[1.0]], object), lambda: pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=["p", "q"]),
    lambda: pd.DataFrame(np.ones((3, 2))), lambda: pd.DataFrame({"text": pd.Series(["a"], dtype="string")}),
    lambda: pd.DataFrame({"when": pd.date_range("2026", periods=2), "object": [{}, []]}),
]  # fmt: skip


def at_once(*rows: Any) -> set[str]:
    """The batches that share, where files of theirs with these values ran at the same time."""
    values, found = SharedValues(), set[str]()
    for index, _ in enumerate(rows):
        values.began(index)
    for index, value in enumerate(rows):
        found |= values.ended(index, f"{index}", value)
        values.left(index)
    return found


@pytest.mark.parametrize("fresh", FRESH)
def test_values_of_their_own_share_nothing(fresh: Callable[[], Any]) -> None:
    """Nor does what can never change, and what died meanwhile."""
    assert at_once(*([fresh(), "text", (1, b"b"), np.float64] for _ in range(9))) == set()
    value = fresh()
    assert at_once([value], [fresh()], {"deep": (value,)}) == {"0", "2"}


def test_shared_numbers_are_found_behind_views() -> None:
    """However they are looked at, as long as somebody can change them."""
    numbers = np.ones((4, 3))
    one_of_two = pd.DataFrame({"t": numbers[:, 0], "own": np.ones(4)}, copy=False)
    looks = [numbers[:2], numbers.T[::-1], np.frombuffer(memoryview(numbers)), pd.DataFrame(numbers, copy=False)]
    for view in (*looks, one_of_two):
        assert at_once({"own": [1.0], "view": view}, numbers[3:]) == {"0", "1"}
    numbers.setflags(write=False)
    assert at_once(looks[0], looks[1]) == {"0", "1"}, "made before"
    assert at_once(numbers[:2], numbers.T) == set()


def test_copies_of_a_table_share_nothing() -> None:
    """But its index and the names of its columns, which nobody changes."""
    table = pd.DataFrame({"a": [1.0], "b": ["x"]}, index=["p"])
    assert at_once(table.copy(), table.copy()) == set()


DERIVED: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "assign": lambda table: table.assign(z=1), "rename": lambda table: table.rename(columns={"a": "q"}),
    "columns": lambda table: table[["a"]], "rows": lambda table: table.query("a > 0"),
    "index": lambda table: table.set_index("text"),
}  # fmt: skip


@pytest.mark.parametrize("how", DERIVED)
def test_tables_made_of_one_table_share_nothing(how: str) -> None:
    """pandas copies what they look at together as soon as one of them is changed; the table itself is one, though."""
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "n": [1, 2], "text": ["x", None]})
    own = DERIVED[how]
    assert at_once([own(table)], own(table), own(table).copy(deep=False), table) == set()
    assert at_once(own(table), table, table) == {"1", "2"}
    made = own(table)
    made.iloc[:, 0] = 7.0
    assert table["a"].tolist() == [1.0, 2.0]


def test_what_tables_made_of_one_table_hold_in_cells_is_shared() -> None:
    """Nobody copies that."""
    table = pd.DataFrame({"a": [1.0], "found": [[1.0]]})
    assert at_once(table.assign(z=1), table.assign(z=2), table[["a"]]) == {"0", "1"}


def test_an_array_under_tables_is_shared() -> None:
    """Who fills it changes them all."""
    numbers = np.ones((3, 2))

    def over(*columns: str) -> pd.DataFrame:
        return pd.DataFrame(numbers, columns=list(columns), copy=False)

    assert at_once(over("a", "b"), over("a", "b"), over("p", "q").copy(deep=False)) == {"0", "1", "2"}
    table = over("a", "b")
    assert at_once([table, numbers], table.copy(deep=False), np.ones(3)) == {"0", "1"}
    assert at_once([table.copy(deep=False), table], {"raw": numbers[1:]}) == {"0", "1"}


def test_numbers_that_two_tables_look_at_are_shared_where_pandas_may_write_to_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before its third version."""
    monkeypatch.setattr(pd, "__version__", "2.2.3")
    table = pd.DataFrame({"a": [1.0]})
    assert at_once(table.copy(deep=False), table.copy(deep=False)) == {"0", "1"}


def test_what_holds_itself_is_gone_through_once() -> None:
    """It cannot be kept, and costs no other value."""
    value: list[Any] = [(), np.empty(1, object)]
    value[1][0] = value[0] = (value,)
    assert at_once(value, [1.0]) == set()


def test_of_what_cannot_be_looked_at_nobody_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """For want of memory, say: it may be shared."""

    def none(value: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(shared_values, "_parts_of", none)
    assert at_once([1.0], [2.0]) == {"0", "1"}


def test_files_one_after_the_other_share_nothing() -> None:
    """What is written down then shows every change."""
    rows, values = [1.0], SharedValues()
    for index in range(3):
        values.began(index)
        assert values.ended(index, "f", rows) == set()
        values.left(index)


def test_a_long_file_is_compared_with_all_that_ended_meanwhile() -> None:
    """It may have changed what those return that did not overlap with each other; not what ended before it began."""
    rows, values = [1.0], SharedValues()
    for index in range(3):
        values.began(index)
        if index == 1:
            values.began(9)
        assert values.ended(index, f"{index}", rows) == set()
        values.left(index)
    assert values.ended(9, "9", rows) == {"1", "2", "9"}


def test_one_that_begins_while_another_is_packed_may_have_changed_it() -> None:
    """It is no longer worked on, but what is sent is what it is then."""
    rows, values = [1.0], SharedValues()
    values.began(0)
    assert values.ended(0, "0", rows) == set()
    values.began(1)
    values.left(0)
    assert values.ended(1, "1", rows) == {"0", "1"}


def test_only_what_may_have_run_at_the_same_time_is_held() -> None:
    """Nothing of values whose files had ended before all that run now began."""
    values, rows = SharedValues(), [[[1.0]] for _ in range(20)]
    values.began(0)
    for index in range(1, 20):
        values.began(index)
        values.ended(index - 1, "f", rows[index - 1])
        values.left(index - 1)
        assert (len(values._past), len(values._met)) == (min(index, 2), 2 * min(index, 2))


def test_what_a_long_file_kept_is_forgotten_bit_by_bit() -> None:
    """Its end, on the dispatcher's thread, costs no more than that of another."""
    values, always, rows = SharedValues(), [1.0], [[[1.0]] for _ in range(100)]
    values.began(99)
    for index in (*range(9), 99, *range(10, 30)):
        values.began(index)
        before = len(values._past)
        values.ended(index, "f", [*rows[index], always])
        values.left(index)
        assert before - len(values._past) <= 1
    assert (len(values._past), len(values._met)) == (1, 3)


@pytest.mark.parametrize(
    "value", [dict, lambda: [({},)], lambda: {"a": {"deep": [{}, {}]}}, lambda: np.empty(2, object)]
)
def test_what_nobody_has_any_more_is_held_for_no_file_that_hangs(value: Callable[[], Any]) -> None:
    """The values of all files that ended meanwhile filled its worker process; what somebody has may come again."""
    values, kept, large = SharedValues(), [1.0], []
    values.began(99)
    for index in range(20):
        values.began(index)
        array = np.zeros(3)
        large.append(weakref.ref(array))
        values.ended(index, f"{index}", {"value": value(), "large": array, "kept": kept if index == 3 else 0})
        values.left(index)
        del array
    assert sum(each() is not None for each in large) <= 2
    assert len(values._past) <= 3
    assert values.ended(99, "99", (kept,)) == {"3", "99"}
