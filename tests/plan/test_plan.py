"""The plan: tiers under caps and what bound them, workers, order, predictions, and how it is shown."""

import json
import math
import pickle
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orcabatch.engine.concurrency import START
from orcabatch.host import Disk, HostResources
from orcabatch.plan import (
    BatchOptimizer,
    BatchPlan,
    Expectation,
    SizedFile,
    make_plan,
)
from orcabatch.plan.caps import memory_budget
from orcabatch.plan.workers import ALL_CORES
from orcabatch.settings import parse_settings

GB, MB = 10**9, 10**6
BIG = HostResources(64, 256 * GB)
SMALL = HostResources(2, 4 * GB, limited_by={"logical_cpus": "cgroup", "total_ram_bytes": "cgroup"})


def files(small: int = 0, medium: int = 0, large: int = 0) -> list[SizedFile]:
    """Files of 50, 300 and 900 MB."""
    counts = (("small", 50, small), ("medium", 300, medium), ("large", 900, large))
    return [
        SizedFile(Path(f"/sims/{name}/f{n:03}.sim"), size * MB) for name, size, count in counts for n in range(count)
    ]


def plan(sized: list[SizedFile], section: dict[str, Any] | None = None, host: HostResources = BIG) -> BatchPlan:
    """A plan for a section."""
    return make_plan(sized, parse_settings(section), host)


def by_tier(made: BatchPlan) -> dict[str, tuple[int, str]]:
    """Limit and reason of each tier."""
    return {tier.name: (tier.limit, tier.bound_by) for tier in made.tiers}


@dataclass
class Known:
    """A history that knows seconds and memory factors by file name."""

    seconds: dict[str, float]
    factor: float | None = None

    def expect(self, file: Path, size_bytes: int) -> Expectation:
        return Expectation(self.seconds.get(file.name), self.factor)


def test_the_specifications_machine_gets_exactly_its_counts_with_the_reasons() -> None:
    """64 CPUs, 256 GB and enough files of each tier: 45 / 30 / 15, bound by the configured counts."""
    made = plan(files(60, 60, 60))
    assert by_tier(made) == {
        "small": (45, "optimization.thread_allocation.small = 45"),
        "medium": (30, "optimization.thread_allocation.medium = 30"),
        "large": (15, "optimization.thread_allocation.large = 15"),
    }
    assert [tier.advised for tier in made.tiers] == [48, 32, 16]
    assert made.tiers[0].advice == (
        "calculate_optimal_threads (75% of 64 CPUs; memory: 205 GB free below the cap, 75 MB predicted per file): 48; "
        "threading.threads_per_gb = 0.25 x 256 GB available: 64; 5 GB per thread (small files): 51"
    )
    assert (made.limit, made.bound_by) == (45, "threading.max_threads = 45")


def test_a_container_with_2_cpus_and_4_gb_plans_for_those() -> None:
    """Counts come down to what 3.2 GB hold; the advice is one."""
    made = plan(files(60, 60, 60), host=SMALL)
    limits = {name: limit for name, (limit, _) in by_tier(made).items()}
    assert limits == {"small": 42, "medium": 7, "large": 2}
    assert all("memory: 3.2 GB free below the cap" in reason for _, reason in by_tier(made).values())
    assert {tier.advised for tier in made.tiers} == {1}
    assert made.start_limit == 4
    assert "This run gets fewer CPUs than the machine has: limited by cgroup." in made.notes


@pytest.mark.parametrize(
    ("section", "limit", "reason"),
    [
        ({"threading": {"max_threads": 7}}, 7, "threading.max_threads = 7"),
        ({"optimization": {"thread_allocation": {"small": 9}}}, 9, "optimization.thread_allocation.small = 9"),
        ({"licences": {"max": 4, "scope": "model"}}, 4, "licences.max = 4, one seat per open model"),
        ({"executor": "serial"}, 1, "executor: serial"),
        ({"threading": {"threads_per_gb": 0.05}}, 12, "threading.threads_per_gb = 0.05 x 256 GB available"),
        (
            {"memory": {"max_usage_percent": 0.1}},
            3,
            "calculate_optimal_threads (memory: 256 MB free below the cap, 75 MB predicted per file)",
        ),
        ({}, 40, "40 files to run"),
    ],
)
def test_each_hard_cap_can_bind_and_is_named(section: dict[str, Any], limit: int, reason: str) -> None:
    """Named constraints: the smallest wins, and the plan says which it was."""
    made = plan(files(small=40), section)
    assert by_tier(made)["small"] == (limit, reason)
    assert (made.limit, made.bound_by) == (limit, reason)


