"""The `performance:` section: defaults, faults, merging, round trips, reference."""

import contextlib
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orcabatch.errors import SettingsError
from orcabatch.settings import (
    Settings,
    Threading,
    all_keys,
    find_faults,
    keys_set,
    merge_sections,
    parse_settings,
    to_section,
    was_set,
)
from orcabatch.settings.reference import settings_reference

SPECIFICATION = """
performance:
  threading:
    mode: dynamic  # static, dynamic, or hybrid
    min_threads: 5
    max_threads: 45
    threads_per_gb: 0.25  # Threads per GB of available RAM

  memory:
    max_usage_percent: 80
    gc_threshold: 75  # Trigger GC at 75% usage
    preallocation: true
    chunk_size: 100MB

  io:
    async_enabled: true
    buffer_size: 10MB
    use_compression: false
    temp_directory: "D:/temp"

  monitoring:
    enabled: true
    interval: 5  # seconds
    export_metrics: true
    metrics_file: "performance_metrics.json"

  optimization:
    group_by_size: true
    size_thresholds:
      small: 100MB
      large: 500MB
    thread_allocation:
      small: 45
      medium: 30
      large: 15
"""


def test_the_specifications_section_reads_to_the_key_and_equals_the_defaults() -> None:
    """R20: every key of the specification is known, and its values are the defaults, but for the temp directory."""
    section = yaml.safe_load(SPECIFICATION)["performance"]
    settings = parse_settings(section)
    assert settings.io.temp_directory == "D:/temp"
    assert len(keys_set(settings)) == 22
    unset = parse_settings(None)
    binds = {"min_threads": 5, "threads_per_gb": 0.25}
    said = {"io": {"temp_directory": "D:/temp"}, "memory": {"gc_threshold": 75.0}, "threading": binds}
    assert to_section(settings) == merge_sections(to_section(unset), said)


def test_an_unset_gc_threshold_follows_the_cap() -> None:
    """15/16 of max_usage_percent: 75 for 80, as the specification has it."""
    assert parse_settings(None).memory.gc_percent == 75.0
    assert parse_settings({"memory": {"max_usage_percent": "60%"}}).memory.gc_percent == 56.25
    assert parse_settings({"memory": {"gc_threshold": 50}}).memory.gc_percent == 50.0


def test_the_defaults_beside_the_specifications_are_designs() -> None:
    """The table "Settings beside the specification's"."""
    s = parse_settings({})
    assert (s.executor, s.process_count, s.threads_per_process) == ("auto", None, None)
    assert (s.consistency, s.failed_rows, s.on_failure, s.orcaflex) == ("auto", False, "continue", "real")
    assert (s.licences.max, s.licences.scope, s.licences.wait, s.licences.ramp_up) == (None, "process", 600.0, 1.0)
    assert (s.timeout, s.retries, s.cpu_percent, s.priority) == (None, 2, 90.0, "normal")
    assert (s.broker.enabled, s.broker.prefetch, s.broker.self_check) == (True, True, True)
    assert (s.ledger.enabled, s.ledger.path, s.ledger.max_size) == (True, None, 2_000_000_000)
    assert (s.io.stage_inputs, s.io.read_ahead, s.io.temp_directory, s.dask.address) == (False, 2, None, None)


def test_all_faults_are_listed_at_once_with_file_key_value_allowed_and_nearest() -> None:
    """One error names every fault of the file, so that it has to be run once only."""
    section = {
        "threading": {"mode": "hybird", "max_thread": 3},
        "io": {"buffer_size": "10 XB"},
        "executor": "thread",
        "use_compresion": True,
        "licences": {"max": 0},
        "memory": [1],
    }
    with pytest.raises(SettingsError) as caught:
        parse_settings(section, origin="dm_fsts.yml")
    lines = str(caught.value).splitlines()
    assert "7 settings are wrong" in lines[0]
    assert len(lines) == 8
    assert all(line.strip().startswith("dm_fsts.yml: ") for line in lines)
    by_key = {match[1]: line for line in lines if (match := re.match(r"\s+dm_fsts.yml: ([\w.]+) = ", line))}
    assert "'hybird': must be one of static, dynamic, hybrid. Did you mean hybrid?" in by_key["threading.mode"]
    assert "Did you mean threading.max_threads?" in by_key["threading.max_thread"]
    assert "'10 XB': must be a size such as 100MB" in by_key["io.buffer_size"]
    assert "Did you mean threads?" in by_key["executor"]
    assert "Did you mean io.use_compression?" in by_key["use_compresion"]
    assert "0: must be a whole number, at least 1" in by_key["licences.max"]
    assert "must hold keys: max_usage_percent" in by_key["memory"]


AT_ADDRESS = {"executor": "dask", "dask": {"address": "tcp://a:1"}}


