"""What digitalmodel wastes is left out, its results stay: the stand-ins, when they are there, and what is counted."""

from __future__ import annotations

import copy
import inspect
import shutil
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import orcabatch
from dm_proof.configurations import CASES, break_files, configuration, drawn_configurations, write_files
from dm_proof.harness import contents, with_output
from orcabatch import simulated
from orcabatch.digitalmodel.fast_paths import Curves, Names, ObjectTable, Row, completed, fast_paths
from orcabatch.digitalmodel.installed import Installation, find_installation
from orcabatch.digitalmodel.questions import questions_of

pd = pytest.importorskip("pandas", reason="the tables are pandas'")
pytest.importorskip("digitalmodel", reason="digitalmodel itself is called: install orcabatch[digitalmodel]")

BASE = ["fe_filename", "run_status", "start_time", "stop_time", "description", "statistic"]
FIRST = ["/a/b.sim", "SimulationStopped", 0.0, 60.0, None, None]
VALUES = st.one_of(
    st.floats(),
    st.floats().map(np.float64),
    st.none(),
    st.integers(-(2**70), 2**70),
    st.booleans(),
    st.text(max_size=3),
    st.sampled_from([np.float32(0.5), np.int64(3), [1.0], (1, 2), np.array([1.0, 2.0]), {}, pd.NaT, "2024-01-01"]),
)
LABELS = st.sampled_from(["a", "b", "c", "d", "e", "statistic", "stop_time", 7, ("x", "y")])


@pytest.fixture(scope="module", autouse=True)
def orcaflex() -> Iterator[None]:
    simulated.install()
    yield
    simulated.uninstall()


@pytest.fixture(scope="module")
def installation(orcaflex: None) -> Installation:
    return find_installation()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_files(tmp_path_factory.mktemp("sims"))


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return break_files(tmp_path_factory.mktemp("broken"))


def section(*, broker: bool) -> dict[str, Any]:
    return {
        "executor": "serial",
        "broker": {"enabled": broker},
        "ledger": {"enabled": False},
        "monitoring": {"export_metrics": False},
    }


def structure(frame: Any) -> list[tuple[tuple[int, ...], str]]:
    """Which columns share a block: it decides the types of columns when files are put together."""
    return [(tuple(block.mgr_locs), str(block.dtype)) for block in frame._mgr.blocks]


def filled(table: Any, added: list[tuple[Any, Any]]) -> list[str]:
    """Add columns as digitalmodel does; the errors on the way."""
    errors = []
    for label, value in added:
        try:
            table[[label]] = [value]
        except (ValueError, TypeError, KeyError) as error:
            errors.append(f"{type(error).__name__}: {error}")
    return errors


@given(added=st.lists(st.tuples(LABELS, VALUES), max_size=12))
@example(added=[("a", 1.5), ("b", None), ("a", 2), ("statistic", 3.0), ("c", True), ("d", "text"), ("b", 1.0)])
def test_a_row_is_what_single_inserts_make_of_it(added: list[tuple[Any, Any]]) -> None:
    """Values, types, order, blocks and errors: for any values, double labels, and labels of the first columns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain, row = pd.DataFrame([FIRST], columns=BASE), Row(pd, [FIRST], BASE)
        assert filled(row, added) == filled(plain, added)
        ours = completed({"g": row})["g"]
    assert type(ours) is pd.DataFrame
    pd.testing.assert_frame_equal(ours, plain, check_exact=True)
    assert structure(ours) == structure(plain)


def test_a_row_answers_like_the_table_it_becomes() -> None:
    """Whoever reads it half-way gets the real table; what comes later still lands in it."""
    row = Row(pd, [FIRST], BASE)
    row[["a"]] = [1.0]
    assert row.shape == (1, len(BASE) + 1)
    row[["b"]] = [2.0]
    assert list(row.frame()["b"]) == [2.0]


CURVES = st.one_of(
    st.lists(st.floats(), max_size=4).map(np.array),
    st.lists(st.floats(), min_size=2, max_size=2).map(np.array),
    st.just(np.arange(4.0)[::2]),
    st.just(np.arange(2)),
    st.lists(st.floats(0, 9), min_size=2, max_size=2),
    st.just(1.5),
)


@given(first=CURVES, second=CURVES, third=st.none() | CURVES)
@example(first=np.array([1.0, np.nan, 3.0]), second=np.array([0.1, np.nan, 0.3]), third=None)
@example(first=np.array([]), second=np.array([1.0, 2.0]), third=None)
@example(first=np.array([1.0, 2.0]), second=np.array([1.0, 4.0]), third=[1.0, 2.0])
def test_curves_give_what_a_table_of_them_gives(first: Any, second: Any, third: Any) -> None:
    """Largest, smallest and mean value to the bit, the values one by one, and the errors."""

    def made(table: Any) -> list[Any]:
        try:
            table["X"] = first
            table["Tension"] = second
            got = [repr(value) for value in table["Tension"]]
            if third is not None:
                table["Tension"] = third
            got += [repr(getattr(table["Tension"], what)()) for what in ("max", "min", "mean")]
        except (ValueError, TypeError, KeyError) as error:
            return [type(error), str(error)]
        return [*got, list(table.columns), table.shape]

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert made(Curves(pd)) == made(pd.DataFrame())


def test_the_table_of_objects_gives_names_and_is_made_for_whoever_wants_more() -> None:
    """Looking for a name makes no table."""
    made = []

    def table() -> Any:
        made.append(pd.DataFrame({"ObjectName": ["x"], "ObjectType": [5]}))
        return made[-1]

    stand_in = ObjectTable(["x"], table)
    assert list(stand_in["ObjectName"]) == ["x"]
    assert not made
    assert list(stand_in["ObjectType"]) == [5]
    assert stand_in.shape == (1, 2)


def test_names_are_listed_again_when_the_model_has_other_objects() -> None:
    """The same list of objects is read once, another one anew."""
    names, first = Names(), (SimpleNamespace(name="a"), SimpleNamespace(name="b"))
    assert names.of(first) is names.of(first)
    assert names.of(first) == ["a", "b"]
    assert names.of((SimpleNamespace(name="c"),)) == ["c"]


def replaced(installation: Installation) -> list[bool]:
    """Whether something of ours is on digitalmodel: the tables of objects of both modules, the summary's pandas."""
    summary, series = (inspect.getmodule(type(each)) for each in (installation.summary, installation.series))
    return [
        "get_model_objects" in vars(summary.of_objects),
        "get_model_objects" in vars(series.of_objects),
        vars(summary)["pd"] is not pd,
    ]


