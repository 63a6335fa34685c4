"""What the user wrote binds, defaults advise; and the plan says which was which."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from orcabatch.batch.request import strictest
from orcabatch.errors import SettingsError
from orcabatch.host import HostResources, ResourceManager
from orcabatch.plan import BatchOptimizer, BatchPlan, Deciders, SizedFile, make_plan
from orcabatch.settings import merge_sections, parse_settings, to_section, was_set

GB, MB = 10**9, 10**6
MODES = ("static", "dynamic", "hybrid")
LAPTOP = HostResources(4, 32 * GB, available_ram_bytes=20 * GB)
BIG = HostResources(64, 256 * GB)
SPECIFICATION = yaml.safe_load(
    (Path(__file__).parents[2] / "examples" / "dm_fsts_optimized.yml").read_text(encoding="utf-8")
)["performance"]


def files(small: int = 0, medium: int = 0, large: int = 0) -> list[SizedFile]:
    """Files of 1, 300 and 900 MB."""
    counts = (("small", 1, small), ("medium", 300, medium), ("large", 900, large))
    return [SizedFile(Path(f"/s/{name}{n}.sim"), size * MB) for name, size, count in counts for n in range(count)]


def plan(section: dict[str, Any], host: HostResources = LAPTOP, sized: list[SizedFile] | None = None) -> BatchPlan:
    return make_plan(sized or files(small=60), parse_settings(section), host)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("grouped", [True, False])
def test_a_written_threads_per_gb_binds_in_every_mode_and_counts_available_memory(mode: str, grouped: bool) -> None:
    """Half a thread for each of 20 GB that are available (of 32): 10 at once, never more."""
    section: dict[str, Any] = {"threading": {"mode": mode, "threads_per_gb": 0.5}}
    section["optimization"] = {"group_by_size": grouped}
    made = plan(section, HostResources(64, 32 * GB, available_ram_bytes=20 * GB))
    most = 10 if grouped else min(10, 6)  # without tiers the memory-per-thread table decides as well
    assert (made.limit, made.ceiling) == (most, most)
    assert "threading.threads_per_gb = 0.5 x 20 GB available: 10 (written)" in made.binding
    assert not any("threads_per_gb" in advice for advice in (*made.advising, made.tiers[0].advice))


@pytest.mark.parametrize("mode", MODES)
def test_the_default_of_threads_per_gb_is_advice(mode: str) -> None:
    """A quarter thread per GB would be 5 here; nobody wrote it, so it is shown and binds nothing."""
    made = plan({"threading": {"mode": mode}})
    assert made.ceiling > 5
    assert "threading.threads_per_gb = 0.25 x 20 GB available: 5 (default)" in made.advising
    assert "threading.threads_per_gb = 0.25 x 20 GB available: 5" in made.tiers[0].advice


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"optimization": {"group_by_size": False}},
        {"executor": "processes"},
        {"executor": "processes", "process_count": 2},
        {"executor": "processes", "licences": {"max": 1}},
    ],
)
def test_a_written_min_threads_binds_in_every_mode_on_any_workers(mode: str, more: dict[str, Any]) -> None:
    """Two CPUs would have 2 processes, and 1 at once without tiers: where 7 are written there are 7."""
    host = HostResources(2, 32 * GB)
    made = plan({"threading": {"mode": mode, "min_threads": 7}, **more}, host)
    assert made.min_limit == 7
    assert made.limit >= made.start_limit >= 7
    assert made.executor == "threads" or made.processes * made.threads_per_process >= 7
    assert "threading.min_threads = 7 (written)" in made.binding
    assert not [note for note in made.notes if "min_threads" in note]
    free = plan({"threading": {"mode": mode}, **more}, host)
    assert free.min_limit == 1
    assert "threading.min_threads = 5 (default)" in free.advising


def test_min_threads_is_the_lower_end_of_the_range_that_threads_per_gb_moves_in() -> None:
    """Both written, and 20 GB x 0.25 = 5 is below the 8: 8 at once, and the plan says why."""
    made = plan({"threading": {"min_threads": 8, "threads_per_gb": 0.25}})
    assert (made.limit, made.min_limit) == (8, 8)
    assert made.bound_by == (
        "threading.min_threads = 8, which is above threading.threads_per_gb = 0.25 x 20 GB available"
    )


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"licences": {"max": 3, "scope": "model"}}, "licences.max = 3, one seat per open model"),
        ({"executor": "serial"}, "executor: serial"),
        ({"optimization": {"thread_allocation": {"small": 4}}}, "optimization.thread_allocation.small = 4"),
    ],
)
def test_what_is_harder_than_min_threads_is_named(section: dict[str, Any], reason: str) -> None:
    """Seats, a serial run and a tier's count stay what they are; a floor that cannot be kept is said."""
    made = plan({"threading": {"min_threads": 8}, **section})
    assert made.limit < 8
    assert f"threading.min_threads = 8 cannot be kept: {reason}." in made.notes


