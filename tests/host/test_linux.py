"""A Linux host laid out as files: control groups of both versions, NUMA nodes, cores, disks."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orcabatch.host import Probes, measure, memory_reading
from orcabatch.host.linux import parse_cpu_list
from orcabatch.network import Partition

GB = 10**9
V2_MOUNT = "31 23 0:28 {root} /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n"
V1_MOUNT = "3{n} 31 0:3{n} {root} /sys/fs/cgroup/{name} rw,relatime - cgroup cgroup rw,{name}\n"

Lay = Callable[[dict[str, str]], Path]


@pytest.fixture
def lay(tmp_path: Path) -> Lay:
    """Writes files below a root folder of their own and returns it."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write


def host(root: Path, cpus: int = 64, total: int = 256 * GB, available: int = 200 * GB) -> Probes:
    """A Linux machine whose /proc and /sys are below `root`."""
    return Probes(
        platform="linux",
        logical_cpus=lambda: cpus,
        physical_cpus=lambda: cpus // 2,
        affinity=lambda: tuple(range(cpus)),
        ram=lambda: (total, available),
        partitions=lambda: (),
        disk_usage=lambda mount: (100 * GB, 40 * GB),
        root=root,
    )


def test_a_machine_without_limits_is_reported_as_it_is(lay: Lay) -> None:
    """No control group, no affinity: the host's own figures, and nothing named as a limit."""
    found = measure(host(lay({})))
    assert (found.logical_cpus, found.physical_cpus, found.numa_nodes) == (64, 32, 1)
    assert (found.total_ram_bytes, found.available_ram_bytes) == (256 * GB, 200 * GB)
    assert found.limited_by == {}


def test_a_v2_container_reports_its_limits_not_the_hosts(lay: Lay) -> None:
    """R1: a container with 2 CPUs and 4 GB, seen from inside its own group name space."""
    root = lay(
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2_MOUNT.format(root="/"),
            "sys/fs/cgroup/cpu.max": "200000 100000\n",
            "sys/fs/cgroup/memory.max": f"{4 * GB}\n",
            "sys/fs/cgroup/memory.current": f"{3 * GB}\n",
            "sys/fs/cgroup/memory.stat": f"anon 1\ninactive_file {2 * GB}\nactive_file 5\n",
        }
    )
    found = measure(host(root))
    assert (found.logical_cpus, found.total_ram_bytes) == (2, 4 * GB)
    assert found.available_ram_bytes == 3 * GB
    assert found.limited_by == {"logical_cpus": "cgroup", "total_ram_bytes": "cgroup"}


def test_of_nested_groups_the_strictest_counts_wherever_it_stands(lay: Lay) -> None:
    """A slice above ours may be the limit: 3 CPUs in the parent, 8 GB in the grandparent, more in our own group."""
    root = lay(
        {
            "proc/self/cgroup": "0::/a/b/c\n",
            "proc/self/mountinfo": V2_MOUNT.format(root="/"),
            "sys/fs/cgroup/a/b/c/cpu.max": "800000 100000\n",
            "sys/fs/cgroup/a/b/cpu.max": "300000 100000\n",
            "sys/fs/cgroup/a/cpu.max": "max 100000\n",
            "sys/fs/cgroup/a/b/c/memory.max": "max\n",
            "sys/fs/cgroup/a/b/memory.max": f"{16 * GB}\n",
            "sys/fs/cgroup/a/memory.max": f"{8 * GB}\n",
            "sys/fs/cgroup/a/memory.current": f"{2 * GB}\n",
        }
    )
    found = measure(host(root))
    assert (found.logical_cpus, found.total_ram_bytes, found.available_ram_bytes) == (3, 8 * GB, 6 * GB)


def test_a_v1_container_whose_mount_is_its_own_group_is_understood(lay: Lay) -> None:
    """The path in /proc/self/cgroup is the host's, the mount begins at the container's group."""
    root = lay(
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n",
            "proc/self/mountinfo": V1_MOUNT.format(n=2, root="/docker/abc", name="cpu")
            + V1_MOUNT.format(n=5, root="/docker/abc", name="memory"),
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{6 * GB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{5 * GB}\n",
            "sys/fs/cgroup/memory/memory.stat": f"cache 1\ntotal_inactive_file {1 * GB}\n",
        }
    )
    found = measure(host(root))
    assert found.logical_cpus == 2, "2.5 CPUs are rounded down"
    assert (found.total_ram_bytes, found.available_ram_bytes) == (6 * GB, 2 * GB)


def test_v1_groups_without_limits_limit_nothing(lay: Lay) -> None:
    """-1 and a number near 2**63 mean that there is no limit."""
    root = lay(
        {
            "proc/self/cgroup": "5:cpu:/\n4:memory:/\n",
            "proc/self/mountinfo": V1_MOUNT.format(n=2, root="/", name="cpu")
            + V1_MOUNT.format(n=5, root="/", name="memory"),
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        }
    )
    assert measure(host(root)).limited_by == {}


def test_a_quota_below_one_cpu_is_still_one(lay: Lay) -> None:
    """Half a CPU runs one file at a time."""
    root = lay(
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2_MOUNT.format(root="/"),
            "sys/fs/cgroup/cpu.max": "50000 100000\n",
        }
    )
    assert measure(host(root)).logical_cpus == 1