@pytest.mark.parametrize("scope", ["process", "host"])
def test_one_seat_serves_all_threads_where_a_process_or_the_host_holds_it(scope: str) -> None:
    """licences.max caps threads only where each open model takes a seat."""
    assert plan(files(small=60), {"licences": {"max": 1, "scope": scope}}).limit == 45


def test_what_other_programs_use_is_taken_off_the_memory_budget() -> None:
    """80% of 100 GB, less the 30 GB in use, is 50 GB."""
    host = HostResources(8, 100 * GB, available_ram_bytes=70 * GB)
    assert plan(files(1), host=host).memory_budget_bytes == 50 * GB
    full = replace(host, available_ram_bytes=5 * GB)
    made = plan(files(small=9), host=full)
    assert (made.memory_budget_bytes, made.limit) == (0, 1)
    assert any("Memory is already filled above max_usage_percent = 80" in note for note in made.notes)


def test_a_file_larger_than_the_budget_is_planned_alone_and_named() -> None:
    """It runs, with a warning before the run."""
    made = plan([SizedFile(Path("/sims/huge.sim"), 3 * GB)], host=SMALL)
    assert (made.limit, made.order) == (1, (0,))
    assert made.notes[-1] == "Larger than the whole memory budget of 3.2 GB, will run alone: huge.sim."


def test_the_ceiling_leaves_memory_out_because_its_factor_is_a_guess() -> None:
    """Where files turn out to take less than 1.5 times their size, the engine may go up to the ceiling."""
    made = plan(files(large=60), host=SMALL)
    assert (made.tiers[0].limit, made.tiers[0].ceiling, made.ceiling) == (2, 15, 15)


def test_small_files_of_a_mixture_are_not_held_back_by_the_large_ones_average() -> None:
    """The limit over all tiers is as many of the smallest as fit; each file is admitted by its own size."""
    made = plan(files(small=60, large=3), host=SMALL)
    assert made.limit == 42
    assert made.bound_by == "memory: 3.2 GB free below the cap hold the 42 smallest files"


def test_without_tiers_the_rules_of_thumb_decide() -> None:
    """group_by_size: false: one tier, its count from memory, CPUs, threads_per_gb and the GB-per-thread table."""
    section = {"optimization": {"group_by_size": False}, "threading": {"max_threads": 500}}
    (tier,) = plan(files(60, 60, 60), section).tiers
    assert (tier.name, tier.files, tier.count, tier.bound_by) == ("all", 180, 32, "8 GB per thread (medium files)")
    (tier,) = plan(files(small=200), section).tiers
    assert (tier.count, tier.bound_by.partition(";")[0]) == (48, "calculate_optimal_threads (75% of 64 CPUs")
    (tier,) = plan(files(small=200), section, HostResources(64, 256 * GB, available_ram_bytes=100 * GB)).tiers
    assert (tier.count, tier.bound_by) == (25, "threading.threads_per_gb = 0.25 x 100 GB available")
    (tier,) = plan(files(large=200), section, HostResources(64, 256 * GB, available_ram_bytes=60 * GB)).tiers
    assert (tier.count, tier.limit, tier.bound_by[:25]) == (6, 6, "calculate_optimal_threads")


def test_rules_of_thumb_are_advice_where_there_are_tiers() -> None:
    """Latency-bound work may want 45 threads on 2 CPUs: CPUs and the default of threads_per_gb do not cap a tier."""
    made = plan(files(small=100), host=HostResources(2, 256 * GB, available_ram_bytes=60 * GB))
    assert made.limit == 45
    assert made.tiers[0].advised == 1
    assert made.advising[:3] == (
        "threading.min_threads = 5 (default)",
        "threading.threads_per_gb = 0.25 x 60 GB available: 15 (default)",
        "75% of 2 CPUs: 1",
    )


def test_static_runs_tier_after_tier_at_its_counts() -> None:
    """The limit is the largest tier count, the order is the specification's small, medium, large; it starts at once."""
    made = plan(files(60, 60, 60), {"threading": {"mode": "static"}})
    assert (made.limit, made.start_limit) == (45, 45)
    assert [made.files[index].tier for index in made.order] == ["small"] * 60 + ["medium"] * 60 + ["large"] * 60
    assert "order: tier after tier, small first, in each longest first: " in made.to_text(200)


