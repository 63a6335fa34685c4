"""The endings of files that no worker reported, and how long to wait before another try.

Covers cancelled, timed out, crashed and given-up files as outcomes. Pure: values in, values out.
"""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from orcabatch.engine.executor import Finished
from orcabatch.outcome import Cause, Failure, FileOutcome, Phase, Status

if TYPE_CHECKING:
    from orcabatch.engine.contract import Task


STOPPED = "the run was stopped before this file was started"
FOR_ANOTHER = "its worker process was ended because of another file"


def without_seat(task: Task) -> Finished:
    """The file was given to a worker that cannot open: what holds its licence seat does not let go."""
    failure = Failure(Cause.LICENCE, "the licence seat for it is held by a worker that does not close", may_heal=True)
    now = time.perf_counter()
    return Finished(task.index, failed(task, failure, now, Phase.LOAD), frozenset(task.batches), now)


def cancelled(task: Task, reason: str, at_s: float) -> tuple[FileOutcome, ...]:
    """The run was stopped before the file was done."""
    return _all(task, Status.CANCELLED, Failure(Cause.CANCELLED, reason, "run the batch again: it does the rest"), at_s)


def failed(task: Task, failure: Failure, at_s: float, phase: Phase | None = None) -> tuple[FileOutcome, ...]:
    """The file failed outside its worker's hands."""
    return tuple(replace(each, failed_phase=phase) for each in _all(task, Status.FAILED, failure, at_s))


def timed_out(timeout_s: float, *, killed: bool, writing: bool = False) -> Failure:
    """A worker had the file for too long, or its result folder did."""
    if writing:
        return Failure(
            Cause.TIMEOUT,
            f"not finished within {timeout_s:g} s; its outputs were still being written, and are left out",
            "set a longer `timeout`, or look at why the result folder is slow",
        )
    what = "its worker process was killed" if killed else "its thread is written off until the call returns"
    return Failure(
        Cause.TIMEOUT,
        f"not finished within {timeout_s:g} s; {what}",
        "set a longer `timeout`, or look at what the post-process does with this file",
    )


def late(timeout_s: float, took_s: float) -> Failure:
    """A serial run noticed afterwards that a file took too long."""
    return Failure(
        Cause.TIMEOUT,
        f"took {took_s:.3g} s, longer than the timeout of {timeout_s:g} s (a serial run cannot interrupt a file)",
        "set a longer `timeout`, or use `executor: processes`, which can",
    )


def crashed(message: str, tries: int) -> Failure:
    """The worker ended with the file in its hands."""
    times = f" (tried {tries} times)" if tries > 1 else ""
    return Failure(Cause.CRASH, f"{message}{times}", "the other files are not affected; look at this one alone")


def interrupted(left: bool) -> str:
    """What is said when all outcomes were handed on."""
    if left:
        return "interrupted twice and left at once; what was finished is written, run the batch again for the rest"
    return "interrupted; what was running is finished and written, run the batch again for the rest"


def backoff_s(first_s: float, tries: int, chance: random.Random) -> float:
    """Seconds before try number `tries` + 1: doubled each time, between half and one and a half of that."""
    return first_s * 2.0 ** (tries - 1) * (0.5 + chance.random())


def _all(task: Task, status: Status, failure: Failure, at_s: float) -> tuple[FileOutcome, ...]:
    return tuple(
        FileOutcome(
            file=task.file,
            batch=batch,
            status=status,
            error=str(failure),
            attempt=task.attempt,
            cause=failure.cause,
            index=task.index,
            size_bytes=task.size_bytes,
            tier=task.tier,
            started_s=at_s,
            finished_s=at_s,
        )
        for batch in task.batches
    )
