"""The process that a case's faults meet: one run, and at its end what it has left in this process."""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import importlib
import os
import resource
import signal
import threading
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from faults.scenario import say

RECORDS_OF_ORCAFLEX = "/counters/"
"""The simulated OrcaFlex keeps its counters open as long as its process."""
NOTES = "/notes/"
"""What the campaign itself writes down, torn apart by a second Ctrl-C."""


def run(job: dict[str, Any]) -> int:
    """Do the job; returns the exit code."""
    os.environ["ORCABATCH_CAMPAIGN_PARENT"] = str(os.getpid())
    faulthandler.register(signal.SIGUSR2)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # whoever runs the campaign may ignore them
        signal.signal(getattr(signal, name), _ctrl_c if name == "SIGINT" else signal.SIG_DFL)
    from orcabatch.cli import run as command  # what it needs itself is there before the harm

    assert command
    if "words" not in job:
        module, name = job["function"].split(":") if "function" in job else ("", "")
        function = getattr(importlib.import_module(module), name) if module else None
    threads, descriptors, memory = set(threading.enumerate()), _descriptors(), dict(os.environ)
    if job["threads"] is not None:
        few_threads(job["threads"])
    say(begun=os.getpid())
    try:
        code = _command(job["words"]) if "words" in job else _call(job, function)
    except KeyboardInterrupt as stop:  # one more, in this script's own lines
        code = _interrupted(stop)
    finally:
        _lift_limits()
        say(
            threads=[each.name for each in threading.enumerate() if each not in threads and each.name != "left"],
            descriptors=[name for name in _descriptors() if name not in descriptors],
            variables=sorted(name for name in {*memory, *os.environ} if memory.get(name) != os.environ.get(name)),
        )
    # As the interpreter does at its end; a process that was forked off a server must not go on to its own.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    say(exits=code)
    return code


_torn: list[int] = []


def _ctrl_c(signum: int, frame: FrameType | None) -> None:
    """As in any script; once this one is torn, another signal tears nothing of it any more: it says how it ended."""
    import orcabatch

    library = str(Path(orcabatch.__file__).parent)
    if _torn and not any(each.f_code.co_filename.startswith(library) for each, _ in traceback.walk_stack(frame)):
        return
    _torn.append(signum)
    raise KeyboardInterrupt


def plain_loop(job: dict[str, Any]) -> int:
    """What is expected of a function: its values in a loop over the files, without orcabatch."""
    from orcabatch import simulated

    OrcFxAPI = simulated.install()  # noqa: N806 - as everybody calls it
    module, name = job["function"].split(":")
    function = getattr(importlib.import_module(module), name)
    say(values={Path(sim).name: plain(function(OrcFxAPI.Model(sim), Path(sim))) for sim in job["source"]})
    return 0


def _command(words: list[str]) -> int:
    from orcabatch.cli import main

    try:
        return main(words)
    except KeyboardInterrupt as stop:
        return _interrupted(stop)


def _call(job: dict[str, Any], function: Any) -> int:
    """By the facade, with the exit code that the command would have."""
    import orcabatch
    from orcabatch.cli.run import exit_code
    from orcabatch.errors import BatchError, BatchInterrupted, OrcabatchError

    arguments = job["arguments"] | ({"postprocess": function} if function else {})
    try:
        result = orcabatch.run_batch(
            job["source"], orcaflex="simulated", progress=False, on_outcome=_outcome, **arguments
        )
    except BatchInterrupted as stop:
        _hand_over("interrupted", str(stop), stop.result, job)
        return 128 + stop.signum if stop.signum else 130
    except KeyboardInterrupt as stop:  # before the run had begun to listen
        return _interrupted(stop)
    except OrcabatchError as error:
        _hand_over(type(error).__name__, str(error), getattr(error, "result", None), job)
        return 1 if isinstance(error, BatchError) else 2
    _hand_over("done", "", result, job)
    return exit_code(result)


def _interrupted(stop: KeyboardInterrupt) -> int:
    _hear_no_more()
    say(end="interrupted", error=repr(stop))
    return next((128 + each for each in stop.args if isinstance(each, int)), 130)


def _lift_limits() -> None:
    """What this script says is no part of the run: a limit of file size would cut it."""
    for which in (resource.RLIMIT_AS, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE):
        hard = resource.getrlimit(which)[1]
        resource.setrlimit(which, (hard if which != resource.RLIMIT_NOFILE else min(hard, 4096), hard))


def _hear_no_more() -> None:
    """A signal that follows is about this script, no longer about the run."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)


def _hand_over(end: str, error: str, result: Any, job: dict[str, Any]) -> None:
    """Say what the caller has in hand."""
    _hear_no_more()
    _lift_limits()
    say(end=end, error=error)
    if result is None:
        return
    say(
        outcomes=[[each.file.name, str(each.status), str(each.cause), each.error] for each in result.outcomes],
        values={each.file.name: plain(each.value) for each in result.outcomes if each.ok},
        warnings=list(result.warnings),
        state=result.metrics.get("state"),
    )
    if result.metrics:
        from orcabatch.errors import OutputError
        from orcabatch.monitor.report import write_report

        with contextlib.suppress(OSError, OutputError):
            write_report(Path(job["notes"]) / "report.html", result.metrics)


def plain(value: Any) -> Any:
    """A function's value bit by bit, without what only makes it large."""
    if not isinstance(value, dict):
        return None
    return {key: item.hex() for key, item in value.items() if isinstance(item, float)}


def _outcome(outcome: Any) -> None:
    say(outcome=outcome.file.name, status=str(outcome.status), at=time.monotonic())


def _descriptors() -> list[str]:
    """What is open, by what it leads to."""
    found = []
    for opened in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(OSError):
            found.append(f"{opened.name} {opened.readlink()}")
    ours = (RECORDS_OF_ORCAFLEX, NOTES)
    return [name for name in found if not any(each in name for each in ours) and not name.endswith("/fd")]


def few_threads(most: int) -> None:
    """From now on the system gives so many threads more and then none, as where a user's processes are limited.

    Root has no such limit, so it is injected where Python asks the system.
    """
    import _thread

    real, left = _thread.start_new_thread, [most]

    def start(*arguments: Any) -> int:
        if left[0] <= 0:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        return real(*arguments)

    _thread.start_new_thread = threading._start_new_thread = start  # type: ignore[assignment,attr-defined]
