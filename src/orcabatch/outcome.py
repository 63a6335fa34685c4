"""What became of a file: the values that every room right of the engine consumes.

Covers the outcome of one file in one batch, its phases, its cost and its failure; and equal failures together: two
hundred files without the same object are one line, not two hundred. Does not cover how an outcome comes to be
(`orcabatch.engine`) nor where its results go (`orcabatch.store`). Everything here is text and numbers: an outcome never
holds a live exception, a model or a handle, so it crosses processes and can be stored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cache
from operator import attrgetter
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

from orcabatch.text import shortened_list

FILE_MARK = "<file>"

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
"""Where an object stands in memory, as `repr` has it: other for every file, and of no use to anybody."""
_NUMBER = re.compile(r"\b\d+(?:\.\d+)?\b")


@cache
def _values_of(kind: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """What gives the values of an instance, in the order of its fields."""
    return attrgetter(*(each.name for each in fields(kind)))


class Travels:
    """A frozen dataclass of two fields and more that goes to another process for every file.

    It is packed as the call that makes it: with what Python gives a frozen dataclass for that it takes twice as long.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[type[Any], tuple[Any, ...]]:
        kind: Any = type(self)
        return kind, _values_of(kind)(self)


class Status(StrEnum):
    """How a file ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Unchanged since an earlier run: its results came from the ledger."""
    CANCELLED = "cancelled"
    """Never started, or given up, because the run was stopped."""


class Phase(StrEnum):
    """Where a file's wall time goes. The phases of a file add up to its wall time."""

    WAIT = "wait"
    LOAD = "load"
    EXTRACT = "extract"
    WRITE = "write"
    CLEAN_UP = "clean_up"


_WAIT = Phase.WAIT.value


