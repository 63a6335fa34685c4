"""Every key of the `performance:` section: changing it changes something that is counted.

One case per key, by its dotted name; `test_no_key_is_without_a_case` keeps the list whole. A case runs (or plans) the
same batch twice, with two values of its key, and compares counts: models alive at once, loads, calls into the DLL,
files, samples, processes. The ledger's keys are counted where the ledger is tested.
"""

from __future__ import annotations

import importlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import orcabatch
from batch_functions import largest_tension, process_and_priority, threads_of_the_model
from orcabatch import simulated
from orcabatch.digitalmodel import csv_text
from orcabatch.engine.executors import starting
from orcabatch.engine.read_ahead import ReadAhead
from orcabatch.errors import BatchError, OrcaFlexUnavailable, SettingsError
from orcabatch.host import HostResources
from orcabatch.outcome import Cause
from orcabatch.settings import Settings

GB = 10**9
SLOW_TO_IMPORT = """
import sys, time
if "-c" in sys.argv[:1]:
    time.sleep(5)
from batch_functions import largest_tension
def tension(model):
    return largest_tension(model)
"""
"""A module that takes a while in worker processes, and does nothing then."""

BIG = HostResources(64, 256 * GB)
SMALL = HostResources(8, 2 * GB, available_ram_bytes=2 * GB)


@dataclass
class Bench:
    """Eight small files and ways to run them."""

    folder: Path
    sims: list[Path]
    monkeypatch: pytest.MonkeyPatch

    def run(self, performance: dict[str, Any], function: Any = largest_tension, **more: Any) -> Any:
        """A silent run over the simulated OrcaFlex, its counters starting at nothing."""
        simulated.reset_counters()
        arguments = {"postprocess": function, "orcaflex": "simulated", "progress": False, "fresh": True, **more}
        return orcabatch.run_batch(arguments.pop("files", self.sims), performance=performance, **arguments)

    def plan(self, performance: dict[str, Any], host: HostResources = BIG, sizes: tuple[int, ...] = ()) -> Any:
        """The plan on another host, for files that claim these sizes."""
        files = [self._sized(index, size) for index, size in enumerate(sizes)] or self.sims
        return orcabatch.plan_batch(files, postprocess=largest_tension, performance=performance, host=host)

    def costs(self, **costs: Any) -> None:
        simulated.configure(simulated.Costs(**costs))

    def alive(self, performance: dict[str, Any], **more: Any) -> int:
        """Models alive at once."""
        self.run(performance, **more)
        return simulated.counters().peak_live_models

    def calls(self, performance: dict[str, Any], export: str, function: Any = largest_tension) -> int:
        """Calls of one export, one file after the other."""
        self.run({"executor": "serial", **performance}, function)
        return simulated.counters().calls.get(export, 0)

    def yaml(self, performance: dict[str, Any], out: str, files: int = 4) -> Any:
        """A digitalmodel batch with a summary and time series, in this process."""
        target = self.folder / out
        cfg = digitalmodel_cfg(self.sims[:files], self.folder)
        arguments = {"orcaflex": "simulated", "progress": False, "fresh": True, "output_dir": target}
        return orcabatch.run_batch(cfg, performance={"executor": "serial", **performance}, **arguments), target

    def _sized(self, index: int, size: int) -> Path:
        file = self.folder / f"claims-{index}-{size}.sim"
        with file.open("wb") as stream:
            stream.truncate(size)
        return file


def digitalmodel_cfg(sims: list[Path], folder: Path) -> Path:
    """A YAML over these files: two columns and one time series."""
    source = folder / "sources"
    source.mkdir(exist_ok=True)
    for sim in sims:
        if not (source / sim.name).exists():
            os.link(sim, source / sim.name)
    text = Path(__file__).parents[2].joinpath("examples", "dm_fsts.yml").read_text(encoding="utf-8")
    text = text.replace("input_directory: sims", f"input_directory: {source}")
    text = text.replace("pattern: fsts_l015_hwl_ncl_000deg", "pattern: fsts")
    target = folder / "batch.yml"
    target.write_text(text, encoding="utf-8")
    return target


@pytest.fixture
def bench(orcaflex: Any, sims: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, sims, monkeypatch)


Case = Callable[[Bench], None]
CASES: dict[str, Case] = {}


def key(name: str) -> Callable[[Case], Case]:
    def keep(case: Case) -> Case:
        CASES[name] = case
        return case

    return keep


