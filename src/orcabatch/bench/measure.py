"""Measuring contenders over workloads: fresh processes, a controlled page cache, rounds in alternating order.

    Contender x Made ── fresh process (bench/side/contender.py) ──> Run ── rounds ──> Measured (medians and spread)

Covers starting the processes, watching their memory from outside, and summing up. Does not cover who competes
(`orcabatch.bench.peers`) nor on what (`orcabatch.bench.workloads`). Times in seconds, memory in bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.console import awaited, awaited_end
from orcabatch.errors import OrcabatchError
from orcabatch.own_thread import OwnThread
from orcabatch.sleep import awake_s
from orcabatch.versions import DECISIVE, installed_versions, system_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orcabatch.bench.workloads import Made

SIDE = Path(__file__).parent / "side"
WATCH_EVERY_S = 0.1
"""How often memory is looked at: looking costs CPU that the contenders lack, so not more often."""
HOPELESS = 2.0
"""A peer that took so many times the fastest one's time is run once: more rounds would not change who is first."""
LONGEST_S = 600.0
"""A contender that takes longer is ended and stands as not finished."""
BUSY_LOOK_S = 1.0
"""How long is looked who else is busy, where the system keeps no average. Less: a moment passes for a load. More: every
bench begins so much later."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Contender:
    """Who does the work.

    Attributes:
        name: how it stands in the tables.
        kind: what `bench/side/contender.py` understands: `serial`, `threads:30`, `orcabatch`, ...
        performance: orcabatch's settings, merged over the workload's own; nothing for peers.
        partial: files may fail.
    """

    name: str
    kind: str
    performance: Mapping[str, Any] = field(default_factory=dict)
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """One contender on one workload, over all rounds.

    Attributes:
        contender, workload: their names.
        wall_s: one per round that finished.
        runs: everything that was counted, one mapping per round.
        error: why it did not finish; empty where it did.
        same_output: whether it wrote the bytes of digitalmodel's loop; None where there was none to compare with.
    """

    contender: str
    workload: str
    wall_s: tuple[float, ...] = ()
    runs: tuple[dict[str, Any], ...] = ()
    error: str = ""
    same_output: bool | None = None

    @property
    def median_s(self) -> float:
        """Median wall time; infinite where no round finished."""
        return statistics.median(self.wall_s) if self.wall_s else float("inf")

    def median(self, name: str) -> float:
        """Median of something counted; NaN where it was not."""
        values = [run[name] for run in self.runs if run.get(name) is not None]
        return statistics.median(values) if values else float("nan")

    def without_simulator_s(self, lanes: int) -> float:
        """Wall time less the simulated OrcaFlex's own Python, which ran on so many lanes at once."""
        return self.median_s - self.median("own_s") / max(1, lanes)


def compete(  # noqa: PLR0913 - who, on what, and four ways to go about it
    contenders: Sequence[Contender],
    made: Made,
    *,
    rounds: int = 3,
    warm_cache: bool = False,
    keep: Sequence[str] = (),
    say: Say = lambda _: None,
) -> list[Measured]:
    """Every contender on a workload, `rounds` times, every other round in reverse order.

    Args:
        contenders: who competes.
        made: the workload on disk.
        rounds: how often; a peer that took more than `HOPELESS` times the fastest peer's time in the first round is not
            run again.
        warm_cache: the files are read before each run instead of dropped from the page cache.
        keep: names that are run in every round whatever they took.
        say: told about every run.
    """
    walls: dict[str, list[dict[str, Any]]] = {contender.name: [] for contender in contenders}
    errors: dict[str, str] = {}
    with temporary_folder() as folder:
        for number in range(rounds):
            order = contenders if number % 2 == 0 else list(reversed(contenders))
            hopeless = _hopeless(contenders, walls, keep)
            for contender in order:
                if contender.name in errors or contender.name in hopeless:
                    continue
                out = folder / f"{contender.name.replace(' ', '_').replace(':', '_')}_{number}"
                try:
                    run = run_once(contender, made, out, warm_cache=warm_cache)
                except NotFinished as error:
                    errors[contender.name] = str(error)
                    say(f"  {contender.name}: {error}")
                    continue
                walls[contender.name].append(run)
                say(f"  {made.workload.name}, {contender.name}: {run['wall_s']:.2f} s")
        same = _compared(contenders, folder)
    return [
        Measured(
            contender.name,
            made.workload.name,
            tuple(run["wall_s"] for run in walls[contender.name]),
            tuple(walls[contender.name]),
            errors.get(contender.name, ""),
            same.get(contender.name),
        )
        for contender in contenders
    ]


def _hopeless(
    contenders: Sequence[Contender], runs: Mapping[str, Sequence[Mapping[str, Any]]], keep: Sequence[str]
) -> set[str]:
    """Peers that another peer beat by far in the first round."""
    first = {each.name: runs[each.name][0]["wall_s"] for each in contenders if runs[each.name]}
    peers = {each.name for each in contenders if each.kind not in {"orcabatch", "serial"} and each.name in first}
    fastest = min((first[name] for name in peers), default=0.0)
    return {name for name in peers if first[name] > HOPELESS * fastest and name not in keep}