class Cause(StrEnum):
    """Why a file failed, for grouping and for the decision whether trying again may heal it."""

    EXCEPTION = "exception"
    INPUT = "input"
    LICENCE = "licence"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASH = "crash"
    OUTPUT = "output"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a file failed, in words for the engineer.

    Attributes:
        cause: the kind of failure.
        message: one line: what happened.
        remedy: one line: what to do; empty where there is nothing to say.
        may_heal: whether trying again later can help (a licence, a sharing violation, a network drive).
        traceback: for the log and `--debug`.
    """

    cause: Cause
    message: str
    remedy: str = ""
    may_heal: bool = False
    traceback: str = ""

    def __str__(self) -> str:
        return f"{self.message} ({self.remedy})" if self.remedy else self.message


@dataclass(frozen=True, slots=True)
class Usage(Travels):
    """What a file cost besides wall time.

    Attributes:
        cpu_s: CPU seconds of its worker thread, by phase.
        read_bytes: bytes its loading read (the size of the file where the system does not say).
        peak_memory_bytes: memory its model added to the process, as measured; 0 where it was not measured.
        counts: what was done for it, by name: `joint_requests` to OrcaFlex; `text_pieces` in which its tables were
            written, `text_buffers` that were made for them; `tables_behind` with so many `bytes_behind` that were
            written after its model had been given back.
        behind_s: the part of its phase `write` in which no worker was held: it had the next file already.
    """

    cpu_s: Mapping[str, float] = field(default_factory=dict)
    read_bytes: int = 0
    peak_memory_bytes: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    behind_s: float = 0.0


@dataclass(frozen=True, slots=True)
class FileOutcome(Travels):
    """What became of one `.sim` file in one batch.

    Attributes:
        file: the `.sim` file, absolute.
        batch: the name of the batch it belongs to (two batches of one call may share a file).
        status: how it ended.
        value: what the post-process returned; None unless `status` is ok or skipped.
        error: one line saying what happened and what to do; None unless failed or cancelled.
        traceback: the traceback as text; None where there was no exception.
        phases: wall seconds by phase (`wait`, `load`, `extract`, `write`, `clean_up`); they add up to `wall_s`.
        warnings: what the engineer should know although the file succeeded.
        attempt: 1 for the first try; higher where it was tried again or redone.
        retried: why it was tried again, once for each time: a failure that might heal, a worker that died.
        cause: why it failed; None unless failed or cancelled.
        failed_phase: the phase in which it failed; None unless failed.
        index: position in the input list.
        size_bytes: size of the `.sim` file.
        tier: small, medium or large.
        worker: name of the worker that had it last.
        started_s, finished_s: seconds since the run began.
        usage: CPU, I/O and memory.
    """

    file: Path
    batch: str
    status: Status
    value: Any = None
    error: str | None = None
    traceback: str | None = None
    phases: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    attempt: int = 1
    retried: tuple[str, ...] = ()
    cause: Cause | None = None
    failed_phase: Phase | None = None
    index: int = 0
    size_bytes: int = 0
    tier: str = ""
    worker: str = ""
    started_s: float = 0.0
    finished_s: float = 0.0
    usage: Usage = field(default_factory=Usage)

    @property
    def ok(self) -> bool:
        """Whether the file has results, computed now or earlier."""
        return self.status in {Status.OK, Status.SKIPPED}

    @property
    def wall_s(self) -> float:
        """Wall seconds over all phases."""
        return sum(self.phases.values())

    @property
    def worked_on(self) -> bool:
        """Whether a worker had the file in this run: the numbers of skipped files are those of another one."""
        return self.status in {Status.OK, Status.FAILED} and self.wall_s > 0

    @property
    def busy_s(self) -> float:
        """Seconds a worker had the file, without the phase `wait` and what was written behind."""
        return sum([seconds for phase, seconds in self.phases.items() if phase != _WAIT]) - self.usage.behind_s

    @property
    def memory_factor(self) -> float | None:
        """Memory that its model took, as a multiple of its size; None where it was not measured."""
        peak = self.usage.peak_memory_bytes
        return peak / self.size_bytes if peak > 0 and self.size_bytes > 0 else None

    @property
    def cpu_s(self) -> float:
        """CPU seconds while a worker had it; 0 where nobody measured."""
        return sum(self.usage.cpu_s.values())

    def idle_s(self, phase: Phase) -> float:
        """Worker seconds of one phase that used no CPU; all of them where CPU was not measured."""
        behind_s = self.usage.behind_s if phase is Phase.WRITE else 0.0
        return max(self.phases.get(phase, 0.0) - behind_s - self.usage.cpu_s.get(phase, 0.0), 0.0)


def grouped_failures(outcomes: Iterable[FileOutcome]) -> list[dict[str, Any]]:
    """One entry for each kind of failure, the most frequent first: cause, message, how many, files, first traceback."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for outcome in outcomes:
        if outcome.status not in {Status.FAILED, Status.CANCELLED}:
            continue
        message = general_message(outcome)
        cause = str(outcome.cause or outcome.status)
        group = groups.setdefault(
            (cause, _NUMBER.sub("0", message)),
            {"cause": cause, "message": message, "count": 0, "files": [], "traceback": outcome.traceback},
        )
        group["count"] += 1
        group["files"].append(str(outcome.file))
    for group in groups.values():
        group["message"] = with_names(group["message"], [name_in(file) for file in group["files"]])
    return sorted(groups.values(), key=lambda group: -group["count"])


def with_names(message: str, names: Sequence[str]) -> str:
    """A general message with the names of the files that it is about in place of `<file>`; they are said once."""
    first = message.replace(FILE_MARK, shortened_list(names), 1)
    return first.replace(FILE_MARK, names[0] if len(names) == 1 else "the file")


def name_in(path: str) -> str:
    """The name of a file in a path, of Windows or another system."""
    return PureWindowsPath(path).name or path


def general_message(outcome: FileOutcome) -> str:
    """The message of a failure with its own file's path and name replaced by `<file>`, without addresses of objects."""
    return _ADDRESS.sub("", without_file_name(outcome.error or f"{outcome.status} without a reason", outcome.file))


def without_file_name(text: str, file: PurePath) -> str:
    """The text with this file's path and name replaced by `<file>`."""
    for own in (str(file), file.as_posix(), file.name, file.stem):
        if len(own) > 2:
            text = text.replace(own, FILE_MARK)
    return text