@pytest.mark.parametrize(
    ("section", "key", "says"),
    [
        ({"threading": {"min_threads": 50}}, "threading.min_threads", "at most threading.max_threads, which is 45"),
        ({"threading": {"min_threads": 9, "max_threads": 3}}, "threading.min_threads", "which is 3"),
        ({"optimization": {"size_thresholds": {"small": "600MB"}}}, "optimization.size_thresholds.small", "500 MB"),
        ({"optimization": {"size_thresholds": {"large": "100MB"}}}, "optimization.size_thresholds.large", "above"),
        ({"memory": {"gc_threshold": 90}}, "memory.gc_threshold", "memory.max_usage_percent, which is 80"),
        ({"threading": {"mode": "hybrid"}, "executor": "serial"}, "executor", "threading.mode: hybrid"),
        ({"dask": {"address": "tcp://a:1"}}, "dask.address", "used with executor: dask only"),
        (AT_ADDRESS | {"process_count": 2}, "process_count", "the workers are those that were started there"),
        (AT_ADDRESS | {"threads_per_process": 2}, "threads_per_process", "start the workers with `--nthreads`"),
        (AT_ADDRESS | {"priority": "low"}, "priority", "with the priority they shall have"),
        (AT_ADDRESS | {"io": {"stage_inputs": True}}, "io.stage_inputs", "are not seen by others"),
        ({"threading": {"mode": "hybrid"}, "executor": "threads"}, "executor", "choose executor: auto or processes"),
    ],
)
def test_keys_that_do_not_go_together_are_faults(section: dict[str, Any], key: str, says: str) -> None:
    """Keys right by themselves may contradict each other; the fault names both."""
    (fault,) = find_faults(section)
    assert fault.key == key
    assert says in fault.problem
    with pytest.raises(ValidationError, match=re.escape(says)):
        Settings.model_validate(section)


def test_a_contradiction_is_listed_beside_other_faults_but_not_because_of_them() -> None:
    """A wrong max_threads is one fault, and does not also make min_threads wrong."""
    both = {"threading": {"min_threads": 50, "max_threads": "many"}, "memory": {"gc_threshold": 90}}
    assert [fault.key for fault in find_faults(both)] == ["threading.max_threads", "memory.gc_threshold"]


def test_a_lower_max_threads_does_not_contradict_the_default_min_threads() -> None:
    """min_threads binds only where the user set it."""
    settings = parse_settings({"threading": {"max_threads": 2}})
    assert settings.threading.max_threads == 2
    assert not was_set(settings, "threading.min_threads")


@pytest.mark.parametrize("mode", ["dynamic", "static"])
@pytest.mark.parametrize("executor", ["auto", "serial", "threads", "processes", "dask"])
def test_every_executor_goes_with_every_mode_but_hybrid(mode: str, executor: str) -> None:
    """Only hybrid demands processes."""
    assert parse_settings({"threading": {"mode": mode}, "executor": executor}).executor == executor


@pytest.mark.parametrize("section", [["a"], "fast", 5])
def test_a_section_that_is_no_mapping_is_one_fault(section: Any) -> None:
    """`performance: fast` is an error that shows what a section looks like."""
    with pytest.raises(SettingsError, match="keys and values, such as"):
        parse_settings(section, origin="dm_fsts.yml")


def test_an_empty_sub_section_means_the_defaults() -> None:
    """`memory:` with nothing below it, as YAML reads it, is not an error."""
    assert parse_settings({"memory": None, "optimization": {"size_thresholds": None}}) == parse_settings(None)


def test_a_key_that_yaml_reads_as_true_is_a_fault_like_any_other() -> None:
    """YAML reads `on:` as the key True."""
    (fault,) = find_faults(yaml.safe_load("on: 5"))
    assert (fault.key, fault.value) == ("True", 5)


def test_models_are_frozen_and_refuse_unknown_keys() -> None:
    """A plan and its settings cannot drift apart."""
    with pytest.raises(ValidationError):
        parse_settings(None).threading.max_threads = 3  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Threading(max_thread=3)  # type: ignore[call-arg]


def test_merging_is_key_by_key_and_the_override_wins() -> None:
    """A given argument wins over the YAML, and leaves its other keys alone."""
    section = {"threading": {"max_threads": 30, "min_threads": 2}, "retries": 5}
    merged = merge_sections(section, {"threading": {"max_threads": 8}, "memory": {"chunk_size": "1MB"}})
    assert merged == {
        "threading": {"max_threads": 8, "min_threads": 2},
        "retries": 5,
        "memory": {"chunk_size": "1MB"},
    }
    assert section["threading"] == {"max_threads": 30, "min_threads": 2}
    assert merge_sections(None, None) == {}


def test_of_a_settings_model_only_the_set_fields_override() -> None:
    """The defaults of a model given as an argument do not wipe out what the YAML says."""
    override = Settings(threading=Threading(max_threads=8))
    merged = merge_sections({"threading": {"max_threads": 30, "min_threads": 2}, "retries": 5}, override)
    assert merged == {"threading": {"max_threads": 8, "min_threads": 2}, "retries": 5}


def test_what_was_set_is_known_even_where_it_equals_the_default() -> None:
    """min_threads: 5 in the YAML binds, the default of 5 does not."""
    settings = parse_settings({"threading": {"min_threads": 5}})
    assert was_set(settings, "threading.min_threads")
    assert keys_set(settings) == ("threading.min_threads",)
    with pytest.raises(KeyError):
        was_set(settings, "threading.min_thread")