def test_what_is_put_on_digitalmodel_is_taken_off_with_the_last_user(installation: Installation) -> None:
    """Two files at once: after the first one ended all is still there, after the second nothing is."""
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with fast_paths(installation):
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    with fast_paths(installation):
        thread.start()
        assert inside.wait(60)
    assert replaced(installation) == [True, True, True]
    leave.set()
    thread.join()
    assert replaced(installation) == [False, False, False]


def test_nothing_stands_in_for_other_threads(installation: Installation) -> None:
    """digitalmodel used on its own beside a batch gets its tables."""
    summary = inspect.getmodule(type(installation.summary))
    got: list[Any] = []
    with fast_paths(installation):
        assert type(summary.pd.DataFrame()) is not pd.DataFrame
        thread = threading.Thread(target=lambda: got.append(summary.pd.DataFrame()))
        thread.start()
        thread.join()
    assert type(got[0]) is pd.DataFrame


def test_an_untested_digitalmodel_is_left_alone(installation: Installation) -> None:
    """One changed source, and nothing is replaced nor foretold."""
    edited = replace(installation, hashes={**installation.hashes, f"{installation.package}.opp_summary": "0" * 64})
    with fast_paths(edited):
        assert replaced(installation) == [False, False, False]
    on, sections = CASES["A"]
    assert not list(questions_of(configuration([], Path(), *on, **sections), edited))


def test_a_failing_file_leaves_nothing_behind(installation: Installation) -> None:
    """An exception takes everything off too."""
    with pytest.raises(KeyError), fast_paths(installation):
        raise KeyError("a column without a name")
    assert replaced(installation) == [False, False, False]


HISTORIES = [
    {
        "Command": "TimeHistory",
        "ObjectName": f"Line0{1 + i // 2}",
        "Variable": variable,
        "Label": f"{variable} {end} {i}",
        "objectExtra": [end],
        "SimulationPeriod": [None, None],
        "Statistic_Type": ("Max", "Min")[i % 2],
    }
    for i in range(8)
    for variable in ("Effective tension", "Bend moment")
    for end in ("End A", "End B")
]
"""32 columns that ask for 16 time histories."""


@contextmanager
def counted_tables(installation: Installation) -> Iterator[list[Any]]:
    """The tables of objects that digitalmodel really makes."""
    made: list[Any] = []
    owner = type(inspect.getmodule(type(installation.summary)).of_objects)
    original = owner.get_model_objects

    def counting(self: Any, model: Any) -> Any:
        made.append(model)
        return original(self, model)

    owner.get_model_objects = counting
    try:
        yield made
    finally:
        owner.get_model_objects = original