def test_dynamic_starts_where_the_engine_does() -> None:
    """29 files at 30 workers lost to 8: a run starts low and climbs; a min_threads that the user set holds."""
    assert plan(files(small=200)).start_limit == START
    assert plan(files(small=3)).start_limit == 3
    floored = plan(files(small=200), {"threading": {"min_threads": 20}})
    assert (floored.start_limit, floored.min_limit) == (20, 20)
    assert plan(files(small=200)).min_limit == 1


def test_a_min_threads_that_cannot_be_kept_is_said() -> None:
    """Three files do not fill 20 threads."""
    made = plan(files(small=3), {"threading": {"min_threads": 20}})
    assert made.min_limit == 3
    assert "threading.min_threads = 20 cannot be kept: 3 files to run." in made.notes


@pytest.mark.parametrize(
    ("section", "host", "workers"),
    [
        ({}, BIG, ("threads", 0, 45)),
        ({"executor": "serial"}, BIG, ("serial", 0, 1)),
        ({"executor": "processes"}, BIG, ("processes", 45, 1)),
        ({"executor": "processes"}, HostResources(10, 256 * GB), ("processes", 9, 1)),
        ({"executor": "processes", "cpu_percent": 50}, HostResources(10, 256 * GB), ("processes", 5, 1)),
        ({"executor": "processes"}, HostResources(2, 256 * GB), ("processes", 2, 1)),
        ({"executor": "processes", "cpu_percent": 70}, HostResources(2, 256 * GB), ("processes", 1, 1)),
        ({"executor": "processes"}, HostResources(1, 256 * GB), ("processes", 1, 1)),
        ({"executor": "processes", "process_count": 3, "threads_per_process": 4}, BIG, ("processes", 3, 4)),
        ({"executor": "processes", "threads_per_process": 10}, BIG, ("processes", 5, 10)),
        ({"executor": "processes", "licences": {"max": 6}}, BIG, ("processes", 6, 1)),
        ({"executor": "dask"}, HostResources(10, 256 * GB), ("dask", 9, 1)),
        ({"executor": "dask", "dask": {"address": "tcp://a:1"}}, BIG, ("dask", 0, 1)),
        ({"threading": {"mode": "hybrid"}}, BIG, ("processes", 45, 2)),
        ({"threading": {"mode": "hybrid"}}, HostResources(4, 256 * GB), ("processes", 3, 15)),
        ({"threading": {"mode": "hybrid"}}, HostResources(1, 256 * GB), ("processes", 2, 23)),
        ({"threading": {"mode": "hybrid"}}, HostResources(4, 256 * GB, numa_nodes=4), ("processes", 4, 12)),
        ({"threading": {"mode": "hybrid", "max_threads": 3}}, BIG, ("processes", 3, 2)),
        ({"threading": {"mode": "hybrid"}, "licences": {"max": 2}}, BIG, ("processes", 2, 23)),
        ({"threading": {"mode": "hybrid"}, "process_count": 5}, BIG, ("processes", 5, 9)),
        ({"threading": {"mode": "hybrid"}, "licences": {"max": 1}}, BIG, ("processes", 1, 45)),
    ],
)
def test_processes_and_threads_carry_the_limit(
    section: dict[str, Any], host: HostResources, workers: tuple[str, int, int]
) -> None:
    """The layout of design: processes by cpu_percent or NUMA nodes, never more than files or seats need."""
    made = plan(files(small=200), section, host)
    assert (made.executor, made.processes, made.threads_per_process) == workers
    if made.processes:
        assert made.limit <= made.processes * made.threads_per_process
    assert made.executor_why


def test_workers_are_laid_out_for_the_ceiling() -> None:
    """Where memory turns out to suffice, processes and CPUs have room for the ceiling."""
    host = HostResources(30, 4 * GB)
    made = plan(files(large=60), {"executor": "processes"}, host)
    assert (made.limit, made.ceiling, made.processes, made.native_threads) == (2, 15, 15, 1)


