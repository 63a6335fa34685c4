"""The metrics JSON: its schema, its honesty, its file."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.making import Work, failed, outcome, run_for_real, still_probes
from orcabatch.engine.contract import RunEvent
from orcabatch.errors import OutputError
from orcabatch.monitor import PerformanceMonitor
from orcabatch.monitor.jsonable import jsonable
from orcabatch.monitor.metrics import RunRecord, build_metrics, write_metrics
from orcabatch.monitor.schema import Metrics, json_schema
from orcabatch.outcome import Cause, Status, grouped_failures
from orcabatch.results.result import failure_text

PUBLISHED = Path(__file__).parents[2] / "docs" / "metrics.schema.json"


@pytest.fixture
def metrics():
    """A small batch with everything in it."""
    monitor = PerformanceMonitor({"monitoring": {"interval": 0.05}}, probes=still_probes())
    run_for_real(monitor, Work(load=lambda: None, extract=lambda: sum(range(1000))), files=5, threads=2)
    monitor.add_outcome(failed(5))
    monitor.add_outcome(outcome(6, status=Status.SKIPPED, phases={}))
    return build_metrics(
        monitor.record(
            settings={"mode": "dynamic", "path": Path("a")},
            plan={"files": 7},
            host={"logical_cpus": 4},
            orcaflex="simulated",
            warnings=["one file is incomplete"],
            memory_budget_bytes=8 * 10**9,
        )
    )


def test_it_fits_the_schema(metrics):
    """The models forbid keys they do not know, so nothing is left out either."""
    assert Metrics.model_validate_json(json.dumps(metrics)).schema_version == 1


def test_an_empty_monitor_fits_the_schema():
    """A run that failed before its first file leaves metrics too."""
    Metrics.model_validate_json(json.dumps(build_metrics(PerformanceMonitor().record())))


def test_the_published_schema_is_the_one_of_the_code():
    """After a change: `python -m orcabatch.monitor.schema docs/metrics.schema.json`."""
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == json_schema()


def test_the_published_schema_accepts_it_and_refuses_a_wrong_one(metrics):
    """Checked by an independent validator, as a reader in another language would."""
    validator = pytest.importorskip("fastjsonschema", reason="comes with digitalmodel's dependencies")
    schema = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    schema["$schema"] = "http://json-schema.org/draft-07/schema#"
    check = validator.compile(json.loads(json.dumps(schema).replace("prefixItems", "items")))
    check(metrics)
    with pytest.raises(validator.JsonSchemaException, match="wall_s"):
        check(metrics | {"wall_s": "long"})


def test_the_five_series_stand_under_the_specifications_names(metrics):
    """As in `PerformanceMonitor.metrics`."""
    assert list(metrics["metrics"]) == [
        "file_processing_times",
        "memory_usage",
        "cpu_utilization",
        "io_wait_time",
        "thread_efficiency",
    ]
    assert len(metrics["metrics"]["file_processing_times"]) == 6


def test_phases_of_a_file_add_up_to_its_wall_time(metrics):
    """Wait, load, extract, write, clean-up (R14)."""
    for file in metrics["files"]:
        phases = [file[f"{name}_s"] for name in ("wait", "load", "extract", "write", "clean_up")]
        assert sum(phases) == pytest.approx(file["wall_s"])


def test_one_line_of_pandas_makes_a_table(metrics, tmp_path):
    """The line that the module's docstring and the documentation show."""
    pandas = pytest.importorskip("pandas", reason="comes with digitalmodel's dependencies")
    path = tmp_path / "performance_metrics.json"
    write_metrics(path, metrics)
    table = pandas.DataFrame(json.loads(path.read_text(encoding="utf-8"))["files"])
    assert table.groupby("status").size().to_dict() == {"failed": 1, "ok": 5, "skipped": 1}


def test_nan_and_infinity_become_null_and_are_named():
    """JSON has neither; a reader should learn that there was one (R32)."""
    record = RunRecord(
        series={"io_wait_time": [1.0, math.nan]}, plan={"seconds": math.inf, "more": [np.float64("nan"), np.int64(3)]}
    )
    made = build_metrics(record)
    assert made["metrics"]["io_wait_time"] == [1.0, None]
    assert made["plan"] == {"seconds": None, "more": [None, 3]}
    assert made["non_finite"] == ["metrics.io_wait_time[1]", "plan.seconds", "plan.more[0]"]