def test_every_file_costs_one_joint_request_and_its_check_the_first_one_too(
    installation: Installation, files: list[Path], tmp_path: Path
) -> None:
    """Two log passes, one list of objects, no table of objects; digitalmodel makes a pass and a table per column."""
    groups = {"groups": [{"Label": "g", "Columns": copy.deepcopy(HISTORIES)}]}
    cfg = configuration(files, tmp_path, "summary", summary_settings=groups)
    with counted_tables(installation) as tables, simulated.counting() as count:
        result = orcabatch.run_batch(
            with_output(cfg, tmp_path / "ours"), performance=section(broker=True), progress=False
        )
    calls = count.counters.calls
    assert result.ok
    assert not tables
    assert count.counters.loads == len(files)
    assert count.counters.log_passes == 2 * len(files)
    for asked_once in ("C_GetMultipleTimeHistoriesW", "C_GetTimeHistory2W", "C_EnumerateObjectsW"):
        assert calls[asked_once] == len(files), asked_once


def test_range_graphs_cost_one_pass_each_whatever_is_made_of_them(files: list[Path], tmp_path: Path) -> None:
    """Maximum, minimum and mean of one graph: one pass; besides, the histories' joint passes, one per period."""
    on, sections = CASES["B"]
    cfg = configuration(files[:3], tmp_path, *on, **sections)
    with simulated.counting() as count:
        result = orcabatch.run_batch(
            with_output(cfg, tmp_path / "ours"), performance=section(broker=True), progress=False
        )
    assert result.ok
    # Two distinct graphs; a vessel at one instant and a support: two periods of one question each. Statics read no log.
    assert count.counters.log_passes == 3 * (2 + 2)


def test_configurations_drawn_at_random_end_the_same_with_everything_on_and_off(
    files: list[Path], broken: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broker, foretold questions and savings against none of them: the same bytes, statuses and errors."""

    def done(cfg: dict[str, Any], name: str, *, on: bool) -> list[tuple[str, str | None]]:
        with monkeypatch.context() as patched:
            if not on:
                patched.setattr(Installation, "tested", property(lambda _: False))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = orcabatch.run_batch(
                    with_output(cfg, tmp_path / name), performance=section(broker=on), progress=False
                )
        return [(outcome.status, outcome.error) for outcome in result.outcomes]

    survivors: list[int] = []

    @settings(max_examples=25, deadline=None)
    @given(drawn=drawn_configurations(), data=st.data())
    def same(drawn: tuple[tuple[str, ...], dict[str, Any]], data: Any) -> None:
        on, sections = drawn
        some = st.lists(st.sampled_from([*files, broken[1], broken[4]]), min_size=1, max_size=4, unique=True)
        for name in ("on", "off"):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
        cfg = configuration(data.draw(some), tmp_path, *on, **copy.deepcopy(sections))
        with_everything = done(cfg, "on", on=True)
        assert with_everything == done(cfg, "off", on=False)
        assert contents(tmp_path / "on") == contents(tmp_path / "off")
        survivors.append(sum(status == "ok" for status, _ in with_everything))

    same()
    assert any(survivors)


def test_what_a_configuration_asks_is_known_where_it_is_certain(installation: Installation) -> None:
    """Ends of lines, points of vessels, statics and named periods; places that depend on the object are left out."""

    def column(**more: Any) -> dict[str, Any]:
        return {"Command": "TimeHistory", "ObjectName": "Line01", "Variable": "X", "Label": "x", **more}

    certain = [
        column(objectExtra=["End A"], SimulationPeriod=[None, None]),
        column(objectExtra=["End B"], SimulationPeriod=[5]),
        column(objectExtra=["Touchdown"], SimulationPeriod="LatestWave"),
        column(Command="Static Result", objectExtra=["End A"]),
        column(ObjectName="Vessel1", Position=[1, 2, 3], SimulationPeriod=[0, 10]),
    ]
    uncertain = [
        column(SimulationPeriod=[0, 10]),
        column(objectExtra=["Section", [1]], SimulationPeriod=[0, 10]),
        column(objectExtra=["End A"], Position=[0, 0, 0], SimulationPeriod=[0, 10]),
        column(objectExtra=["End A"]),
        column(objectExtra=["End A"], SimulationPeriod="Tuesday"),
        column(objectExtra=["End A"], SimulationPeriod=[0, "x"]),
        column(objectExtra=["End A"], SimulationPeriod=[0, 10], Variable="Support Contact Clearance"),
        column(Command="GetData", Variable=["WaveHs"], objectExtra=["End A"], SimulationPeriod=[0, 10]),
        column(Command="Range Graph", objectExtra=["End A"], SimulationPeriod=[0, 10]),
    ]
    groups = {"groups": [{"Label": "g", "Columns": certain + uncertain}]}
    cfg = configuration([], Path(), "summary", summary_settings=groups)
    asked, periods = list(questions_of(cfg, installation)), sys.modules["OrcFxAPI"].PeriodNum
    assert [question.period for question in asked] == [
        (float("-inf"), float("inf")), (5.0, 5.0), int(periods.LatestWave), int(periods.StaticState), (0.0, 10.0),
    ]  # fmt: skip
    assert dict(asked[4].extra)["RigidBodyPos"][:] == [1.0, 2.0, 3.0]