def test_windows_pools_have_at_most_61_processes() -> None:
    """On Windows alone, and the plan says so."""
    section = {
        "executor": "processes",
        "threading": {"max_threads": 200},
        "optimization": {"thread_allocation": {"small": 200}},
    }
    on_linux = plan(files(small=500), section, HostResources(200, 4000 * GB, platform="linux"))
    on_windows = plan(files(small=500), section, HostResources(200, 4000 * GB, platform="win32"))
    assert (on_linux.processes, on_windows.processes, on_windows.limit) == (180, 61, 61)
    assert "Windows process pools have at most 61 workers" in on_windows.bound_by


def test_native_threads_stay_within_the_cpu_budget() -> None:
    """R33: workers x native threads within cpu_percent of the CPUs; 1 where the workers alone fill them."""
    assert plan(files(small=100)).native_threads == 1
    assert plan(files(large=4)).native_threads == math.floor(64 * 0.9 / 4)
    everything = plan(files(large=4), {"native_threads": "all"})
    assert everything.native_threads == ALL_CORES
    assert "native threads: all in each loaded model" in everything.to_text()


def test_longest_predicted_first_and_folders_together_among_equals() -> None:
    """Sizes decide where nothing was measured; sizes within 5% count as equal."""
    sized = [
        SizedFile(Path("/b/1.sim"), 100),
        SizedFile(Path("/a/2.sim"), 5000),
        SizedFile(Path("/a/3.sim"), 101),
        SizedFile(Path("/b/4.sim"), 101),
        SizedFile(Path("/a/5.sim"), 100),
        SizedFile(Path("/a/6.sim"), 0),
    ]
    order = plan(sized).order
    assert order[0] == 1
    assert [sized[index].path.parent.name for index in order[1:5]] == ["a", "a", "b", "b"]
    assert order[-1] == 5


def test_measured_seconds_outrank_sizes_and_scale_to_the_unmeasured() -> None:
    """A small file known to be slow comes first; an unmeasured one is placed by the others' rate."""
    sized = [SizedFile(Path(f"/s/{name}.sim"), size * MB) for name, size in (("big", 90), ("slow", 10), ("new", 50))]
    made = make_plan(sized, parse_settings(None), BIG, history=Known({"big.sim": 9.0, "slow.sim": 91.0}))
    assert made.order == (1, 2, 0)
    assert [file.seconds for file in made.files] == [9.0, 91.0, None]
    assert [file.cost for file in made.files] == [9.0, 91.0, 50.0]
    assert made.predicted_s == pytest.approx(91.0)


def test_predicted_time_is_that_of_a_list_schedule() -> None:
    """Static adds its tiers up, dynamic fills idle workers; nothing known, nothing predicted."""
    sized = files(small=4, large=2)
    known = Known({file.path.name: 10.0 for file in sized})
    section: dict[str, Any] = {"threading": {"max_threads": 2}}
    assert make_plan(sized, parse_settings(section), BIG, history=known).predicted_s == 30.0
    section["threading"]["mode"] = "static"
    section["optimization"] = {"thread_allocation": {"small": 4, "large": 1}}
    assert make_plan(sized, parse_settings(section), BIG, history=known).predicted_s == 40.0
    assert plan(sized).predicted_s is None


@pytest.mark.parametrize("mode", ["dynamic", "hybrid", "static"])
def test_the_predicted_time_counts_a_tiers_own_slots(mode: str) -> None:
    """Ten large files, one at a time, take ten times as long as one, however many small ones run beside them."""
    sized = files(small=4, large=10)
    section: dict[str, Any] = {
        "threading": {"mode": mode, "max_threads": 8},
        "optimization": {"thread_allocation": {"small": 4, "large": 1}},
    }
    made = make_plan(sized, parse_settings(section), BIG, history=Known({file.path.name: 10.0 for file in sized}))
    assert {tier.name: tier.limit for tier in made.tiers} == {"small": 4, "large": 1}
    assert made.predicted_s == (110.0 if mode == "static" else 100.0)


def test_a_known_memory_factor_replaces_the_guess() -> None:
    """Reserve what such files took, where that was measured; nonsense in a history is not believed."""
    sized = files(small=1)
    assert plan(sized).files[0].memory_bytes == 75 * MB
    for factor, expected in ((2.0, 100 * MB), (math.nan, 75 * MB), (-1.0, 75 * MB), (0.0, 75 * MB)):
        made = make_plan(sized, parse_settings(None), BIG, history=Known({"f000.sim": math.nan}, factor))
        assert made.files[0].memory_bytes == expected
        assert made.predicted_s is None


