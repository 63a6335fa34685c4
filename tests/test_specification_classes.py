"""R41: a script written from the specification's three classes runs, line by line."""

from dataclasses import dataclass
from multiprocessing import cpu_count

import numpy as np
import pytest

from orcabatch.host import HostResources, ResourceManager
from orcabatch.monitor import PerformanceMonitor
from orcabatch.plan import BatchOptimizer

MB = 1_000_000
GB = 1_000_000_000


@dataclass
class SimFile:
    """What the specification calls `f`: something with a size."""

    name: str
    size: int


FILES = [
    SimFile("fsts_l015_hwl_125km3_l100_pb_005yr__cl_015deg.sim", 1500 * MB),
    SimFile("fsts_l015_hwl_ncl_000deg.sim", 42 * MB),
    SimFile("medium.sim", 100 * MB),
    SimFile("large.sim", 500 * MB),
]


def specified_threads(file_sizes: list[int], available_ram: float, cpus: int) -> float:
    """The body of `calculate_optimal_threads` as it stands in the specification."""
    avg_file_size = np.mean(file_sizes)
    orcaflex_overhead = 1.5
    memory_per_thread = avg_file_size * orcaflex_overhead
    max_threads_memory = available_ram / memory_per_thread
    max_threads_cpu = cpus * 0.75
    return float(min(max_threads_memory, max_threads_cpu))


@pytest.mark.parametrize("available_ram", [256 * GB, 8 * GB, 2 * GB])
def test_resource_manager_on_this_machine_gives_the_specifications_number(available_ram: int) -> None:
    """`ResourceManager().calculate_optimal_threads(file_sizes, available_ram)` without any further argument."""
    file_sizes = [f.size for f in FILES]
    resource_manager = ResourceManager()
    threads = resource_manager.calculate_optimal_threads(file_sizes, available_ram)
    cpus = resource_manager.measure().logical_cpus
    assert threads == max(1, int(specified_threads(file_sizes, available_ram, cpus)))
    assert cpus <= cpu_count()


@pytest.mark.parametrize(("available_ram", "threads"), [(256 * GB, 48), (8 * GB, 9), (1 * GB, 1)])
def test_resource_manager_on_the_specifications_machine(available_ram: int, threads: int) -> None:
    """64 CPUs, 256 GB: 75% of the CPUs, or what memory allows."""
    file_sizes = [f.size for f in FILES]
    resource_manager = ResourceManager(HostResources(logical_cpus=64, total_ram_bytes=256 * GB))
    assert resource_manager.calculate_optimal_threads(file_sizes, available_ram) == threads
    assert threads == max(1, int(specified_threads(file_sizes, available_ram, 64)))
    measured = resource_manager.measure()
    assert (measured.logical_cpus, measured.total_ram_bytes) == (64, 256 * GB)


def test_batch_optimizer_groups_and_counts_as_written() -> None:
    """`small, medium, large = group_by_size(files)`, then `assign_thread_counts` of what came out."""
    files = FILES
    batch_optimizer = BatchOptimizer()
    small, medium, large = batch_optimizer.group_by_size(files)
    assert small == [f for f in files if f.size < 100 * MB]
    assert medium == [f for f in files if 100 * MB <= f.size < 500 * MB]
    assert large == [f for f in files if f.size >= 500 * MB]
    groups = batch_optimizer.group_by_size(files)
    assert batch_optimizer.assign_thread_counts(groups) == {"small": 45, "medium": 30, "large": 15}
    named = {"small": small, "medium": medium, "large": large}
    assert batch_optimizer.assign_thread_counts(named) == {"small": 45, "medium": 30, "large": 15}


SERIES = ["file_processing_times", "memory_usage", "cpu_utilization", "io_wait_time", "thread_efficiency"]


def specified_bottleneck(metrics: dict[str, list[float]], threshold: float) -> str:
    """The body of `analyze_bottlenecks` as it stands in the specification."""
    if np.mean(metrics["io_wait_time"]) > threshold:
        return "IO_BOUND"
    if np.mean(metrics["cpu_utilization"]) > 90:
        return "CPU_BOUND"
    if np.mean(metrics["memory_usage"]) > 80:
        return "MEMORY_BOUND"
    return "BALANCED"


@pytest.mark.parametrize("io_wait", [0.0, 20.0, 20.5, 90.0])
@pytest.mark.parametrize("cpu", [10.0, 90.0, 90.5])
@pytest.mark.parametrize("memory", [10.0, 80.0, 80.5])
def test_performance_monitor_tracks_and_analyses_as_written(io_wait: float, cpu: float, memory: float) -> None:
    """`metrics` holds the five lists, they may be appended to, and the verdict is one of the four words."""
    monitor = PerformanceMonitor()
    assert {name: [] for name in SERIES} == monitor.metrics
    monitor.metrics["file_processing_times"].append(12.5)
    monitor.metrics["io_wait_time"] += [io_wait, io_wait]
    monitor.metrics["cpu_utilization"] += [cpu, cpu]
    monitor.metrics["memory_usage"] += [memory, memory]
    monitor.metrics["thread_efficiency"].append(0.9)
    verdict = monitor.analyze_bottlenecks()
    assert verdict == specified_bottleneck(monitor.metrics, 20.0)
    assert isinstance(verdict, str)
    assert monitor.explain()
