"""What runs now and where idle slots went, folded from the engine's events one by one.

The displays, the thread efficiency and the analysis of idle slots all stand on this one fold: in a batch the monitor
makes it, and the display reads it. It has no clock and no thread. Names and sizes come from the tasks (`expect`), the
rest from events, every key optional (an engine that says less is shown with less):

    run_started   files, executor, limit, limits (`Limits.to_dict`), threads_per_process
    started       worker
    phase         phase
    released      (its worker is free, its outputs are still being written)
    finished      status, batch (once for each batch of a file)
    limit         limit, reason, found (whether the run found it to be good; left out: it did)
    admission     reserved_bytes, held_by (see `WaitReason`; empty: nothing that is told)
    sample        total_bytes, available_bytes, own_bytes, cpu_percent, read_bytes
    warning       text
    executor      executor, why, saves (where it is chosen while running)
    run_finished  interrupted
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from orcabatch.engine.limits import Limits, WaitReason
from orcabatch.engine.time_left import Standing
from orcabatch.engine.waiting import in_plan_order

if TYPE_CHECKING:
    from orcabatch.engine.contract import RunEvent, Task

WORST_FIRST = ("failed", "cancelled", "ok", "skipped")
"""A file that stands in two batches counts once, as the worst of its endings."""


@dataclass(slots=True)
class Running:
    """A file that a worker has now.

    Attributes:
        index: identity of the task.
        file: name of the file.
        worker: who has it.
        size_bytes: size of the file.
        memory_bytes: memory reserved for it.
        tier: small, medium or large.
        started_s: seconds since the run began.
        phase: where it is.
    """

    index: int
    file: str
    worker: str
    size_bytes: int
    memory_bytes: int
    tier: str
    started_s: float
    phase: str


@dataclass(slots=True)
class RunState:
    """The run as far as its events told it; `apply` each event in order.

    Attributes:
        total_files, total_bytes: what is to be done; 0 where nobody said.
        executor, threads_per_process: where the workers live; empty and 0 where nobody said.
        executor_why: why they live there, where that was chosen while running.
        moved_s: since when they live there.
        ceiling: files at once that the run looks for its count below; 0: it does not look.
        processes_save: share of the time that worker processes would have saved, where files might not go there.
        running: files that a worker has, by index.
        at_once: how many that were when the last of them began: a slot that has just become free counts.
        writing: files whose worker is free, but whose outputs are still being written: as in `took`, and since when.
        done: finished files by status.
        done_bytes: bytes of the finished files.
        worked_bytes: of these, without those whose results an earlier run left: they were not read.
        took: size in bytes, and seconds that a worker had it, of each file that ended well.
        wrote: seconds that writing its outputs took, of each of these whose worker was free meanwhile.
        limit, limit_reason: how many may run at once, and why.
        limits: every change of it: seconds, limit, reason.
        found: the same as seconds and limit; None for one that memory set, which says nothing of what is good.
        bounds: what the scheduler may never exceed, as its run began.
        reserved_bytes: memory reserved for running files.
        cap_percent: the most of the memory that may be in use; 0 where nobody said.
        memory_total_bytes, memory_used_bytes, own_bytes: memory of the host or cgroup, in use, held by the batch.
        cpu_percent: CPU of the batch, percent of the CPUs it may use.
        read_bytes_per_s: bytes read by the batch between the last two samples.
        seats: files at once that the licence seats allow; 0 where nobody said.
        busy_s, capacity_s: worker seconds with a file, and limit x wall.
        idle_s: slot seconds without a file, by reason (memory, seat, drain, other).
        idle_wall_s: wall seconds in which at least one slot was without a file, by the same reasons.
        seats_full_s: wall seconds in which every seat was in use and files waited.
        warnings: what the engine warned of.
        wait_reason: what keeps the next file from an empty slot.
        now_s: time of the last event or `advance`.
        finished, interrupted: whether the run ended, and by a signal.
        broken: whether something broke it off, or its last steps; with them still to come, it counts as that.
    """

    total_files: int = 0
    total_bytes: int = 0
    executor: str = ""
    executor_why: str = ""
    moved_s: float = 0.0
    ceiling: int = 0
    processes_save: float = 0.0
    threads_per_process: int = 0
    running: dict[int, Running] = field(default_factory=dict)
    at_once: int = 0
    writing: dict[int, tuple[int, float, float]] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    done_bytes: int = 0
    worked_bytes: int = 0
    took: list[tuple[int, float]] = field(default_factory=list)
    wrote: list[float] = field(default_factory=list)
    limit: int = 0
    limit_reason: str = ""
    limits: list[tuple[float, int, str]] = field(default_factory=list)
    found: list[tuple[float, int | None]] = field(default_factory=list)
    bounds: Limits = field(default_factory=Limits)
    reserved_bytes: int = 0
    cap_percent: float = 0.0
    memory_total_bytes: int = 0
    memory_used_bytes: int = 0
    own_bytes: int = 0
    cpu_percent: float = 0.0
    read_bytes_per_s: float = 0.0
    seats: int = 0
    busy_s: float = 0.0
    capacity_s: float = 0.0
    idle_s: dict[str, float] = field(default_factory=dict)
    idle_wall_s: dict[str, float] = field(default_factory=dict)
    seats_full_s: float = 0.0
    warnings: list[str] = field(default_factory=list)
    wait_reason: WaitReason = WaitReason.NOTHING
    now_s: float = 0.0
    finished: bool = False
    interrupted: bool = False
    broken: bool = False
    _tasks: dict[int, Task] = field(default_factory=dict)
    _endings: dict[int, dict[str, str]] = field(default_factory=dict)
    _read_at: tuple[float, int] | None = None

    def expect(self, tasks: Iterable[Task]) -> None:
        """Say what is to be done, before the run; without it, sizes and names are not known."""
        self._tasks = {task.index: task for task in in_plan_order(tasks)}
        self.total_files = len(self._tasks)
        self.total_bytes = sum(task.size_bytes for task in self._tasks.values())

    def task(self, index: int) -> Task | None:
        """What was expected under this index; None where nobody said."""
        return self._tasks.get(index)

    @property
    def ending(self) -> Literal["interrupted", "failed", "finished"]:
        """How the run ended, in one word for the metrics, the report and the displays."""
        return "interrupted" if self.interrupted else "failed" if self.broken else "finished"

    @property
    def done_files(self) -> int:
        """Files that ended, well or not, or need not be done; not those that were cancelled."""
        return sum(self.done.values()) - self.done["cancelled"]

    @property
    def waiting_files(self) -> int:
        """Files that no worker has, and that have not ended."""
        return max(self.total_files - sum(self.done.values()) - len(self.running) - len(self.writing), 0)

    @property
    def waiting(self) -> list[tuple[str, int]]:
        """Tier and bytes of each of them, in the order in which they will start; empty and 0 where nobody said."""
        if not self._tasks:
            return [("", 0)] * self.waiting_files
        gone = self.running.keys() | self.writing.keys() | self._endings.keys()
        return [(task.tier, task.size_bytes) for index, task in self._tasks.items() if index not in gone]

    @property
    def standing(self) -> Standing:
        """What the time left is told from."""
        return Standing(
            took=self.took,
            wrote=self.wrote,
            running=[(file.tier, file.size_bytes, self.now_s - file.started_s) for file in self.running.values()],
            writing=[self.now_s - since_s for _, _, since_s in self.writing.values()],
            waiting=self.waiting,
            limit=self.limit,
            at_once=self.at_once,
            held=self.wait_reason is not WaitReason.NOTHING,
            limits=self.bounds,
        )

    @property
    def idle_reason(self) -> str:
        """Why slots are empty: what holds the next file (`WaitReason`), other, drain (there is no next one)."""
        return self.wait_reason.value or "other" if self.waiting_files else "drain"

    def advance(self, at_s: float) -> None:
        """Let time pass until `at_s`, adding up who was busy and why the others were not."""
        passed = at_s - self.now_s
        if passed <= 0:
            return
        self.now_s = at_s
        if not self.limit or self.finished:
            return
        busy = len(self.running)
        if 0 < self.seats <= busy and self.waiting_files:
            self.seats_full_s += passed
        self.busy_s += busy * passed
        self.capacity_s += max(self.limit, busy) * passed
        if self.limit > busy:
            reason = self.idle_reason
            self.idle_s[reason] = self.idle_s.get(reason, 0.0) + (self.limit - busy) * passed
            self.idle_wall_s[reason] = self.idle_wall_s.get(reason, 0.0) + passed

    def apply(self, event: RunEvent) -> None:
        """Take in one event."""
        self.advance(event.at_s)
        handler = _HANDLERS.get(event.kind)
        if handler is not None:
            handler(self, event)

    def _begin(self, event: RunEvent) -> None:
        data = event.data
        self.total_files = int(data.get("files", self.total_files))
        self.executor = str(data.get("executor", ""))
        self.threads_per_process = int(data.get("threads_per_process") or self.threads_per_process)
        if data.get("limits"):
            self.bounds = Limits.from_dict(data["limits"])
        if data.get("limit"):
            self._set_limit(event)

    def _start(self, event: RunEvent) -> None:
        self._take_back(event.index)
        self.writing.pop(event.index, None)
        task = self._tasks.get(event.index)
        self.running[event.index] = Running(
            index=event.index,
            file=task.file.name if task else f"file {event.index}",
            worker=str(event.data.get("worker", "")),
            size_bytes=task.size_bytes if task else 0,
            memory_bytes=task.memory_bytes if task else 0,
            tier=task.tier if task else "",
            started_s=event.at_s,
            phase="load",
        )
        self.at_once = len(self.running)

    def _take_back(self, index: int) -> dict[str, str]:
        """A file that ended is in work again, or ends in its next batch: it counts as not done."""
        endings = self._endings.pop(index, {})
        if endings:
            self._count(index, _worst(endings), -1)
        return endings

    def _count(self, index: int, status: str, by: int) -> None:
        self.done[status] += by
        if status != "cancelled":
            self.done_bytes += by * self._size(index)
        if status not in {"cancelled", "skipped"}:
            self.worked_bytes += by * self._size(index)

    def _size(self, index: int) -> int:
        return self._tasks[index].size_bytes if index in self._tasks else 0

    def _enter(self, event: RunEvent) -> None:
        running = self.running.get(event.index)
        if running is not None:
            running.phase = str(event.data.get("phase", ""))

    def _release(self, event: RunEvent) -> None:
        had = self.running.pop(event.index, None)
        if had is not None:
            self.writing[event.index] = had.size_bytes, event.at_s - had.started_s, event.at_s

    def _finish(self, event: RunEvent) -> None:
        had, status = self.running.pop(event.index, None), str(event.data.get("status", "ok"))
        written = self.writing.pop(event.index, None)
        if status == "ok" and had is not None:
            self.took.append((had.size_bytes, event.at_s - had.started_s))
        elif status == "ok" and written is not None:
            size_bytes, seconds, since_s = written
            self.took.append((size_bytes, seconds))
            self.wrote.append(event.at_s - since_s)
        endings = self._take_back(event.index)
        endings[str(event.data.get("batch", ""))] = status
        self._endings[event.index] = endings
        self._count(event.index, _worst(endings), 1)

    def _set_limit(self, event: RunEvent) -> None:
        self.limit = int(event.data.get("limit", self.limit))
        self.limit_reason = str(event.data.get("reason", ""))
        self.limits.append((event.at_s, self.limit, self.limit_reason))
        self.found.append((event.at_s, self.limit if event.data.get("found", True) else None))

    def _admit(self, event: RunEvent) -> None:
        self.reserved_bytes = int(event.data.get("reserved_bytes", self.reserved_bytes))
        if "held_by" in event.data:
            self.wait_reason = WaitReason(event.data["held_by"])

    def _sample(self, event: RunEvent) -> None:
        data = event.data
        self.memory_total_bytes = int(data.get("total_bytes") or self.memory_total_bytes)
        if data.get("total_bytes"):
            self.memory_used_bytes = int(data["total_bytes"]) - int(data.get("available_bytes", 0))
        self.own_bytes = int(data.get("own_bytes", self.own_bytes))
        self.cpu_percent = float(data.get("cpu_percent", self.cpu_percent))
        if "read_bytes" in data:
            at_s, read = self._read_at or (event.at_s, int(data["read_bytes"]))
            if event.at_s > at_s:
                self.read_bytes_per_s = max(int(data["read_bytes"]) - read, 0) / (event.at_s - at_s)
            self._read_at = event.at_s, int(data["read_bytes"])

    def _warn(self, event: RunEvent) -> None:
        self.warnings.append(str(event.data.get("text", "")))

    def _choose(self, event: RunEvent) -> None:
        before, self.executor = self.executor, str(event.data.get("executor", self.executor))
        self.moved_s = self.moved_s if self.executor == before else event.at_s
        self.executor_why = str(event.data.get("why", ""))
        self.processes_save = float(event.data.get("saves", 0.0))

    def _end(self, event: RunEvent) -> None:
        self.finished = True
        self.interrupted = bool(event.data.get("interrupted", False))
        self.running.clear()
        self.writing.clear()


def _worst(endings: dict[str, str]) -> str:
    return min(endings.values(), key=lambda status: WORST_FIRST.index(status) if status in WORST_FIRST else 0)


_HANDLERS: dict[str, Callable[[RunState, RunEvent], None]] = {
    "run_started": RunState._begin,
    "started": RunState._start,
    "phase": RunState._enter,
    "released": RunState._release,
    "finished": RunState._finish,
    "limit": RunState._set_limit,
    "admission": RunState._admit,
    "sample": RunState._sample,
    "warning": RunState._warn,
    "executor": RunState._choose,
    "run_finished": RunState._end,
}