def test_skipped_files_stay_in_the_plan_but_not_in_its_work() -> None:
    """They keep their place in the input order, with the reason."""
    made = make_plan(files(small=3), parse_settings(None), BIG, skipped={1: "unchanged since the last run"})
    assert [file.index for file in made.files] == [0, 1, 2]
    assert made.order == (0, 2)
    assert (made.tiers[0].files, made.limit) == (2, 2)
    assert [file.rank for file in made.files] == [0, 1, 2]
    assert [file.file.name for file in made.skipped] == ["f001.sim"]
    assert "skipped: 1 (unchanged since the last run)" in made.to_text()


def test_batches_belong_to_files_and_must_match_them() -> None:
    """A file of two batches is planned once; a list of another length is an error."""
    made = make_plan(files(small=2), parse_settings(None), BIG, batches=[("a",), ("a", "b")])
    assert [file.batches for file in made.files] == [("a",), ("a", "b")]
    with pytest.raises(ValueError, match="zip"):
        make_plan(files(small=2), parse_settings(None), BIG, batches=[("a",)])


def test_nothing_to_run_is_a_plan_too() -> None:
    """Where all was skipped, or there is no file at all."""
    made = plan([])
    assert (made.tiers, made.order, made.limit) == ((), (), 1)
    assert "0 of 0 files to run" in made.to_text()
    assert "nothing to run" in repr(made)


def test_a_changed_output_is_said_before_the_run() -> None:
    """Compression and the simulated OrcaFlex change what is written."""
    noted = plan(files(1), {"io": {"use_compression": True}, "orcaflex": "simulated"}).notes
    assert "io.use_compression" in noted[0]
    assert "simulated" in noted[1]


def test_the_same_question_gives_the_same_plan() -> None:
    """A plan is a pure value: equal, picklable, and frozen."""
    made = plan(files(9, 9, 9))
    assert made == plan(files(9, 9, 9))
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own bytes
    with pytest.raises(AttributeError):
        made.limit = 3  # type: ignore[misc]


@pytest.mark.parametrize("width", [60, 100, 140])
def test_the_table_fits_its_width_and_says_what_bound(width: int) -> None:
    """For a terminal of that many columns."""
    text = plan(files(60, 60, 60)).to_text(width)
    assert max(map(len, text.splitlines())) <= width
    assert re.search(r"large\s+60\s+54 GB\s+15\s+15\s+16", text)
    flat = re.sub(r"\s+", " ", text)
    assert "medium: 30 at once, limited by optimization.thread_allocation.medium = 30." in flat
    assert "memory: 205 GB may be filled" in flat
    asked, _, decided = flat.partition("How that was decided:")
    assert "at once: 4 to begin with, more while that pays, at most 45 (limit: threading.max_threads = 45)" in asked
    assert "medium: 30" in decided


def test_how_many_at_once_is_one_number_to_begin_with_and_one_at_most() -> None:
    """Static: one for all; where memory decides by prediction, what it may turn out to be as well."""
    static = plan(files(60), {"threading": {"mode": "static"}}).to_text(200)
    assert "at once: 45 all along (limit: optimization.thread_allocation.small = 45)" in static
    tight = plan(files(0, 0, 60), host=HostResources(64, 8 * 10**9)).to_text(1000)
    assert re.search(r"at most \d+ \(limit: .*\), or 15 where they take less memory than predicted", tight)


def test_what_is_written_where_and_done_again_stands_before_how_it_was_decided() -> None:
    """Beside what is suspicious; also in a notebook, where the rest is folded."""
    made = replace(plan(files(3)), writes=("/out: summary dyn",), again=("a.sim: its code changed",))
    text = made.to_text(200)
    assert (
        text.index("again: a.sim: its code changed") < text.index("writes: /out: summary dyn") < text.index("How that")
    )
    html = made._repr_html_()
    assert html.index("writes: /out") < html.index("<details><summary>How that was decided</summary>")


