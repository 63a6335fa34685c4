"""Whether memory stays below the cap in real runs, measured from outside.

    parent: makes a memory cgroup, starts a child in it, reads the cgroup every few milliseconds
    child:  `python -m orcabatch.bench.real_memory QUESTION`: one batch through the engine, as `run_batch` does

Covers runs whose files together need many times the cap, on threads and on processes, with a true factor per file that
the engine does not know, and a neighbour that takes a third of the memory half-way. Needs a memory cgroup that can be
written (version 1 or 2); without one it says so. What is compared with the cap is memory that cannot be given back:
page cache that the kernel can drop is left out, as the engine leaves it out.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orcabatch import simulated
from orcabatch.bench.workloads import MB, MEMORY_FACTORS

CAP_PERCENT = 80
"""`memory.max_usage_percent` as it is by default."""
LOOK_S = 0.005
"""How often the parent looks: a peak between two looks is not seen."""
EXECUTORS = ("threads", "processes")


@dataclass(frozen=True, slots=True)
class MemoryCgroup:
    """A memory cgroup of our own.

    Attributes:
        folder: where it is.
        version: 1 or 2.
    """

    folder: Path
    version: int

    def limit_to(self, limit_bytes: int) -> None:
        """Set its limit."""
        (self.folder / ("memory.limit_in_bytes" if self.version == 1 else "memory.max")).write_text(
            str(limit_bytes), encoding="utf-8"
        )

    def add(self, pid: int) -> None:
        """Put a process in."""
        (self.folder / "cgroup.procs").write_text(str(pid), encoding="utf-8")

    def held_bytes(self) -> int:
        """Memory in use that cannot simply be dropped."""
        stat = dict(line.split() for line in (self.folder / "memory.stat").read_text(encoding="utf-8").splitlines())
        if self.version == 1:
            return int(stat["total_rss"]) + int(stat.get("total_shmem", 0))
        return int(stat["anon"]) + int(stat.get("shmem", 0))


@contextmanager
def own_group() -> Iterator[MemoryCgroup | None]:
    """A new cgroup, removed afterwards; None where none can be made."""
    group = _made_group()
    try:
        yield group
    finally:
        if group is not None:
            group.folder.rmdir()


def _made_group() -> MemoryCgroup | None:
    name = f"orcabatch-bench-{os.getpid()}"
    for root, version in ((Path("/sys/fs/cgroup/memory"), 1), (Path("/sys/fs/cgroup"), 2)):
        folder = root / name
        try:
            folder.mkdir()
        except OSError:
            continue
        if (folder / "memory.stat").exists():
            return MemoryCgroup(folder, version)
        folder.rmdir()
    return None


def hungry_batch(folder: Path, *, together_bytes: int, sizes: tuple[int, int]) -> list[Path]:
    """Files that together need about so much memory once loaded, each with a factor of its own."""
    target = folder / f"hungry-{together_bytes}-{sizes[1]}"
    if not target.exists():
        spec = simulated.SimSpec(objects=simulated.mooring_objects(3), stop_time_s=20.0)
        least, most = MEMORY_FACTORS
        mean = (most - least) / math.log(most / least)  # drawn evenly over its logarithm
        count = math.ceil(together_bytes / (sum(sizes) / 2 * mean))
        simulated.generate_batch(
            target,
            lngc=0,
            standard=count,
            standard_bytes=sizes,
            objects=3,
            base=spec,
            memory_factors=MEMORY_FACTORS,
            seed=0,
        )
    return sorted(target.glob("*.sim"))


def one_run(files: Sequence[Path], executor: str, *, limit_bytes: int, neighbour: bool = False) -> dict[str, Any]:
    """One batch in a child in a cgroup of this size; the highest memory seen, and when it stood above the cap."""
    cap = limit_bytes * CAP_PERCENT // 100
    with own_group() as group:
        if group is None:
            return {"executor": executor, "neighbour": neighbour, "skipped": "no memory cgroup can be made here"}
        group.limit_to(limit_bytes)
        question = {
            "files": [str(file) for file in files], "executor": executor, "group": str(group.folder),
            "neighbour_bytes": limit_bytes // 3 if neighbour else 0, "sys_path": sys.path,
        }  # fmt: skip
        command = [sys.executable, "-m", "orcabatch.bench.real_memory", json.dumps(question)]
        environment = os.environ | {simulated.costs.COSTS_VARIABLE: simulated.Costs(log_pass_s=0.4).to_json()}
        none = subprocess.DEVNULL
        with subprocess.Popen(command, stdin=none, stdout=subprocess.PIPE, text=True, env=environment) as child:
            try:
                seen = _watch(group, child)
            finally:
                child.kill()  # it has ended, unless we were interrupted
            told = json.loads(child.stdout.read().splitlines()[-1]) if child.stdout is not None else {}
    return told | {
        "executor": executor,
        "neighbour": neighbour,
        "files": len(files),
        "limit_bytes": limit_bytes,
        "cap_bytes": cap,
        "peak_bytes": max(held for _, held in seen),
        "above_cap_s": longest_above(seen, cap),
        "looks": len(seen),
    }


def longest_above(seen: Sequence[tuple[float, int]], cap: int) -> float:
    """Seconds of the longest stretch in which every look found more than the cap."""
    longest = 0.0
    since: float | None = None
    for at_s, held in seen:
        if held <= cap:
            since = None
            continue
        since = at_s if since is None else since
        longest = max(longest, at_s - since)
    return longest


def _watch(group: MemoryCgroup, child: subprocess.Popen[str]) -> list[tuple[float, int]]:
    seen = []
    while child.poll() is None:
        seen.append((time.perf_counter(), group.held_bytes()))
        time.sleep(LOOK_S)
    return seen


def all_runs(folder: Path, *, quick: bool = False) -> list[dict[str, Any]]:
    """Threads and processes, each alone and with a neighbour."""
    limit_bytes = 600 * MB
    times = 2 if quick else 11
    files = hungry_batch(folder, together_bytes=times * limit_bytes * CAP_PERCENT // 100, sizes=(4 * MB, 20 * MB))
    return [
        one_run(files, executor, limit_bytes=limit_bytes, neighbour=neighbour)
        for neighbour in (False, True)
        for executor in EXECUTORS
    ]


def row(result: dict[str, Any]) -> dict[str, Any]:
    """A run as a row of the table."""
    if "skipped" in result:
        return {"workers": result["executor"], "note": result["skipped"]}
    return {
        "workers": result["executor"],
        "neighbour": "takes a third half-way" if result["neighbour"] else "",
        "files": f"{result['done']} of {result['files']}",
        "needed / cap": f"{result['needed_bytes'] / result['cap_bytes']:.1f}",
        "peak / cap": f"{result['peak_bytes'] / result['cap_bytes']:.3f}",
        "longest above cap s": f"{result['above_cap_s']:.2f}",
        "longest file s": f"{result['longest_s']:.2f}",
        "started above cap": result["started_above"],
        "most at once": result["most_at_once"],
    }


# --- the child ----------------------------------------------------------------------------------------------------


def main(question: dict[str, Any]) -> dict[str, Any]:
    """Run the batch in the cgroup; what the files really needed, and what was started above the cap."""
    group = Path(question["group"])
    (group / "cgroup.procs").write_text(str(os.getpid()), encoding="utf-8")
    from orcabatch.bench.real_engine import outcomes
    from orcabatch.bench.real_work import one_history
    from orcabatch.host import memory_reading

    files = [Path(file) for file in question["files"]]
    watch = _Starts(memory_reading)
    performance = {
        "executor": question["executor"], "process_count": 2, "threads_per_process": 2,
        "memory": {"max_usage_percent": CAP_PERCENT}, "threading": {"max_threads": 45},
    }  # fmt: skip
    done, longest, neighbour = 0, 0.0, None
    try:
        for outcome in outcomes(files, one_history, performance, listener=watch):
            done += outcome.ok
            longest = max(longest, outcome.busy_s)
            if neighbour is None and question["neighbour_bytes"] and done >= len(files) // 2:
                neighbour = _neighbour(group, question["neighbour_bytes"])
    finally:
        if neighbour is not None:
            neighbour.kill()
            neighbour.wait()
    needed = sum(file.stat().st_size * simulated.SimFile(file).header.spec.memory_factor for file in files)
    return {
        "done": done,
        "longest_s": longest,
        "needed_bytes": int(needed),
        "started_above": watch.above,
        "most_at_once": watch.most,
    }


class _Starts:
    """Counts the files that were admitted while memory stood above the cap."""

    def __init__(self, reading: Any) -> None:
        self._reading = reading
        self.above = self.most = 0
        self._running: set[int] = set()

    def __call__(self, event: Any) -> None:
        if event.kind == "started":
            self._running.add(event.index)
            self.most = max(self.most, len(self._running))
        elif event.kind == "finished":
            self._running.discard(event.index)
        elif event.kind == "admission" and event.index >= 0 and self._running:
            self.above += self._reading().used_percent > CAP_PERCENT


def _neighbour(group: Path, size_bytes: int) -> subprocess.Popen[bytes]:
    """Another program in the same cgroup that takes memory and keeps it; taken when this returns."""
    code = (
        "import os, sys\n"
        f"open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n"
        f"kept = bytearray(os.urandom(1)) * {size_bytes}\n"
        "print('taken', flush=True)\nsys.stdin.read()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if process.stdout is not None:
        process.stdout.readline()
    return process


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    sys.path[:] = asked["sys_path"]
    sys.stdout.write(json.dumps(main(asked)) + "\n")
