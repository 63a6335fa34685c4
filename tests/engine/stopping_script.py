"""Runs a batch that the tests interrupt. Says what happens on standard output, one JSON line each.

Arguments: executor, processes' threads, number of files, gate ("" for none: the files do not wait), `again` or "".
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil

from engine.fakes import FakeJob, Say, task
from orcabatch.engine import EngineOptions, Limits, run
from orcabatch.errors import BatchInterrupted

if TYPE_CHECKING:
    from orcabatch.engine.contract import RunEvent


def say(**what: Any) -> None:
    """One line for the test."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def watch(event: RunEvent) -> None:
    """Tell the test when a file has started and when stopping has been noticed."""
    if event.kind in {"started", "warning"}:
        say(event=event.kind, **event.data)


def counts(process: psutil.Process) -> bool:
    """Python keeps one process of its own until it ends, where somebody used `multiprocessing` (dask does)."""
    return "multiprocessing.resource_tracker" not in " ".join(process.cmdline())


def tell_when_it_waits() -> None:
    """Say so once the dispatcher waits for messages; anywhere else the next signal may hit the loop below."""
    main = threading.main_thread().ident
    while Path(sys._current_frames()[main].f_code.co_filename).name != "mailbox.py":
        threading.Event().wait(0.001)
    say(waits=True)


def one_run(executor: str, threads: int, count: int, gate: str) -> None:
    """Run, and say how it ended."""
    options = EngineOptions(executor=executor, threads=2, processes=2, threads_per_process=threads)  # type: ignore[arg-type]
    work = [task(index, say=Say(gate=gate, mark=f"{gate} reached") if gate else None) for index in range(count)]
    job, signum, cancelled = FakeJob(), None, 0
    try:
        for outcome in run(work, job, options=options, limits=Limits(max_limit=2, fixed_limit=2), listener=watch):
            say(index=outcome.index, status=outcome.status.value)
            cancelled += outcome.status == "cancelled"
            if gate and cancelled == count - 2:
                threading.Thread(target=tell_when_it_waits, daemon=True).start()
    except BatchInterrupted as error:
        signum = error.signum
    say(
        end=True,
        signum=signum,
        told=len(job.told),
        children=sum(map(counts, psutil.Process().children())),
        threads=sum(thread.name.startswith("orcabatch") for thread in threading.enumerate()),
        restored=signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    )


if __name__ == "__main__":
    one_run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    if sys.argv[5] == "again":
        one_run(sys.argv[1], int(sys.argv[2]), 5, "")
