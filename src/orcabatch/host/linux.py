"""Linux: control group limits (v1 and v2, nested), NUMA nodes, cores and kinds of disks, read from /proc and /sys.

Covers reading under any root folder, so that a test can lay out a host as files. Does not cover affinity and totals
(`orcabatch.host.measure`). A file that is missing or unreadable means that there is no such limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from orcabatch.host.values import DiskKind, MemoryReading

_NO_LIMIT = 2**60
"""cgroup v1 writes a number near 2**63 where there is no limit."""


@dataclass(frozen=True, slots=True)
class Controller:
    """A mounted control group hierarchy and this process's place in it.

    Attributes:
        version: 1 or 2.
        names: its controllers (v1); empty for v2, where every level may have any.
        levels: folders from this process's group up to the mount.
    """

    version: int
    names: frozenset[str]
    levels: tuple[Path, ...]


def read_text(path: Path) -> str | None:
    """The text of a small system file; None where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """CPU numbers from a list such as `0-3,8,10-11`."""
    cpus: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit():
            cpus.extend(range(int(first), int(last or first) + 1))
    return tuple(cpus)


def controllers(root: Path = Path("/")) -> tuple[Controller, ...]:
    """The control group hierarchies that this process is in."""
    places = _places(read_text(root / "proc/self/cgroup") or "")
    mounts = _mounts(read_text(root / "proc/self/mountinfo") or "")
    found: list[Controller] = []
    for version, names, mount, mount_root in mounts:
        place = places.get("") if version == 2 else next((places[n] for n in names if n in places), None)
        if place is not None:
            levels = tuple(_levels(root / mount.lstrip("/"), place, mount_root))
            found.append(Controller(version, names, levels))
    return tuple(found)


def cpu_quota(hierarchies: tuple[Controller, ...]) -> float | None:
    """CPUs per wall second that the strictest level allows; None without a limit."""
    quotas = [quota for level, version in _levels_with("cpu", hierarchies) if (quota := _quota(level, version))]
    return min(quotas, default=None)


def memory_limit(hierarchies: tuple[Controller, ...]) -> MemoryReading | None:
    """Memory of the level with the smallest limit; None without a limit."""
    readings = [r for level, version in _levels_with("memory", hierarchies) if (r := _memory(level, version))]
    return min(readings, key=lambda reading: (reading.total_bytes, reading.available_bytes), default=None)


def numa_nodes(allowed: frozenset[int], root: Path = Path("/")) -> tuple[tuple[int, ...], ...]:
    """The allowed CPUs of each memory node; nodes without any are left out."""
    folder = root / "sys/devices/system/node"
    numbers = parse_cpu_list(read_text(folder / "online") or "")
    nodes = (parse_cpu_list(read_text(folder / f"node{number}/cpulist") or "") for number in numbers)
    within = (tuple(cpu for cpu in node if cpu in allowed) for node in nodes)
    return tuple(node for node in within if node)


def physical_cores(allowed: frozenset[int], root: Path = Path("/")) -> int | None:
    """Cores that the allowed CPUs stand on; None where the system does not say."""
    folder = root / "sys/devices/system/cpu"
    cores = {read_text(folder / f"cpu{cpu}/topology/thread_siblings_list") for cpu in allowed}
    return None if None in cores or not cores else len(cores)


def disk_kind(device: str, root: Path = Path("/")) -> DiskKind:
    """Whether a block device turns: ssd, hdd or unknown; a partition is asked through its disk."""
    name = PurePosixPath(device).name
    folder = (root / "sys/class/block" / name).resolve()
    for place in (folder, folder.parent):
        turns = read_text(place / "queue/rotational")
        if turns is not None:
            return "hdd" if turns.strip() == "1" else "ssd"
    return "unknown"


def _places(text: str) -> dict[str, str]:
    """This process's group by controller; the empty name is v2's."""
    places: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            places.update(dict.fromkeys(parts[1].split(","), parts[2]))
    return places


def _mounts(text: str) -> Iterator[tuple[int, frozenset[str], str, str]]:
    """Version, controllers, mount point and mounted root of each control group mount."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or not kind or kind[0] not in {"cgroup", "cgroup2"}:
            continue
        names = frozenset(kind[-1].split(",")) if kind[0] == "cgroup" else frozenset[str]()
        yield (2 if kind[0] == "cgroup2" else 1), names, fields[4], fields[3]


def _levels(mount: Path, place: str, mount_root: str) -> Iterator[Path]:
    """From the group up to the mount. In a container the mount already is a part of the path."""
    path = PurePosixPath(place)
    if mount_root != "/" and path.is_relative_to(mount_root):
        path = PurePosixPath("/") / path.relative_to(mount_root)
    for level in (path, *path.parents):
        yield mount / str(level).lstrip("/")


def _levels_with(name: str, hierarchies: tuple[Controller, ...]) -> Iterator[tuple[Path, int]]:
    for hierarchy in hierarchies:
        if hierarchy.version == 2 or name in hierarchy.names:
            for level in hierarchy.levels:
                yield level, hierarchy.version


def _quota(level: Path, version: int) -> float | None:
    if version == 2:
        parts = (read_text(level / "cpu.max") or "").split()
    else:
        parts = [(read_text(level / f"cpu.cfs_{name}_us") or "").strip() for name in ("quota", "period")]
    if len(parts) != 2 or not all(part.isdigit() for part in parts) or int(parts[1]) == 0:
        return None
    return int(parts[0]) / int(parts[1]) or None


def _memory(level: Path, version: int) -> MemoryReading | None:
    limits, usage, cache = (
        (("memory.max", "memory.high"), "memory.current", "inactive_file")
        if version == 2
        else (("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file")
    )
    total = min((n for name in limits if 0 < (n := _number(level / name)) < _NO_LIMIT), default=None)
    if total is None:
        return None
    used = max(0, _number(level / usage) - _stat(level, cache))
    return MemoryReading(total, max(0, total - used))


def _number(path: Path) -> int:
    text = (read_text(path) or "").strip()
    return int(text) if text.isdigit() else 0


def _stat(level: Path, name: str) -> int:
    for line in (read_text(level / "memory.stat") or "").splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdigit():
            return int(value)
    return 0