def test_the_file_is_json_that_every_reader_accepts(metrics, tmp_path):
    """No NaN, no Infinity, the same content, and nothing left beside it."""
    path = tmp_path / "with spaces ä.json"
    write_metrics(path, metrics)
    text = path.read_text(encoding="utf-8")

    def refuse(constant):
        raise AssertionError(constant)

    assert json.loads(text, parse_constant=refuse) == metrics
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_one_clear_error(metrics, tmp_path):
    """It names the file."""
    with pytest.raises(OutputError, match=r"metrics\.json"):
        write_metrics(tmp_path / "no such folder" / "metrics.json", metrics)


def test_an_interrupted_run_says_so():
    """The state of the file is the state of the run."""
    monitor = PerformanceMonitor()
    monitor.listener(RunEvent("run_started", 0.0, -1, {"files": 3, "limit": 2}))
    monitor.listener(RunEvent("run_finished", 4.0, -1, {"interrupted": True}))
    assert build_metrics(monitor.record())["state"] == "interrupted"


def test_the_event_log_is_kept_without_its_loud_kinds_and_without_what_files_say():
    """Small enough for thousands of files, complete enough for a replay."""
    monitor = PerformanceMonitor()
    monitor.listener(RunEvent("run_started", 0.0, -1, {"files": 1, "limit": 2}))
    monitor.listener(RunEvent("started", 0.1, 0, {"worker": "w", "attempt": 1}))
    monitor.listener(RunEvent("phase", 0.2, 0, {"phase": "extract"}))
    monitor.listener(RunEvent("sample", 0.2, -1, {"cpu_percent": 3.0}))
    monitor.listener(RunEvent("finished", 1.0, 0, {"status": "ok", "batch": "b", "phases": {"load": 1.0}}))
    assert build_metrics(monitor.record())["events"] == [
        [0.0, "run_started", -1, {"files": 1, "limit": 2}],
        [0.1, "started", 0, {"worker": "w", "attempt": 1}],
        [1.0, "finished", 0, {"status": "ok", "batch": "b"}],
    ]


def test_batches_of_one_call_have_their_own_files():
    """Each batch's metrics hold its own outcomes."""
    monitor = PerformanceMonitor()
    monitor.add_outcome(outcome(0, batch="a"))
    monitor.add_outcome(outcome(0, batch="b"))
    assert [file["batch"] for file in build_metrics(monitor.record(batch="b"))["files"]] == ["b"]


def test_equal_failures_are_one_group_with_their_files():
    """The file's own name in the message makes no difference; another cause does."""
    outcomes = [failed(n, error=f"/sims/case {n}.sim: no object 'Line {n}' in case {n}.sim") for n in range(200)]
    outcomes.append(failed(200, error="no licence", cause=Cause.LICENCE))
    groups = grouped_failures(outcomes)
    assert [(group["count"], group["cause"]) for group in groups] == [(200, "exception"), (1, "licence")]
    said = "case 0.sim, case 1.sim, case 2.sim and 197 more: no object 'Line 0' in the file"
    assert groups[0]["message"] == said
    assert groups[1]["message"] == "no licence"
    assert len(groups[0]["files"]) == 200


def test_the_address_of_an_object_makes_no_difference():
    """One mistake in ten files is one group, in the report and in what is printed."""
    outcomes = [failed(n, error=f"not found: <OrcFxAPI.Model object at 0x7ffb2b8be{n:03x}>") for n in range(10)]
    (group,) = grouped_failures(outcomes)
    assert group["count"] == 10
    assert group["message"] == "not found: <OrcFxAPI.Model object>"
    assert failure_text(outcomes, 11).count("not found") == 1


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: float
    _hidden: int = 0


def test_provenance_of_any_kind_becomes_json():
    """Settings, plans and hosts are dataclasses and models with paths, dates and enums in them."""
    value = {
        Colour.RED: Point(1.5),
        "when": datetime(2026, 1, 2, tzinfo=UTC),
        "day": date(2026, 1, 2),
        "set": {3, 1},
        "array": np.array([1, 2]),
        1: b"x",
    }
    assert json.loads(json.dumps(jsonable(value), allow_nan=False))["red"] == {"x": 1.5}


tree = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(tree)
def test_whatever_goes_in_strict_json_comes_out(value):
    """`allow_nan=False` never raises, and every NaN and infinity that was replaced is named."""
    places: list[str] = []
    text = json.dumps(jsonable(value, places), allow_nan=False)
    assert places or json.loads(text) == value
    assert len(places) == count_non_finite(value)


def count_non_finite(value):
    if isinstance(value, float):
        return int(not math.isfinite(value))
    if isinstance(value, dict):
        return sum(map(count_non_finite, value.values()))
    return sum(map(count_non_finite, value)) if isinstance(value, list) else 0