class Balanced(HTMLParser):
    """Collects the tags that are open, and any script."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_notebook_table_is_static_and_escaped() -> None:
    """A file name with markup stays text; nothing runs."""
    evil = SizedFile(Path("/sims/<script>alert('1 & 2')<b>.sim"), 5)
    html = plan([evil, *files(1, 1, 1)])._repr_html_()
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert "script" not in parser.seen
    assert "&lt;script&gt;" in html
    assert "2 files to run" in html
    assert "1 file to run" in html


def test_the_dictionary_is_json_and_holds_the_plan() -> None:
    """For the metrics: strict JSON, bytes and seconds."""
    made = plan(files(2, 1, 1), {"threading": {"min_threads": 2}})
    data = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert data["tiers"][0]["name"] == "small"
    assert data["files"][3]["size_bytes"] == 900 * MB
    assert data["host"]["logical_cpus"] == 64
    assert data["settings"]["threading"]["min_threads"] == 2
    assert data["order"] == list(made.order)


def test_the_short_form_is_one_line() -> None:
    """For a log or a prompt."""
    assert repr(plan(files(60, 0, 3))) == (
        "<BatchPlan: 63 files (small 60 at 45, large 3 at 3), dynamic on threads, limit 45>"
    )


hosts = st.builds(
    lambda cpus, ram, free, nodes, platform: HostResources(
        cpus, ram, numa_nodes=min(nodes, cpus), available_ram_bytes=int(ram * free), platform=platform
    ),
    st.integers(1, 300),
    st.integers(1, 10**13),
    st.floats(0, 1),
    st.integers(1, 8),
    st.sampled_from(["linux", "win32"]),
)
sections = st.fixed_dictionaries(
    {
        "threading": st.fixed_dictionaries(
            {"mode": st.sampled_from(["static", "dynamic", "hybrid"]), "max_threads": st.integers(1, 200)},
            optional={"min_threads": st.just(1), "threads_per_gb": st.floats(1e-9, 1e9)},
        ),
        "optimization": st.fixed_dictionaries({"group_by_size": st.booleans()}),
        "executor": st.sampled_from(["auto", "processes"]),
    },
    optional={
        "process_count": st.integers(1, 100),
        "threads_per_process": st.integers(1, 100),
        "cpu_percent": st.floats(0.1, 100),
        "licences": st.fixed_dictionaries(
            {"max": st.integers(1, 50), "scope": st.sampled_from(["model", "process", "host"])}
        ),
    },
)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 10**12), max_size=40), sections, hosts, st.sets(st.integers(0, 39)))
def test_no_plan_exceeds_a_hard_limit(
    sizes: list[int], section: dict[str, Any], host: HostResources, skip: set[int]
) -> None:
    """R4, R39: never more at once than files, max_threads, seats, tier counts or memory allow; always at least one."""
    sized = [SizedFile(Path(f"/s/{n % 3}/{n}.sim"), size) for n, size in enumerate(sizes)]
    chosen = parse_settings(section)
    made = make_plan(sized, chosen, host, skipped=dict.fromkeys(skip, "done"))
    running = [file for file in made.files if file.skip is None]
    assert sorted(made.order) == [file.index for file in running]
    assert sum(tier.files for tier in made.tiers) == len(running)
    assert 1 <= made.start_limit <= made.limit <= min(max(1, len(running)), chosen.threading.max_threads)
    assert made.limit <= made.ceiling
    for tier in made.tiers:
        assert 1 <= tier.limit <= tier.ceiling
        assert tier.limit <= tier.count
        members = [file.memory_bytes for file in running if file.tier == tier.name]
        assert tier.limit == 1 or tier.limit * sum(members) / len(members) <= memory_budget(chosen, host) * 1.000001
    seats = chosen.licences.max
    if seats is not None and chosen.licences.scope == "model":
        assert made.limit <= seats
    if seats is not None and chosen.licences.scope == "process":
        assert made.processes <= seats
    assert made.processes <= (61 if host.platform == "win32" else 10**6)
    assert (
        made.native_threads == 1 or made.native_threads * made.ceiling <= host.logical_cpus * chosen.cpu_percent / 100
    )
    json.dumps(made.to_dict(), allow_nan=False)
    assert max(map(len, made.to_text(80).splitlines())) <= 80


@dataclass
class Sized:
    """Any object of the user's with a size."""

    size: float


def test_boundaries_of_tiers_land_as_specified() -> None:
    """R3: small < 100 MB <= medium < 500 MB <= large, the same objects back in input order."""
    given_files = [Sized(500 * MB), Sized(100 * MB - 1), Sized(100 * MB), Sized(500 * MB - 1), Sized(0)]
    small, medium, large = BatchOptimizer().group_by_size(given_files)
    assert [id(file) for file in (*small, *medium, *large)] == [id(given_files[n]) for n in (1, 4, 2, 3, 0)]


