"""One batch in a process of its own, which the tests then harm. Says what happens on standard output, a JSON line each.

Started as `python scenario.py JOB` or forked by `server.py`, which has imported what digitalmodel needs (and nothing of
digitalmodel, OrcFxAPI or the simulated DLL) so that a run costs no five seconds of imports.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parents[1]))


def say(**what: Any) -> None:
    """One line, in one write: a kill leaves whole lines or none."""
    os.write(1, (json.dumps(what) + "\n").encode())


def run(job: dict[str, Any]) -> int:
    """Do the job; returns the exit code."""
    os.environ.update(job.get("environ", {}))
    if "entry" in job:
        module, function = job["entry"].split(":")
        entry: Callable[[dict[str, Any]], int] = getattr(importlib.import_module(module), function)
        return entry(job)
    if "cli" in job:
        from orcabatch.cli import main

        return main(job["cli"])
    for name in job.get("before", ()):
        module, function = name.split(":")
        getattr(importlib.import_module(module), function)()
    return run_batch(job)


def run_batch(job: dict[str, Any]) -> int:
    """Through the facade, saying each outcome as it comes and how it ended."""
    import orcabatch
    from orcabatch.errors import BatchError, BatchInterrupted, OrcabatchError

    arguments = dict(job["arguments"])
    if "function" in job:
        module, function = job["function"].split(":")
        arguments["postprocess"] = getattr(importlib.import_module(module), function)
    say(begun=os.getpid())
    try:
        result = orcabatch.run_batch(
            job["source"], orcaflex="simulated", progress=_event, on_outcome=_outcome, **arguments
        )
    except BatchInterrupted as error:
        say(end="interrupted", message=str(error))
        return 130
    except OrcabatchError as error:
        say(end=type(error).__name__, message=str(error))
        return 1 if isinstance(error, BatchError) else 2
    errors = {outcome.file.name: outcome.error for outcome in result.failed}
    causes = {outcome.file.name: str(outcome.cause) for outcome in result.failed}
    say(end="done", ok=result.ok, errors=errors, causes=causes, warnings=result.warnings, values=_plain(result.values))
    return 0 if result.ok else 1


def _outcome(outcome: Any) -> None:
    say(outcome=outcome.file.name, status=str(outcome.status), attempt=outcome.attempt, at=time.time())


def _event(snapshot: Any) -> None:
    say(event="progress", done=snapshot.done, running=snapshot.running)


def _plain(values: list[Any]) -> Any:
    plain = all(isinstance(value, dict) for value in values)
    return (
        [{key: item.hex() if isinstance(item, float) else item for key, item in value.items()} for value in values]
        if plain
        else None
    )


if __name__ == "__main__":
    sys.exit(run(json.loads(sys.argv[1])))