def keys_of(model: type[BaseModel], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= keys_of(field.annotation, f"{prefix}{name}.")
        else:
            found.add(prefix + name)
    return found


def test_no_key_is_without_a_case() -> None:
    """Every key of the settings but the ledger's has a case here, and no case is for a key that does not exist."""
    ledger = {name for name in keys_of(Settings) if name.startswith("ledger.")}
    assert set(CASES) == keys_of(Settings) - ledger


def pytest_generate_tests(metafunc: Any) -> None:
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", list(CASES.values()), ids=list(CASES))


def test_changing_it_changes_a_count(bench: Bench, case: Case) -> None:
    """See the case."""
    case(bench)


@key("reuse_models")
def _reuse_models(bench: Bench) -> None:
    """One native model for all files of a worker, or one for each."""
    made = []
    for reuse in (True, False):
        bench.run({"executor": "serial", "reuse_models": reuse})
        made.append(simulated.counters().models_created)
    assert made == [1, len(bench.sims)]


# --- threading ----------------------------------------------------------------------------------------------------


@key("threading.mode")
def _mode(bench: Bench) -> None:
    """Static has a pool per tier, dynamic one for all, hybrid processes: the workers' names tell."""
    sizes = {"optimization": {"size_thresholds": {"small": 1_000_000, "large": 3_000_000}}}
    pools = {}
    for mode in ("static", "dynamic", "hybrid"):
        result = bench.run({"threading": {"mode": mode}, **sizes})
        pools[mode] = {outcome.worker.split("-")[0] for outcome in result.outcomes}
    assert pools["static"] > {"small"}
    assert pools["dynamic"] == {"worker"}
    assert pools["hybrid"] == {"process"}


@key("threading.min_threads")
def _min_threads(bench: Bench) -> None:
    """The limit never falls below it; without it the limit may be 1."""
    bench.costs(load_latency_s=0.1)
    limits = [
        bench.run({"threading": {"max_threads": 6, **least}}).metrics["limits"] for least in ({}, {"min_threads": 6})
    ]
    least, floored = (min(change["limit"] for change in each) for each in limits)
    assert least < floored == 6


@key("threading.max_threads")
def _max_threads(bench: Bench) -> None:
    """No more models are alive at once."""
    bench.costs(load_latency_s=0.2)
    assert [bench.alive({"threading": {"mode": "static", "max_threads": most}}) for most in (2, 4)] == [2, 4]


@key("threading.threads_per_gb")
def _threads_per_gb(bench: Bench) -> None:
    """Where it is written it sets the count, with tiers and without: 256 GB hold 12 files at once, or 25."""
    sizes = (1_000_000,) * 60
    for grouped in (True, False):
        sections = [{"threading": {"threads_per_gb": many}} for many in (0.05, 0.1)]
        tiers = {"optimization": {"group_by_size": grouped}}
        assert [bench.plan(section | tiers, sizes=sizes).limit for section in sections] == [12, 25]


# --- memory -------------------------------------------------------------------------------------------------------


@key("memory.max_usage_percent")
def _max_usage_percent(bench: Bench) -> None:
    """Half of the memory holds half as many files."""
    sizes = (100_000_000,) * 20
    limits = [bench.plan({"memory": {"max_usage_percent": share}}, SMALL, sizes).limit for share in (40, 80)]
    assert limits == [5, 10]


@key("memory.gc_threshold")
def _gc_threshold(bench: Bench) -> None:
    """A threshold below what is in use has garbage collected, and files run side by side all the same."""
    bench.costs(load_latency_s=0.1)

    def collected(memory: dict[str, Any]) -> tuple[int, int]:
        result = bench.run({"memory": memory, "executor": "threads"})
        events = [event for event in result.metrics["events"] if event[3].get("garbage") == "collected"]
        return len(events), simulated.counters().peak_live_models

    none, many = collected({"gc_threshold": 80}), collected({"gc_threshold": 0.01})
    assert none[0] == 0
    assert many[0] > 0
    assert many[1] == none[1] > 1


@key("memory.preallocation")
def _preallocation(bench: Bench) -> None:
    """A worker makes its text buffer once for all pieces of all files; without, one for each piece."""
    made: list[tuple[int, int]] = []
    original = csv_text.new_buffer

    def counting(rows: int, columns: int) -> Any:
        made.append((rows, columns))
        return original(rows, columns)

    bench.monkeypatch.setattr(csv_text, "new_buffer", counting)
    counts = {}
    for reuse in (True, False):
        csv_text.forget_buffers()
        made.clear()
        bench.yaml({"memory": {"preallocation": reuse}, "io": {"buffer_size": 2000}}, f"buffers-{reuse}")
        counts[reuse] = len(made)
    assert counts[True] == 1
    assert counts[False] > 8


@key("memory.chunk_size")
def _chunk_size(bench: Bench) -> None:
    """One joint request returns at most this much: less means more requests."""
    joint = "C_GetMultipleTimeHistoriesW"
    calls = [
        bench.calls({"memory": {"chunk_size": size}, "broker": {"self_check": False}}, joint, many_histories)
        for size in (10_000_000, 1)
    ]
    assert 0 < calls[0] != calls[1]


def many_histories(model: Any) -> float:
    """Four histories of one file."""
    import OrcFxAPI

    names = ("Effective tension", "Bend moment", "Curvature", "Shear force")
    whole, end = OrcFxAPI.pnWholeSimulation, OrcFxAPI.oeEndA
    return sum(float(model["Line01"].TimeHistory(name, whole, end).max()) for name in names)


# --- io -----------------------------------------------------------------------------------------------------------


def read_ahead(bench: Bench, performance: dict[str, Any]) -> int:
    """Files that were read, or dropped, ahead of the workers."""
    counted: list[int] = []
    original = ReadAhead.close

    def closing(self: ReadAhead) -> None:
        original(self)
        counted.append(self.counts.files + self.counts.dropped)

    bench.monkeypatch.setattr(ReadAhead, "close", closing)
    bench.costs(load_latency_s=0.05)
    bench.run({"executor": "threads", "threading": {"max_threads": 1}, **performance})
    bench.monkeypatch.setattr(ReadAhead, "close", original)
    return sum(counted)


@key("io.async_enabled")
def _async_enabled(bench: Bench) -> None:
    """Off: nothing is read ahead, and nothing written behind; a run's metrics say so."""
    on, off = (read_ahead(bench, {"io": {"async_enabled": switch}}) for switch in (True, False))
    assert on > off == 0
    counts = [
        bench.yaml({"executor": "threads", "io": {"async_enabled": switch}}, f"async-{switch}")[0]
        .metrics["summary"]["work"].get("tables_behind", 0)
        for switch in (True, False)
    ]  # fmt: skip
    assert counts == [8, 0]


@key("io.read_ahead")
def _read_ahead(bench: Bench) -> None:
    """None: nothing is read ahead."""
    some, none = (read_ahead(bench, {"io": {"read_ahead": many}}) for many in (2, 0))
    assert some > none == 0


def copies_loaded(bench: Bench, folder: Path, performance: dict[str, Any]) -> int:
    """Of a digitalmodel batch: a function's files are loaded from where they are."""
    bench.costs(load_latency_s=0.1)
    simulated.reset_counters()
    bench.yaml({"executor": "threads", "threading": {"max_threads": 1}, **performance}, folder.name)
    return sum(str(folder) in path for path in simulated.counters().loads_by_file)


@key("io.write_behind")
def _write_behind(bench: Bench) -> None:
    """None may wait: no table is written after its model was given back; else all are, and hold the same bytes."""
    found = {}
    for size in (200_000_000, 0):
        result, out = bench.yaml({"executor": "threads", "io": {"write_behind": size}}, f"behind-{size}")
        behind = result.metrics["summary"]["work"].get("tables_behind", 0)
        found[size] = behind, {file.name: file.read_bytes() for file in out.glob("*.csv")}
    assert found[200_000_000][0] == 8
    assert found[0][0] == 0
    assert found[0][1] == found[200_000_000][1]


@key("io.stage_inputs")
def _stage_inputs(bench: Bench) -> None:
    """Files are loaded from copies."""
    there = bench.folder / "fast"
    with_copies, without = (
        copies_loaded(bench, there, {"io": {"stage_inputs": switch, "temp_directory": str(there)}})
        for switch in (True, False)
    )
    assert with_copies > without == 0


@key("io.temp_directory")
def _temp_directory(bench: Bench) -> None:
    """The copies lie there."""
    one, other = bench.folder / "one", bench.folder / "other"
    staged = {"stage_inputs": True, "temp_directory": str(one)}
    assert copies_loaded(bench, one, {"io": staged}) > 0
    assert copies_loaded(bench, one, {"io": {**staged, "temp_directory": str(other)}}) == 0


@key("io.buffer_size")
def _buffer_size(bench: Bench) -> None:
    """Output is written in more pieces when they are smaller, and holds the same bytes."""
    pieces: list[int] = []
    original = csv_text.block_text
    bench.monkeypatch.setattr(csv_text, "block_text", lambda values: pieces.append(len(values)) or original(values))
    counts, texts = [], []
    for size in (10_000_000, 1000):
        pieces.clear()
        _, out = bench.yaml({"io": {"buffer_size": size}}, f"pieces-{size}")
        counts.append(len(pieces))
        texts.append({file.name: file.read_bytes() for file in out.glob("*.csv")})
    assert 0 < counts[0] < counts[1]
    assert texts[0] == texts[1]


@key("io.use_compression")
def _use_compression(bench: Bench) -> None:
    """Time series become `.csv.gz`."""
    packed = [
        len(list(bench.yaml({"io": {"use_compression": switch}}, f"packed-{switch}")[1].glob("*.csv.gz")))
        for switch in (False, True)
    ]
    assert packed[0] == 0 < packed[1]


# --- monitoring ---------------------------------------------------------------------------------------------------


def samples(bench: Bench, monitoring: dict[str, Any]) -> int:
    bench.costs(load_latency_s=0.2)
    result = bench.run({"executor": "serial", "monitoring": monitoring})
    return len(result.metrics["samples"]["at_s"])


@key("monitoring.enabled")
def _monitoring_enabled(bench: Bench) -> None:
    """Off: no samples; the files' phases are there all the same."""
    on, off = (samples(bench, {"enabled": switch}) for switch in (True, False))
    assert on > off == 0


@key("monitoring.interval")
def _interval(bench: Bench) -> None:
    """Shorter means more samples; short files are sampled four times a second at most, whatever is longer."""
    often, seldom = (samples(bench, {"interval": seconds}) for seconds in (0.02, 60))
    assert often > 3 * seldom


@key("monitoring.export_metrics")
def _export_metrics(bench: Bench) -> None:
    """Off: no metrics file."""
    found = []
    for switch in (True, False):
        out = bench.folder / f"metrics-{switch}"
        bench.run({"monitoring": {"export_metrics": switch}}, output_dir=out)
        found.append(len(list(out.glob("*.json"))))
    assert found == [1, 0]


@key("monitoring.metrics_file")
def _metrics_file(bench: Bench) -> None:
    """The file has that name."""
    out = bench.folder / "named"
    bench.run({"monitoring": {"metrics_file": "mine.json"}}, output_dir=out)
    assert [file.name for file in out.glob("*.json")] == ["mine.json"]
    assert json.loads((out / "mine.json").read_text(encoding="utf-8"))["summary"]["files"] == 8


# --- optimization -------------------------------------------------------------------------------------------------


@key("optimization.group_by_size")
def _group_by_size(bench: Bench) -> None:
    """Off: one tier for all."""
    sizes = (1_000_000, 200_000_000, 600_000_000)
    tiers = [bench.plan({"optimization": {"group_by_size": on}}, sizes=sizes).tiers for on in (True, False)]
    assert [len(each) for each in tiers] == [3, 1]


@key("optimization.size_thresholds.small")
def _small(bench: Bench) -> None:
    """Where small ends decides how many files are small."""
    assert _in_tier(bench, "small", {"small": 50_000_000}) == 1
    assert _in_tier(bench, "small", {"small": 250_000_000}) == 2


@key("optimization.size_thresholds.large")
def _large(bench: Bench) -> None:
    """Where large begins decides how many files are large."""
    assert _in_tier(bench, "large", {"large": 300_000_000}) == 1
    assert _in_tier(bench, "large", {"large": 150_000_000}) == 2


def _in_tier(bench: Bench, tier: str, thresholds: dict[str, int]) -> int:
    sizes = (1_000_000, 200_000_000, 400_000_000)
    plan = bench.plan({"optimization": {"size_thresholds": thresholds}}, sizes=sizes)
    return sum(file.tier == tier for file in plan.files)


def _allocated(tier: str, thresholds: dict[str, int]) -> Case:
    def case(bench: Bench) -> None:
        bench.costs(load_latency_s=0.2)
        alive = [
            bench.alive(
                {
                    "threading": {"mode": "static"},
                    "optimization": {"size_thresholds": thresholds, "thread_allocation": {tier: count}},
                }
            )
            for count in (1, 3)
        ]
        assert alive == [1, 3]

    return case


key("optimization.thread_allocation.small")(_allocated("small", {"small": 90_000_000}))
key("optimization.thread_allocation.medium")(_allocated("medium", {"small": 10, "large": 90_000_000}))
key("optimization.thread_allocation.large")(_allocated("large", {"small": 10, "large": 20}))


# --- where and how ------------------------------------------------------------------------------------------------


@key("executor")
def _executor(bench: Bench) -> None:
    """This thread, threads of this process, other processes."""
    bench.costs(load_latency_s=0.4)  # the second process has a seat of its own, and seats are taken one a second
    where = {}
    for name in ("serial", "threads", "processes", "auto"):
        result = bench.run({"executor": name, "process_count": 2}, process_and_priority)
        pids = {value[0] for value in result.values}
        where[name] = (len(pids), os.getpid() in pids, {outcome.worker.split("-")[0] for outcome in result.outcomes})
        assert result.metrics["workers"]["why"]
    assert where["serial"] == (1, True, {"serial"})
    assert where["threads"] == where["auto"] == (1, True, {"worker"})
    assert where["processes"] == (2, False, {"process"})


@key("dask.address")
def _dask_address(bench: Bench) -> None:
    """The scheduler is asked at this address, and only with `executor: dask`."""
    with pytest.raises(SettingsError, match="is used with executor: dask only"):
        bench.run({"dask": {"address": "tcp://127.0.0.1:9"}})
    pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    with pytest.raises(SettingsError, match=r"no dask scheduler answers at nonsense://127\.0\.0\.1:9"):
        bench.run({"executor": "dask", "dask": {"address": "nonsense://127.0.0.1:9"}})


@key("cases")
def _cases(bench: Bench) -> None:
    """Its groups are columns of the table."""
    plain = bench.run({})
    cased = bench.run({"cases": r"_l(?P<loading>\d+)_"})
    assert set(cased.table().columns) - set(plain.table().columns) == {"loading"}


def opened_by_path(path):
    """The shape of a script that was written for a pool."""
    import OrcFxAPI

    model = OrcFxAPI.Model(path)
    history = model["Line01"].TimeHistory("Effective tension", OrcFxAPI.pnWholeSimulation, OrcFxAPI.oeEndA)
    return {"tension": float(history.max())}


@key("loads")
def _loads(bench: Bench) -> None:
    """The function opens each file once itself, nobody else does, and the values are those of loaded models."""
    own = bench.run({"loads": False}, opened_by_path)
    assert simulated.counters().loads_by_file == {str(file): 1 for file in bench.sims}
    assert own.values == bench.run({}).values
    assert all(outcome.status == "failed" for outcome in bench.run({}, opened_by_path).outcomes)


@key("process_count")
def _process_count(bench: Bench) -> None:
    """So many processes, each with a model of its own."""
    bench.costs(load_latency_s=0.2)
    for count in (1, 2):
        result = bench.run({"executor": "processes", "process_count": count}, process_and_priority)
        assert len({value[0] for value in result.values}) == count


@key("threads_per_process")
def _threads_per_process(bench: Bench) -> None:
    """So many files at once in one process."""
    bench.costs(load_latency_s=0.2)
    for count in (1, 3):
        asked = {"executor": "processes", "process_count": 1, "threads_per_process": count}
        result = bench.run({**asked, "threading": {"mode": "static"}}, process_and_priority)
        assert len({outcome.worker for outcome in result.outcomes}) == count
        assert len({value[0] for value in result.values}) == 1


@key("cpu_percent")
def _cpu_percent(bench: Bench) -> None:
    """Half of 64 CPUs are 32 processes."""
    sizes = (1_000_000,) * 80
    asked = [bench.plan({"executor": "processes", "cpu_percent": share}, sizes=sizes) for share in (50, 25)]
    assert [plan.processes for plan in asked] == [32, 16]


@key("native_threads")
def _native_threads(bench: Bench) -> None:
    """What is left for each model, or every core as a plain loop's has."""
    counts = {}
    for asked in ("auto", "all"):
        result = bench.run({"executor": "serial", "cpu_percent": 1, "native_threads": asked}, threads_of_the_model)
        counts[asked] = set(result.values)
    assert counts == {"auto": {1}, "all": {os.cpu_count()}}


@key("priority")
def _priority(bench: Bench) -> None:
    """Low: worker processes give way, this one does not."""
    mine = os.nice(0)
    for priority, least in (("normal", mine), ("low", max(10, mine))):
        asked = {"executor": "processes", "process_count": 1, "priority": priority}
        result = bench.run(asked, process_and_priority, files=bench.sims[:2])
        assert {value[1] for value in result.values} == {least}
    assert os.nice(0) == mine


# --- licences -----------------------------------------------------------------------------------------------------


def seats(**licences: Any) -> dict[str, Any]:
    return {"executor": "threads", "threading": {"mode": "static"}, "licences": {"scope": "model", **licences}}


@key("licences.max")
def _licences_max(bench: Bench) -> None:
    """No more models are open at once than there are seats for."""
    bench.costs(load_latency_s=0.2)
    assert [bench.alive(seats(max=most, ramp_up=1000)) for most in (1, 3)] == [1, 3]


@key("licences.scope")
def _licences_scope(bench: Bench) -> None:
    """Where a seat covers a process, all its threads share one."""
    bench.costs(load_latency_s=0.2)
    per_model = bench.alive(seats(max=1))
    per_process = bench.alive(seats(max=1, scope="process"))
    assert (per_model, per_process) == (1, 8)


@key("licences.wait")
def _licences_wait(bench: Bench) -> None:
    """Where no seat comes free, files fail once the wait is over; a longer one sees the seat again."""
    bench.costs(seats=0, seat_scope="model")
    result = bench.run(seats(wait=0.2), files=bench.sims[:2])
    assert {outcome.cause for outcome in result.outcomes} == {Cause.LICENCE}
    freed = threading.Timer(0.5, bench.costs)
    freed.start()
    result = bench.run(seats(wait=60), files=bench.sims[:2])
    freed.join()
    assert result.ok


@key("licences.ramp_up")
def _licences_ramp_up(bench: Bench) -> None:
    """Seats are asked for no faster than this."""
    bench.costs(load_latency_s=0.2)
    slow, fast = (bench.alive(seats(ramp_up=rate), files=bench.sims[:3]) for rate in (0.001, 1000))
    assert (slow, fast) == (1, 3)


# --- trouble ------------------------------------------------------------------------------------------------------


@key("timeout")
def _timeout(bench: Bench) -> None:
    """A file that takes longer is reported; without it the file ends well."""
    for timeout, failed in ((0.3, 1), (None, 0)):
        bench.costs(hang_loads={bench.sims[0].name: 1.0})
        result = bench.run({"executor": "threads", "timeout": timeout})
        for thread in threading.enumerate():  # the one that hung was written off, and closes its model when it is back
            if thread.name.startswith("orcabatch"):
                thread.join()
        assert [outcome.cause for outcome in result.failed] == [Cause.TIMEOUT] * failed


@key("start_timeout")
def _start_timeout(bench: Bench) -> None:
    """Worker processes that hang while they import the function's module are given up; a longer one has patience."""
    (bench.folder / "slow_to_import.py").write_text(SLOW_TO_IMPORT, "utf-8")
    bench.monkeypatch.syspath_prepend(str(bench.folder))
    bench.monkeypatch.setattr(starting, "FIRST_PAUSE_S", 0.01)
    tension = importlib.import_module("slow_to_import").tension
    for limit, failed in ((1, 1), (60, 0)):
        performance = {"executor": "processes", "process_count": 1, "start_timeout": limit}
        result = bench.run(performance, tension, files=bench.sims[:1])
        assert [outcome.cause for outcome in result.failed] == [Cause.TIMEOUT] * failed


@key("retries")
def _retries(bench: Bench) -> None:
    """A process that dies with its file once costs the file without retries, and nothing with one."""
    for retries, failed in ((0, 1), (1, 0)):
        bench.costs(crash_loads={bench.sims[0].name: 1})
        result = bench.run({"executor": "processes", "process_count": 1, "retries": retries})
        assert len(result.failed) == failed


@key("on_failure")
def _on_failure(bench: Bench) -> None:
    """Raise: one exception, after all others are done."""
    files = [*bench.sims, bench.folder / "missing.sim"]
    assert len(bench.run({"on_failure": "continue"}, files=files).failed) == 1
    with pytest.raises(BatchError, match="missing"):
        bench.run({"on_failure": "raise"}, files=files)
    assert simulated.counters().loads == 8


@key("orcaflex")
def _orcaflex(bench: Bench) -> None:
    """Simulated loads files; the real one is not on this machine, and nothing else takes its place."""
    bench.run({"orcaflex": "simulated"}, orcaflex=None)
    assert simulated.counters().loads == 8
    simulated.uninstall()
    with pytest.raises(OrcaFlexUnavailable):
        bench.run({"orcaflex": "real"}, orcaflex=None)
    simulated.install()


# --- the broker ---------------------------------------------------------------------------------------------------


def twice(model: Any) -> float:
    """The same question twice."""
    return largest_tension(model)["tension"] + largest_tension(model)["tension"]


@key("broker.enabled")
def _broker_enabled(bench: Bench) -> None:
    """On: a repeated question is asked once."""
    passes = []
    for switch in (True, False):
        bench.run({"executor": "serial", "broker": {"enabled": switch, "prefetch": False}}, twice)
        passes.append(simulated.counters().log_passes)
    assert passes == [8, 16]


@key("broker.prefetch")
def _broker_prefetch(bench: Bench) -> None:
    """On: later files are asked jointly."""
    joint = "C_GetMultipleTimeHistoriesW"
    on, off = (bench.calls({"broker": {"prefetch": switch}}, joint, many_histories) for switch in (True, False))
    assert on > off == 0


@key("broker.self_check")
def _broker_self_check(bench: Bench) -> None:
    """On: one answer of each jointly asked file is asked again singly."""
    single = "C_GetTimeHistory2W"
    on, off = (bench.calls({"broker": {"self_check": switch}}, single, many_histories) for switch in (True, False))
    assert on >= off + 7


# --- digitalmodel's output ----------------------------------------------------------------------------------------


@key("consistency")
def _consistency(bench: Bench) -> None:
    """Serial has the others wait for the first file, as digitalmodel's loop does; per file, none waits."""
    found = [
        json.loads(next(bench.yaml({"consistency": which}, which)[1].glob("*metrics.json")).read_text("utf-8"))
        for which in ("serial", "per_file")
    ]
    assert [each["proof"]["per_file"] for each in found] == [False, True]


@key("check")
def _check(bench: Bench) -> None:
    """Off: nothing is said; warn: the mistake is said and all files are loaded; strict: none is."""
    yaml_file = digitalmodel_cfg(bench.sims[:2], bench.folder)
    yaml_file.write_text(yaml_file.read_text(encoding="utf-8").replace("line01_max", "line01_min"), encoding="utf-8")
    arguments = {"orcaflex": "simulated", "progress": False, "fresh": True}
    said = {}
    for mode in ("warn", "off"):
        simulated.reset_counters()
        result = orcabatch.run_batch(
            yaml_file, performance={"check": mode}, output_dir=bench.folder / mode, **arguments
        )
        assert sum(simulated.counters().loads_by_file.values()) == 2
        said[mode] = [warning for warning in result.warnings if warning.startswith("check: ")]
    assert [len(each) for each in said.values()] == [1, 0]
    simulated.reset_counters()
    with pytest.raises(SettingsError, match="Label 'line01_min' stands at two columns"):
        orcabatch.run_batch(yaml_file, performance={"check": "strict"}, **arguments)
    assert simulated.counters().loads_by_file == {}


@key("keep_values")
def _keep_values(bench: Bench) -> None:
    """On: what the files returned stands in the folder, whatever becomes of the run."""
    kept = []
    for switch in (False, True):
        result = bench.run({"keep_values": switch}, output_dir=bench.folder / f"kept-{switch}")
        files = list((bench.folder / f"kept-{switch}").glob("*_values.bin"))
        kept.append(sum(len(orcabatch.read_values(file)) for file in files))
    assert kept == [0, len(result.values)]


@key("failed_rows")
def _failed_rows(bench: Bench) -> None:
    """On: the file that failed has a row as well."""
    bench.costs(fail_loads={bench.sims[2].name: (7, 9)})
    rows = []
    for switch in (False, True):
        _, out = bench.yaml({"failed_rows": switch}, f"rows-{switch}")
        summary = next(file for file in sorted(out.glob("*dyn*.csv")))
        rows.append(len(summary.read_text(encoding="utf-8").splitlines()))
    assert rows[1] == rows[0] + 1
