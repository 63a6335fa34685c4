"""Faults from outside, each at its moment."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from typing import TYPE_CHECKING

import psutil

from faults.campaign.arena import BALLAST, Arena, is_tracker, tree_of, workers
from faults.harness import Child, alive

if TYPE_CHECKING:
    from pathlib import Path

    from faults.campaign.faults import Fault
    from faults.campaign.watching import Watch

STOPPED_S = 0.3
"""How long a worker stands still that goes on. Longer: it would meet a `timeout`. Shorter: nothing would notice."""
LIMITS = {
    "memory-limit": resource.RLIMIT_AS,
    "descriptor-limit": resource.RLIMIT_NOFILE,
    "file-size-limit": resource.RLIMIT_FSIZE,
}


def inject(fault: Fault, arena: Arena, child: Child, watch: Watch) -> bool:
    """Wait for its moment and do it; False where the run was faster, or this machine cannot."""
    if not watch.until(fault):
        return False
    ways = {"SIG": _signal, "kill-tree": _kill, "kill-parent": _kill, "-limit": _limit, "-worker": _harm_worker}
    ways |= {"-input": _harm_input, "-folder": _harm_folder}
    return next(way for part, way in ways.items() if part in fault.kind)(fault, arena, child)


def _kill(fault: Fault, arena: Arena, child: Child) -> bool:
    arena.killed |= tree_of(child.pid)
    arena.killed_s = time.monotonic()
    if fault.kind == "kill-tree":
        child.kill_tree()
    else:
        child.signal(signal.SIGKILL)
    return True


def _signal(fault: Fault, _: Arena, child: Child) -> bool:
    for number in range(fault.what.details.index(fault.detail) + 1):
        if number:
            time.sleep(fault.delay_s)
        if not alive(child.pid):
            return bool(number)
        child.signal(getattr(signal, fault.kind))
    return True


def _worker(fault: Fault, parent: int) -> psutil.Process | None:
    """The one that it is about, where there is one by now."""
    # One of Python's own beside them has no part of a run.
    found = [process for process in workers(parent) if not is_tracker(process)]
    there = sorted(found, key=lambda process: process.pid)
    return there[fault.file % len(there)] if there else None


def _harm_worker(fault: Fault, arena: Arena, child: Child) -> bool:
    worker = _worker(fault, child.pid)
    if worker is None:
        return False
    arena.killed.add(worker.pid)
    with contextlib.suppress(psutil.NoSuchProcess):
        if fault.kind == "kill-worker":
            worker.kill()
        else:
            worker.suspend()
        if fault.kind == "stop-worker":
            time.sleep(STOPPED_S)
            worker.resume()
            arena.killed.discard(worker.pid)
    return True


def _limit(fault: Fault, _: Arena, child: Child) -> bool:
    """Lower a limit of the parent or of a worker to what it uses, and a little."""
    worker = _worker(fault, child.pid) if fault.detail == "worker" else None
    pid = worker.pid if worker else child.pid
    try:
        which = LIMITS[fault.kind]
        most = {
            "memory-limit": psutil.Process(pid).memory_info().vms + fault.room**2 * 1_000_000,
            "descriptor-limit": psutil.Process(pid).num_fds() + fault.room // 2,
            "file-size-limit": 1 << (10 + fault.room),
        }[fault.kind]
        resource.prlimit(pid, which, (most, resource.prlimit(pid, which)[1]))
    except (psutil.NoSuchProcess, OSError):
        return False
    return True


def _harm_input(fault: Fault, arena: Arena, _: Child) -> bool:
    sim = arena.folder / "sims" / arena.names[fault.file]
    if not sim.parent.is_dir():
        return False
    content = sim.read_bytes() if sim.is_file() else b""
    sim.unlink(missing_ok=True)
    if fault.kind == "cut-input":
        sim.write_bytes(content[: len(content) // 2])
    elif fault.kind == "pipe-for-input":
        os.mkfifo(sim)
    return True


def _harm_folder(fault: Fault, arena: Arena, _: Child) -> bool:
    place = arena.places.get(fault.detail, arena.folder / "sims")
    if fault.kind == "vanishing-folder":
        arena.remove(place)
    elif place not in arena.mounted:
        return False
    elif fault.kind == "full-folder":
        _fill(place, leave=fault.room * 4096)
    else:
        return arena.cover(place)
    return True


def _fill(place: Path, *, leave: int) -> None:
    """Leave so many bytes free."""
    room = os.statvfs(place)
    content = max(0, room.f_bavail * room.f_frsize - leave)
    with contextlib.suppress(OSError), (place / BALLAST).open("wb", buffering=0) as ballast:
        ballast.write(bytes(content))