SPECIAL = {
    "memory.gc_threshold": st.floats(min_value=1, max_value=10),
    "optimization.size_thresholds.small": st.sampled_from(["1MB", "3 MiB", 77]),
    "optimization.size_thresholds.large": st.sampled_from(["150MB", "3 GiB"]),
    "threading.min_threads": st.just(1),
    "dask.address": st.none(),
}
"""Keys that must fit others."""

BY_KIND: dict[str, st.SearchStrategy[Any]] = {
    "true or": st.booleans(),
    "a percentage": st.one_of(st.floats(min_value=10, max_value=100), st.integers(10, 100).map(lambda n: f"{n}%")),
    "a duration": st.one_of(st.floats(min_value=0.1, max_value=1e6), st.sampled_from(["10 min", "1 h 30 min"])),
    "a rate": st.one_of(st.floats(min_value=0.01, max_value=100), st.just("1 per minute")),
    "a size": st.one_of(st.integers(1, 2**50), st.sampled_from(["100MB", "1.5 GB"])),
    "a whole": st.integers(1, 500),
    "a number": st.floats(min_value=0.001, max_value=100),
    "a": st.text("abc/: \\'\"é", min_size=1),
}


def _values(key: str) -> st.SearchStrategy[Any]:
    """Values that a key allows, as a YAML might hold them."""
    allowed = dict(all_keys())[key].json_schema_extra["allowed"]  # type: ignore[index, call-overload]
    if allowed.startswith("one of "):
        return st.sampled_from([word for word in allowed.removeprefix("one of ").split(", ") if word != "hybrid"])
    if key in SPECIAL:
        return SPECIAL[key]
    return next(values for kind, values in BY_KIND.items() if allowed.startswith(kind))


@st.composite
def sections(draw: st.DrawFn) -> dict[str, Any]:
    """Any part of the section, with values that are allowed."""
    section: dict[str, Any] = {}
    for key in draw(st.sets(st.sampled_from([key for key, _ in all_keys()]))):
        *folders, name = key.split(".")
        place = section
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = draw(_values(key))
    return section


@given(sections())
def test_every_setting_round_trips_through_yaml(section: dict[str, Any]) -> None:
    """Written to YAML and read again, settings are equal, and still know what the user set."""
    settings = parse_settings(section)
    whole = yaml.safe_load(yaml.safe_dump(to_section(settings)))
    assert parse_settings(whole) == settings
    only_set = yaml.safe_load(yaml.safe_dump(to_section(settings, only_set=True)))
    again = parse_settings(only_set)
    assert (again, keys_set(again)) == (settings, keys_set(settings))


@given(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9)),
                    lambda inner: st.dictionaries(st.one_of(st.sampled_from(
                        ["threading", "memory", "max_threads", "licences", "max", "optimization", "size_thresholds"]),
                        st.text(max_size=5)), inner, max_size=4), max_leaves=9))  # fmt: skip
def test_any_section_is_read_or_refused_with_a_settings_error(section: Any) -> None:
    """Whatever stands in the YAML, there is one error of ours or settings, never another exception."""
    with contextlib.suppress(SettingsError):
        assert parse_settings(section) == parse_settings(to_section(parse_settings(section)))


def test_a_default_min_threads_does_not_begin_to_bind_when_settings_are_written() -> None:
    """Settings with a small max_threads, written whole and read again, are still right and still free to fall to 1."""
    again = parse_settings(to_section(parse_settings({"threading": {"max_threads": 2}})))
    assert again.threading.max_threads == 2
    assert not was_set(again, "threading.min_threads")


def test_settings_survive_pickling_with_what_was_set() -> None:
    """Settings cross to worker processes."""
    settings = parse_settings({"threading": {"min_threads": 2}, "timeout": "10 min"})
    again = pickle.loads(pickle.dumps(settings))  # noqa: S301 - our own bytes
    assert (again, keys_set(again)) == (settings, keys_set(settings))


def test_the_reference_has_one_row_for_every_key_with_a_meaning_and_what_is_allowed() -> None:
    """The reference is generated from the models, so no key can be missing."""
    rows = [line for line in settings_reference().splitlines() if line.startswith("| `")]
    assert len(rows) == len(list(all_keys()))
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 4
        assert all(cells)
        assert cells[3].rstrip("`").endswith(".")
    assert "| `chunk_size` | 100MB | a size such as 100MB" in settings_reference()
    assert "## `performance.optimization.size_thresholds`" in settings_reference()


def test_reading_settings_needs_no_heavy_library() -> None:
    """The settings import neither pandas nor OrcFxAPI."""
    code = "import sys, orcabatch.settings; print(sorted({'pandas', 'OrcFxAPI', 'dask', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_path_object_is_a_path() -> None:
    """From Python, a folder may be given as a Path."""
    assert parse_settings({"io": {"temp_directory": Path("x")}}).io.temp_directory == "x"