def test_affinity_limits_and_narrows_the_nodes_and_cores(lay: Lay) -> None:
    """Six of eight CPUs: the nodes hold only ours, and two CPUs of one core are one core."""
    files = {
        f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": f"{n // 2 * 2}-{n // 2 * 2 + 1}"
        for n in range(8)
    }
    files |= {
        "sys/devices/system/node/online": "0-2\n",
        "sys/devices/system/node/node0/cpulist": "0-3\n",
        "sys/devices/system/node/node1/cpulist": "4-7\n",
        "sys/devices/system/node/node2/cpulist": "\n",
    }
    probes = replace(host(lay(files), cpus=8), affinity=lambda: (2, 3, 4, 5, 6, 7))
    found = measure(probes)
    assert (found.logical_cpus, found.physical_cpus) == (6, 3)
    assert (found.numa_nodes, found.numa_cpus) == (2, ((2, 3), (4, 5, 6, 7)))
    assert found.limited_by == {"logical_cpus": "affinity"}


def test_memory_is_of_the_host_where_the_group_allows_more(lay: Lay) -> None:
    """A limit above the machine's memory is none."""
    root = lay(
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2_MOUNT.format(root="/"),
            "sys/fs/cgroup/memory.max": f"{999 * GB}\n",
        }
    )
    reading = memory_reading(host(root))
    assert (reading.total_bytes, reading.available_bytes) == (256 * GB, 200 * GB)
    assert reading.used_percent == pytest.approx(100 * 56 / 256)


def test_memory_readings_follow_the_group_from_moment_to_moment(lay: Lay) -> None:
    """What is found once is where the groups are; their figures are read every time."""
    root = lay(
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2_MOUNT.format(root="/"),
            "sys/fs/cgroup/memory.max": f"{10 * GB}\n",
            "sys/fs/cgroup/memory.current": f"{1 * GB}\n",
        }
    )
    assert memory_reading(host(root)).used_percent == pytest.approx(10)
    lay({"sys/fs/cgroup/memory.current": f"{9 * GB}\n"})
    assert memory_reading(host(root)).used_percent == pytest.approx(90)


def test_throttling_by_memory_high_counts_as_a_limit(lay: Lay) -> None:
    """Above memory.high the kernel slows a group down to a crawl, so it must not be planned for."""
    root = lay(
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2_MOUNT.format(root="/"),
            "sys/fs/cgroup/memory.max": f"{10 * GB}\n",
            "sys/fs/cgroup/memory.high": f"{7 * GB}\n",
        }
    )
    assert memory_reading(host(root)).total_bytes == 7 * GB


def test_disks_tell_their_kind_and_a_network_share_is_not_asked(lay: Lay) -> None:
    """A dead share would hang, so its size stays unknown; a device mounted twice is listed once."""
    root = lay({"sys/class/block/sda/queue/rotational": "1\n", "sys/class/block/nvme0n1/queue/rotational": "0\n"})
    asked: list[str] = []

    def usage(mount: str) -> tuple[int, int] | None:
        asked.append(mount)
        return None if mount == "/broken" else (100, 40)

    partitions = (
        Partition("/dev/nvme0n1", "/etc/hosts", "ext4"),
        Partition("/dev/nvme0n1", "/", "ext4"),
        Partition("/dev/sda", "/data", "xfs"),
        Partition("/dev/sdz", "/broken", "xfs"),
        Partition("server:/sims", "/sims", "nfs4"),
    )
    disks = measure(replace(host(root), partitions=lambda: partitions, disk_usage=usage)).disks
    assert {disk.mount.as_posix(): (disk.kind, disk.free_bytes) for disk in disks} == {
        "/": ("ssd", 40),
        "/data": ("hdd", 40),
        "/sims": ("network", None),
        "/broken": ("unknown", None),
    }
    assert "/sims" not in asked


def test_garbage_in_the_systems_files_is_no_limit_and_no_error(lay: Lay) -> None:
    """Whatever stands in there, the host is measured."""
    root = lay(
        {
            "proc/self/cgroup": "nonsense\n0::/x\n",
            "proc/self/mountinfo": "short\n" + V2_MOUNT.format(root="/"),
            "sys/fs/cgroup/x/cpu.max": "many 0\n",
            "sys/fs/cgroup/cpu.max": "100000 0\n",
            "sys/fs/cgroup/x/memory.max": "-4\n",
            "sys/devices/system/node/online": "?\n",
        }
    )
    assert measure(host(root)).limited_by == {}


def test_cpu_lists_are_read_with_ranges_and_gaps() -> None:
    """The form in which /sys lists CPUs."""
    assert parse_cpu_list("0-3,8,10-11\n") == (0, 1, 2, 3, 8, 10, 11)
    assert parse_cpu_list("") == ()


def test_this_machine_can_be_measured() -> None:
    """The real probes give sane figures wherever this test runs."""
    found = measure()
    assert 1 <= found.physical_cpus <= found.logical_cpus
    assert 0 < found.available_ram_bytes <= found.total_ram_bytes
    assert found.numa_nodes == len(found.numa_cpus) >= 1
    assert 0 <= memory_reading().used_percent <= 100
