"""A project of its own for one case: what is run in it, what can be seen of it from outside."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from faults.campaign.faults import FILES, IMPORTING_S, IN_PROCESS, START_TIMEOUT_S, TIMEOUT_S, Case, Fault, Way
from faults.campaign.hostile import FOLDER
from faults.harness import Child, Project, Server
from orcabatch import simulated
from orcabatch.simulated.counter_file import BLOCK_SLOTS, Slot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOAD_S = 0.03
"""How long each load waits in the harmed run, so that faults meet files that are being worked on."""
ROOM_BYTES = 8_000_000
"""Of the file systems that are filled or made read-only at their moment."""
EVERY = 100
"""So many loads of a file go wrong: all that there are."""
BALLAST = "ballast"
METRICS = "performance_metrics.json"
VICTIM = "faults.campaign.victim"
TENSION = "faults.campaign.hostile:tension"


def made_template(folder: Path, server: Server) -> Project:
    """The files that every case gets."""
    project = Project.made(folder, server, files=FILES)
    project.change(performance={})
    return project


class Arena:
    """A project of its own for one case.

    Attributes:
        folder, names: where it is, and its files, sorted.
        places: folders that faults harm, by name.
        mounted: those with a file system of their own.
        covered: what was mounted to make some of them read-only, the last one on top.
        met: the faults that were injected.
        killed: processes that were killed on purpose: what they held went with them.
        killed_s: when the run itself was, by the monotonic clock.
        taken: the metrics file that the run had written when its folder was removed; empty: there was none.
    """

    def __init__(self, folder: Path, template: Project, case: Case) -> None:
        self.case, self.folder = case, folder
        self.project = Project(folder, template.server, simulated.Costs(load_latency_s=LOAD_S))
        for name in ("sims", "notes", "temporary", "results", "state"):
            (folder / name).mkdir()
        for sim in sorted((template.folder / "sims").glob("*.sim")):
            os.link(sim, folder / "sims" / sim.name)
        shutil.copyfile(template.folder / "dm_fsts.yml", folder / "dm_fsts.yml")
        self.template = template
        self.names = tuple(sim.name for sim in self.project.sims)
        self.places = {"results": self.project.results, "state": folder / "state", "temporary": folder / "temporary"}
        self.mounted: list[Path] = []
        self.covered: list[Path] = []
        self.met: list[str] = []
        self.killed: set[int] = set()
        self.killed_s = 0.0
        self.taken = b""

    def start(self, executor: str, faults: tuple[Fault, ...], *, entry: str = "run") -> Child:
        """Begin a run that is to meet these faults, or none."""
        self._order(faults)
        (self.folder / "notes" / "report.html").unlink(missing_ok=True)
        environ = {
            **self.project.environ,
            FOLDER: str(self.folder / "notes"),
            "TMPDIR": str(self.places["temporary"]),
        }
        return self.project.start(**self._job(executor, faults), environ=environ, entry=f"{VICTIM}:{entry}")

    def _job(self, executor: str, faults: tuple[Fault, ...]) -> dict[str, Any]:
        """The run as `victim.run` takes it."""
        performance: dict[str, Any] = {
            "executor": "processes" if executor == "hybrid" else executor,
            "threading": {"max_threads": 2, "min_threads": 1},
            "process_count": 2,
            "threads_per_process": 1,
            "start_timeout": START_TIMEOUT_S,
        }
        if executor == "hybrid":
            performance |= {"threading": {"mode": "hybrid", "max_threads": 4}, "threads_per_process": 2}
        if any(fault.what.timeout for fault in faults):
            imports = self.case.work != "function" and executor not in IN_PROCESS
            performance["timeout"] = TIMEOUT_S + (IMPORTING_S if imports else 0.0)
        job: dict[str, Any] = {"notes": str(self.folder / "notes")}
        job["threads"] = next((int(each.detail) for each in faults if each.kind == "no-threads"), None)
        if self.case.work == "command":
            job["words"] = self._words(performance)
            return job
        job["arguments"] = {"performance": performance}
        if self.case.work == "function":
            job["source"], job["function"] = [str(sim) for sim in self.project.sims], TENSION
            job["arguments"] |= {"version": "1", "output_dir": str(self.project.results)}
        else:
            job["source"] = str(self.folder / "dm_fsts.yml")
        return job

    def _words(self, performance: Mapping[str, Any]) -> list[str]:
        words = ["run", str(self.folder / "dm_fsts.yml"), "--orcaflex", "simulated"]
        for key, value in performance.items():
            deeper = value.items() if isinstance(value, dict) else [("", value)]
            words += [f"performance.{key}{'.' if below else ''}{below}={what}" for below, what in deeper]
        return [*words, "--report", str(self.folder / "notes" / "report.html")]

    def _order(self, faults: tuple[Fault, ...]) -> None:
        """Tell the function, its module and the simulated OrcaFlex what they are to do."""
        orders, costs = {}, {}
        for fault in faults:
            name = self.names[fault.file]
            if fault.what.way is Way.FUNCTION:
                orders[name] = {"kind": fault.kind, "detail": fault.detail, "late": fault.late}
            elif fault.what.way is Way.IMPORT:
                orders["import"] = {"kind": fault.kind, "detail": fault.detail}
            elif fault.what.way is Way.ORCAFLEX:
                costs |= {
                    "load-crashes": {"crash_loads": {name: EVERY}},
                    "load-hangs": {"hang_loads": {name: None}},
                    "load-fails": {"fail_loads": {name: (22, EVERY)}},
                }[fault.kind]
            if fault.what.way is not Way.OUTSIDE:
                self.met.append(fault.kind)
            if fault.what.root:
                self._mount(fault)
        self.project.costs = simulated.Costs(load_latency_s=LOAD_S if faults else 0.0, **costs)
        (self.folder / "notes" / "orders.json").write_text(json.dumps(orders))

    def _mount(self, fault: Fault) -> None:
        """A small file system, to be filled or made read-only at its moment."""
        place = self.places[fault.detail]
        if place in self.mounted:
            return
        place.mkdir(parents=True, exist_ok=True)
        if _done("mount", "-t", "tmpfs", "-o", f"size={ROOM_BYTES}", "tmpfs", place):
            self.mounted.append(place)

    def cover(self, place: Path) -> bool:
        """Make it read-only for all that is opened there from now on, at one moment.

        The file system itself cannot become so while the run has a lock or the ledger open for writing.
        """
        aside = self.folder / f"{place.name}-read-only-{len(self.covered)}"
        aside.mkdir()
        if not _done("mount", "--bind", place, aside):
            return False
        self.covered.append(aside)
        if not (_done("mount", "-o", "remount,bind,ro", aside) and _done("mount", "--bind", aside, place)):
            return False
        self.covered.append(place)
        return True

    def _uncover(self) -> None:
        while self.covered:
            _done("umount", "-l", self.covered.pop())

    def remove(self, place: Path) -> None:
        """Remove a folder, at one moment: what stands in it then the run has written, what does not it has to miss."""
        gone = self.folder / f"{place.name}-gone"
        try:
            place.rename(gone)
        except OSError:  # it is removed already, or has a file system of its own
            gone = place
        metrics = gone / METRICS
        self.taken = metrics.read_bytes() if metrics.is_file() else self.taken
        shutil.rmtree(gone, ignore_errors=True)

    def heal(self) -> None:
        """Take the harm away, so that the next run can do what is missing."""
        self.taken = b""
        self._uncover()
        for place in self.mounted:
            (place / BALLAST).unlink(missing_ok=True)
        for place in self.places.values():
            place.mkdir(parents=True, exist_ok=True)
        sims = self.folder / "sims"
        sims.mkdir(exist_ok=True)
        for sim in (self.template.folder / "sims").glob("*.sim"):
            own = sims / sim.name
            if not own.is_file() or not own.samefile(sim):
                own.unlink(missing_ok=True)
                os.link(sim, own)
        for pid in self.forked():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """Take away what it mounted and started."""
        for process in self.project._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._uncover()
        for place in self.mounted:
            _done("umount", "-l", place)

    def forked(self) -> set[int]:
        """The processes that the function left on purpose."""
        return {int(name) for what, name, _ in self.calls() if what == "forked"}

    @property
    def leader(self) -> str:
        """The first file as the folder itself lists them: digitalmodel's order."""
        return next(name for name in os.listdir(self.folder / "sims") if name in self.names)  # noqa: PTH208

    def calls(self) -> list[list[Any]]:
        """What the function noted so far."""
        return lines_of(self.folder / "notes" / "calls")

    def loads(self) -> Counter[str]:
        """How often each file was loaded so far."""
        return Counter(self.project.loads())

    def models(self) -> int:
        """Models that were never destroyed, in processes that were not killed."""
        left = 0
        for path in (self.folder / "counters").glob("*.counts"):
            if int(path.name.split("-")[0]) in self.killed:
                continue
            totals = np.fromfile(path, dtype=np.int64).reshape(-1, BLOCK_SLOTS).sum(axis=0)
            left += int(totals[Slot.MODELS_CREATED] - totals[Slot.MODELS_DESTROYED])
        return left

    def processes(self) -> list[psutil.Process]:
        """Those of this project that run, without the ones that the function left on purpose, and what these hold."""
        forked = self.forked()
        running = [each for each in self.project._processes() if each.status() != psutil.STATUS_ZOMBIE]
        left = [process for process in running if process.pid not in forked]
        if len(left) == len(running):
            return left
        return [process for process in left if not is_tracker(process)]


def _done(*words: str | Path) -> bool:
    """Whether the system did it."""
    return subprocess.run(list(map(str, words)), capture_output=True, check=False).returncode == 0


def is_tracker(process: psutil.Process) -> bool:
    """Python's own, of a process that used `multiprocessing`: it ends with the last that has its pipe, a fork as well.

    Once what the function left is ended it has to be gone, too: the healed run looks.
    """
    try:
        return "multiprocessing.resource_tracker" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def workers(pid: int) -> list[psutil.Process]:
    """The processes that a run has started."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def tree_of(pid: int) -> set[int]:
    """The ids of a run and of the processes that it has started."""
    return {pid, *(worker.pid for worker in workers(pid))}


def lines_of(path: Path) -> list[Any]:
    """The whole lines of a file of JSON lines."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    found = []
    for line in content[: content.rfind(b"\n") + 1].splitlines():
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found


def heard_of(child: Child) -> list[dict[str, Any]]:
    """What it said as values; the command writes for people, too."""
    return [line for line in lines_of(child.stdout) if isinstance(line, dict)]