class NotFinished(OrcabatchError):  # noqa: N818 - says what became of it
    """A contender ended with an error or took too long; the message has its last words."""


def run_once(contender: Contender, made: Made, out: Path, *, warm_cache: bool = False) -> dict[str, Any]:
    """One run in a fresh process, its outputs in `out`.

    Raises:
        NotFinished: it ended with an error, or took longer than `LONGEST_S`.
    """
    out.mkdir(parents=True)
    question = {
        "contender": contender.kind,
        "cfg": made.cfg,
        "files": made.files,
        "tiers": made.workload.tiers,
        "out": str(out),
        "performance": dict(contender.performance),
        "partial": contender.partial,
        "warm_cache": warm_cache,
        "answer": str(out / "answer.json"),
        "sys_path": [str(SIDE), *(path for path in sys.path if path)],
    }
    (out / "question.json").write_text(json.dumps(question), encoding="utf-8")
    peak = _process(out, made.workload.costs, contender.name)
    answer: dict[str, Any] = json.loads((out / "answer.json").read_text(encoding="utf-8"))
    return answer | {"peak_bytes": peak}


def _process(out: Path, costs: Mapping[str, Any], name: str) -> int:
    """Run the question in `out`; the peak memory of its processes together."""
    from orcabatch import simulated

    counters, state = out / "counters", str(out / "state")
    counters.mkdir()
    environment = {
        **os.environ,
        # Neither earlier runs' times nor the doctor's verdicts: what is measured is the same for every user.
        "XDG_STATE_HOME": state,
        "LOCALAPPDATA": state,
        **simulated.Costs(**costs).to_env(),
        "ORCABATCH_SIMULATED_COUNTERS": str(counters),
        "PYTHONPATH": os.pathsep.join([str(SIDE), *(path for path in sys.path if path)]),
    }
    command = [sys.executable, "-P", str(SIDE / "contender.py"), str(out / "question.json")]
    with (out / "said.txt").open("wb") as said:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, cwd=out
        )
        with _watched(process.pid) as peak:
            try:
                code = awaited(process.wait, awake_s() + LONGEST_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise NotFinished(f"{name} had not finished after {LONGEST_S:.0f} s and was ended") from None
    if code:
        words = (out / "said.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise NotFinished(f"{name} ended with code {code}: {words[-1] if words else 'it said nothing'}")
    return peak[0]


@contextmanager
def _watched(pid: int) -> Iterator[list[int]]:
    """While it lasts, look at the memory of the process and its children; the peak in bytes."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(WATCH_EVERY_S):
            peak[0] = max(peak[0], _memory_bytes(pid))

    watcher = OwnThread(watch, "orcabatch-bench-watches")
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        awaited_end(watcher)


def _memory_bytes(pid: int) -> int:
    """Memory of a process tree: shared pages counted once where the system tells (PSS), else RSS."""
    import psutil

    with suppress(psutil.Error):
        root = psutil.Process(pid)
        return sum(_one_memory(process) for process in [root, *root.children(recursive=True)])
    return 0


def _one_memory(process: Any) -> int:
    import psutil

    with suppress(OSError, IndexError, ValueError):
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    with suppress(psutil.Error, StopIteration):
        return int(process.memory_info().rss)
    return 0


def _compared(contenders: Sequence[Contender], folder: Path) -> dict[str, bool | None]:
    """Whether the first round's outputs are those of digitalmodel's loop, byte for byte."""
    reference = next((c for c in contenders if c.kind == "serial"), None)
    if reference is None:
        return {}
    outs = {c.name: folder / f"{c.name.replace(' ', '_').replace(':', '_')}_0" / "out" for c in contenders}
    if not outs[reference.name].is_dir():
        return {}
    expected = _contents(outs[reference.name])
    return {name: _contents(out) == expected if out.is_dir() else None for name, out in outs.items()}


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.csv")}


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="orcabatch-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _load() -> tuple[float, str]:
    """How many CPUs other programs keep busy, and how that was found out."""
    import psutil

    if hasattr(os, "getloadavg"):
        return os.getloadavg()[0], "load average of the last minute"
    # psutil's own average is 0 there until its thread has run for a while.
    busy = psutil.cpu_percent(interval=BUSY_LOOK_S) / 100 * (psutil.cpu_count() or 1)
    return round(busy, 2), f"CPUs busy within {BUSY_LOOK_S:g} s: this system knows no load average"


def provenance(words: Sequence[str]) -> dict[str, Any]:
    """Where, when and with what something was measured."""
    import platform

    import psutil

    load, load_is = _load()
    return {
        "command": "orcabatch bench " + " ".join(words),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "system": system_version(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "ram_bytes": psutil.virtual_memory().total,
        "load_before": load,
        "load_before_is": load_is,
        "versions": installed_versions(("orcabatch", "orcfxapi", *DECISIVE, "joblib", "distributed")),
        "orcaflex": "simulated (a DLL written in Python under the real OrcFxAPI package)",
        "page_cache": "the files are dropped from it before each run (posix_fadvise DONTNEED)"
        if hasattr(os, "posix_fadvise")
        else "as it is: this system has no way to drop files from it",
    }