def test_static_names_the_tier_that_cannot_keep_min_threads() -> None:
    """Memory for 20 large files at once is not there: the small ones keep the floor, the large ones do not."""
    section = {"threading": {"mode": "static", "min_threads": 15}}
    made = plan(section, sized=files(small=20, large=20), host=HostResources(4, 16 * GB))
    assert [tier.limit for tier in made.tiers] == [20, 9]
    assert [note for note in made.notes if "min_threads" in note] == [
        f"threading.min_threads = 15 cannot be kept by the large files: {made.tiers[1].bound_by}."
    ]


@pytest.mark.parametrize("mode", MODES)
def test_the_specifications_section_pasted_behaves_as_written_on_its_machine(mode: str) -> None:
    """64 CPUs, 256 GB: 45 / 30 / 15, never below 5, never above 45; a quarter thread per GB allows 64."""
    section = {**SPECIFICATION, "threading": {**SPECIFICATION["threading"], "mode": mode}}
    made = plan(section, BIG, files(60, 60, 60))
    assert [(tier.name, tier.limit) for tier in made.tiers] == [("small", 45), ("medium", 30), ("large", 15)]
    assert 5 <= made.start_limit <= made.limit <= made.ceiling <= 45
    assert made.min_limit == 5
    assert {said for said in made.binding if "(default)" in said} == set()
    assert "threading.threads_per_gb = 0.25 x 256 GB available: 64 (written)" in made.binding
    assert made.advising[0] == "75% of 64 CPUs: 48"
    assert "garbage is collected above 75% of the memory; the cap is 80%" in made.to_text()


@pytest.mark.parametrize("mode", MODES)
def test_the_specifications_section_pasted_on_a_small_machine_is_bound_by_its_threads_per_gb(mode: str) -> None:
    """36 GB available: 9 small files at once in every mode, where the defaults alone would allow 45."""
    section = {**SPECIFICATION, "threading": {**SPECIFICATION["threading"], "mode": mode}}
    made = plan(section, HostResources(8, 64 * GB, available_ram_bytes=36 * GB))
    assert (made.limit, made.min_limit) == (9, 5)
    assert plan({"threading": {"mode": mode}}, HostResources(8, 64 * GB, available_ram_bytes=36 * GB)).ceiling >= 44


@pytest.mark.parametrize("key", ["min_threads", "threads_per_gb"])
def test_written_is_what_the_yaml_or_the_call_names(key: str) -> None:
    """Also where the value is the default's, and also where the call gives a mapping or the settings model."""
    value = {"min_threads": 5, "threads_per_gb": 0.25}[key]
    named = {"threading": {key: value}}
    for yaml_section, call in (
        (named, None),
        (None, named),
        ({"threading": {"max_threads": 9}}, parse_settings(named)),
        (named, parse_settings({"retries": 1})),
    ):
        assert was_set(parse_settings(merge_sections(yaml_section, call)), f"threading.{key}")
    for yaml_section, call in ((None, None), (None, parse_settings(None)), ({"threading": {"max_threads": 9}}, None)):
        unwritten = parse_settings(merge_sections(yaml_section, call))
        assert not was_set(unwritten, f"threading.{key}")
        assert not was_set(parse_settings(to_section(unwritten)), f"threading.{key}")


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        (({"threading": {"threads_per_gb": 0.5}}, {}), {"threading.threads_per_gb": 0.5}),
        (({"threading": {"threads_per_gb": 0.5}}, {"threading": {"threads_per_gb": 0.1}}),
         {"threading.threads_per_gb": 0.1}),
        (({"threading": {"min_threads": 9}}, {}), {"threading.min_threads": 9}),
        (({"threading": {"min_threads": 9}}, {"threading": {"max_threads": 4}}), {"threading.min_threads": 4}),
        (({"memory": {"gc_threshold": 75}}, {"memory": {"max_usage_percent": 60}}), {"memory.gc_threshold": 56.25}),
        (({"threading": {"max_threads": 9}}, {}), {}),
    ],
)  # fmt: skip
def test_several_batches_share_what_any_of_them_wrote(
    sections: tuple[dict[str, Any], ...], expected: dict[str, float]
) -> None:
    """The strictest written value; a default of another batch neither binds nor lowers it."""
    for order in itertools.permutations(sections):
        shared = strictest({str(n): parse_settings(section) for n, section in enumerate(order)})
        for key in ("threading.min_threads", "threading.threads_per_gb", "memory.gc_threshold"):
            assert was_set(shared, key) == (key in expected)
        for key, value in expected.items():
            folder, name = key.split(".")
            assert getattr(getattr(shared, folder), name) == value