def test_thresholds_and_counts_come_from_the_settings() -> None:
    """R3, R4: a section or the settings model."""
    section = {"optimization": {"size_thresholds": {"small": "1kB", "large": "1MB"}, "thread_allocation": {"large": 2}}}
    for optimizer in (BatchOptimizer(section), BatchOptimizer(parse_settings(section))):
        small, medium, large = optimizer.group_by_size([Sized(999), Sized(1000), Sized(MB)])
        assert [file.size for group in (small, medium, large) for file in group] == [999, 1000, MB]
        assert optimizer.assign_thread_counts((small, medium, large)) == {"small": 45, "medium": 30, "large": 2}


def test_paths_are_grouped_by_the_size_of_their_file(tmp_path: Path) -> None:
    """Paths as text or Path come back as they were given."""
    (tmp_path / "a.sim").write_bytes(b"12345")
    (tmp_path / "b.sim").write_bytes(b"1" * 2000)
    given_files: list[str | Path] = [str(tmp_path / "b.sim"), tmp_path / "a.sim"]
    optimizer = BatchOptimizer({"optimization": {"size_thresholds": {"small": "1kB", "large": "1MB"}}})
    assert optimizer.group_by_size(given_files) == ([given_files[1]], [given_files[0]], [])


@pytest.mark.parametrize("wrong", [None, object(), Sized(True), Sized("5")])  # type: ignore[arg-type]
def test_what_has_no_size_is_refused(wrong: Any) -> None:
    """Neither a path nor a size: says what is taken."""
    with pytest.raises(TypeError, match=r"objects with \.size in bytes, or paths"):
        BatchOptimizer().group_by_size([wrong])


def test_thread_counts_are_the_configured_ones_whatever_the_groups() -> None:
    """R4: never capped, for a triple, a mapping, or nothing in them."""
    for groups in (([], [], []), {"small": [1]}, {}):
        assert BatchOptimizer().assign_thread_counts(groups) == {"small": 45, "medium": 30, "large": 15}


SLOW, FAST = Disk(Path("/"), "sda", "hdd", 0, 50 * GB), Disk(Path("/fast"), "nvme", "ssd", 0, 900 * GB)

SHARE = replace(SLOW, kind="network")


@pytest.mark.parametrize(
    ("disks", "asked", "said"),
    [
        (
            (SLOW, FAST),
            None,
            "go to /spool, on a hard disk; /fast is on an SSD with 900 GB free.",
        ),
        ((SLOW, FAST), "/fast/temp", None),
        ((SLOW, FAST), "/elsewhere", "Temporary files go to /elsewhere, on a hard disk; /fast"),
        ((replace(SLOW, kind="ssd"), FAST), None, None),
        ((replace(SLOW, kind="unknown"), FAST), None, None),
        ((SLOW, replace(FAST, free_bytes=GB)), None, None),
        ((SLOW, replace(FAST, free_bytes=None)), None, None),
        (
            (replace(SLOW, kind="network"), replace(FAST, kind="hdd")),
            None,
            "on a network drive; /fast is on a hard disk",
        ),
        (
            (replace(SLOW, kind="network"), replace(FAST, kind="hdd"), replace(FAST, mount=Path("/f"))),
            None,
            "; /f is on",
        ),
    ],
)
def test_a_faster_disk_for_temporary_files_is_named(
    disks: tuple[Disk, ...], asked: str | None, said: str | None
) -> None:
    """Only where both kinds are known and there is room; the folder and its kind stand in the plan in any case."""
    host = HostResources(8, 16 * GB, disks=disks, temporary=Path("/spool"))
    made = plan(files(1), {"io": {"temp_directory": asked}} if asked else None, host)
    found = [note for note in made.notes if note.startswith("Temporary files")]
    assert len(found) == (said is not None)
    assert (said or "") in "".join(found)
    kind = {"hdd": " (hdd)", "ssd": " (ssd)", "network": " (network)"}.get(disks[0].kind, "")
    assert f"temporary files: {asked or '/spool'}{' (ssd)' if asked == '/fast/temp' else kind}\n" in made.to_text()
