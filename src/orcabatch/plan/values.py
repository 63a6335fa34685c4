"""The plan as values: what will run where, how much memory it takes, in which order, and what bound each count.

A plan is made by `orcabatch.plan.make.make_plan` and never changes; it can be printed, compared, stored and simulated
without running anything. Does not cover what happens while running (`orcabatch.engine`). Bytes and seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.settings import Settings

if TYPE_CHECKING:
    from orcabatch.host import HostResources
    from orcabatch.notice import Notice


@dataclass(frozen=True, slots=True)
class SizedFile:
    """A file and its size in bytes: what a plan is made of."""

    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file of the plan.

    Attributes:
        index: position in the input list.
        file: the `.sim` file.
        batches: names of the batches that want it.
        size_bytes: its size.
        tier: small, medium or large; `all` where files are not grouped.
        memory_bytes: predicted memory of the loaded file.
        seconds: what it is expected to take, as measured before; None where nothing is known.
        skip: why it will not run; None where it will.
        cost: predicted work, comparable within the plan: seconds where any file's are known (scaled by size for the
            others), else bytes.
        rank: its place in the order of all files, skipped ones included: one that is skipped may have to be done after
            all, and then has its turn where it would have had it.
    """

    index: int
    file: Path
    batches: tuple[str, ...]
    size_bytes: int
    tier: str
    memory_bytes: int
    seconds: float | None = None
    skip: str | None = None
    cost: float = 0.0
    rank: int = 0

    @property
    def size(self) -> int:
        """Its size in bytes, by the name that `BatchOptimizer.group_by_size` asks for."""
        return self.size_bytes


@dataclass(frozen=True, slots=True)
class Tier:
    """Files of similar size, and how many of them are worked on at once.

    Attributes:
        name: small, medium or large; `all` where files are not grouped.
        files: how many will run (skipped ones left out).
        total_bytes: their sizes together.
        count: as `assign_thread_counts` gave it, or from the rules of thumb where files are not grouped.
        limit: what is left of it after the hard caps.
        ceiling: the same where files turn out to take far less memory than predicted: the engine may go up to here.
        bound_by: the constraint that set `limit`.
        advised: what the rules of thumb say together: the specification's formula, `threads_per_gb` where it is only
            a default, the GB-per-thread table.
        advice: each of these rules with its number.
    """

    name: str
    files: int
    total_bytes: int
    count: int
    limit: int
    ceiling: int
    bound_by: str
    advised: int
    advice: str


@dataclass(frozen=True, repr=False)
class BatchPlan:
    """What a run will do, and why.

    Attributes:
        mode: static, dynamic or hybrid.
        executor: what the workers are.
        executor_why: why.
        tiers: the tiers that have files to run, small to large.
        files: every file in input order, skipped ones too.
        order: indices of the files to run, in the order in which they start where memory, seats and counts let them:
            longest predicted first, files of one folder together among equals; as listed with `executor: serial`; with
            `static` tier after tier, the small one first.
        memory_budget_bytes: what may be filled: `max_usage_percent` of the total, less what is in use already.
        limit: the most files worked on at once.
        ceiling: the same without the memory cap (see `Tier.ceiling`).
        bound_by: the constraint that set `limit`.
        start_limit: how many to start with; `limit` for static.
        min_limit: how far the adaptive limit may fall: `min_threads` where the user wrote it, else 1.
        processes: worker processes at most, enough for the ceiling; 0 where the workers are in this process, or were
            started by somebody else (`dask.address`).
        threads_per_process: files that each process works on at once at most.
        native_threads: threads that each loaded model may use itself, also with `ceiling` files at once.
        predicted_s: wall time as far as past runs tell; None where nothing is known.
        binding: the settings that no count exceeds (or falls below), each with its value and whether it was written.
        advising: the rules of thumb that bind nothing here, each with its number and whether it was written.
        notes: what the engineer should know before starting.
        notices: what will be done with the results without a word, as far as is known.
        host, settings: what the plan was made for and from.
    """

    mode: str
    executor: str
    executor_why: str
    tiers: tuple[Tier, ...]
    files: tuple[PlannedFile, ...]
    order: tuple[int, ...]
    memory_budget_bytes: int
    limit: int
    ceiling: int
    bound_by: str
    start_limit: int
    min_limit: int
    processes: int
    threads_per_process: int
    native_threads: int
    predicted_s: float | None
    binding: tuple[str, ...]
    advising: tuple[str, ...]
    notes: tuple[str, ...]
    host: HostResources
    settings: Settings = field(default_factory=Settings)
    notices: tuple[Notice, ...] = ()

    @property
    def skipped(self) -> tuple[PlannedFile, ...]:
        """The files that will not run."""
        return tuple(file for file in self.files if file.skip is not None)

    def to_text(self, width: int = 100) -> str:
        """The plan for a terminal of that many columns."""
        from orcabatch.plan.render import plan_text

        return plan_text(self, width)

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON-able values, for the metrics."""
        from orcabatch.plan.render import plan_dict

        return plan_dict(self)

    def _repr_html_(self) -> str:
        from orcabatch.plan.render import plan_html

        return plan_html(self)

    def __repr__(self) -> str:
        counts = ", ".join(f"{tier.name} {tier.files} at {tier.limit}" for tier in self.tiers) or "nothing to run"
        return f"<BatchPlan: {len(self.files)} files ({counts}), {self.mode} on {self.executor}, limit {self.limit}>"