# --- the classes that decide --------------------------------------------------------------------------------------


class Halves(BatchOptimizer):
    """The first half of the files are large, whatever their size; three and two at once."""

    def group_by_size(self, files: Any) -> Any:
        files = list(files)
        return [], files[len(files) // 2 :], files[: len(files) // 2]

    def assign_thread_counts(self, groups: Any = None) -> dict[str, int]:
        self.asked = [len(group) for group in groups]
        return {"small": 0, "medium": 2, "large": 3}


class Two(ResourceManager):
    """Two at once, whatever is asked."""

    def calculate_optimal_threads(self, file_sizes: Any, available_ram: float) -> int:
        return 2


def test_a_plan_groups_and_counts_by_the_optimizers_methods() -> None:
    """A subclass that groups by halves has its groups and its counts in the plan, which names it."""
    made = make_plan(files(small=20), parse_settings(None), BIG, skipped={0: "done"}, deciders=Deciders(Halves))
    assert [(tier.name, tier.files, tier.limit) for tier in made.tiers] == [("medium", 10, 2), ("large", 9, 3)]
    assert [file.tier for file in made.files] == ["large"] * 10 + ["medium"] * 10
    assert made.tiers[0].bound_by == "assign_thread_counts of Halves: medium = 2"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("grouped", [True, False])
def test_a_plan_is_capped_by_the_managers_formula(mode: str, grouped: bool) -> None:
    """In every mode, with tiers and without; the engine cannot go beyond it either."""
    section = {"threading": {"mode": mode}, "optimization": {"group_by_size": grouped}}
    made = make_plan(files(small=20), parse_settings(section), BIG, deciders=Deciders(manager=Two))
    assert (made.limit, made.ceiling) == (2, 2)
    assert made.bound_by.startswith("calculate_optimal_threads (")
    assert {tier.advised for tier in made.tiers} == {2}


def test_the_formula_is_asked_for_the_files_and_what_may_be_filled() -> None:
    """It gets the sizes in bytes and the memory below the cap; of files measured before, what stands for them."""
    asked: list[tuple[list[float], float]] = []

    class Recording(ResourceManager):
        def calculate_optimal_threads(self, file_sizes: Any, available_ram: float) -> int:
            asked.append((list(file_sizes), available_ram))
            return super().calculate_optimal_threads(asked[-1][0], available_ram)

    host = HostResources(64, 100 * GB, available_ram_bytes=70 * GB)
    make_plan(files(small=2), parse_settings(None), host, deciders=Deciders(manager=Recording))
    assert ([MB, MB], 50 * GB) in asked


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"group_by_size": lambda self, files: ([], [], list(files)[1:])}, "exactly once, but not small0.sim"),
        ({"group_by_size": lambda self, files: (list(files), [], list(files)[:1])}, "exactly once, but not small0.sim"),
        ({"group_by_size": lambda self, files: (list(files),)}, "three lists"),
        ({"assign_thread_counts": lambda self, groups: {"large": 3}}, "no count for small files"),
        ({"assign_thread_counts": lambda self, groups: {"small": "many"}}, "gave 'many', which is no count"),
    ],
)
def test_a_replacement_that_loses_files_or_gives_no_count_is_refused_before_the_run(
    broken: dict[str, Any], says: str
) -> None:
    """Nothing is lost silently: the error names the class and the file."""
    mine = type("Mine", (BatchOptimizer,), broken)
    with pytest.raises(SettingsError, match=says) as raised:
        make_plan(files(small=3), parse_settings(None), BIG, deciders=Deciders(mine))
    assert "Mine" in str(raised.value)


@pytest.mark.parametrize(("given", "count"), [(2.9, 2), (0, 1), (-3.0, 1), (1e300, 45), (float("inf"), 45)])
def test_the_specifications_formula_as_it_stands_there_may_give_any_number(given: float, count: int) -> None:
    """It is not floored there: 2.9 threads are 2, and at least one file runs."""
    mine = type("Mine", (ResourceManager,), {"calculate_optimal_threads": lambda self, sizes, ram: given})
    made = make_plan(files(small=60), parse_settings(None), BIG, deciders=Deciders(manager=mine))
    assert made.limit == count
