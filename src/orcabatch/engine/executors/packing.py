"""What travels to worker processes and back, and what cannot.

Covers packing the recipe once, and saying before anything starts why it cannot go; results that cannot come back cost
their file and nothing else. Does not cover the pipe itself (`transport`).

Worker processes do not run the user's script again, with or without a main guard, so nothing that is defined in it (or
in a notebook) can be found there. Only what lives in an importable module can go.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import replace
from types import FunctionType
from typing import TYPE_CHECKING, Any

from orcabatch.engine import endings
from orcabatch.engine.foreign import ordinarily
from orcabatch.engine.options import ON_THREADS
from orcabatch.engine.worker_messages import Finished
from orcabatch.errors import SettingsError
from orcabatch.outcome import Cause, Failure, FileOutcome
from orcabatch.sleep import awake_s
from orcabatch.text import words_of

if TYPE_CHECKING:
    from orcabatch.engine.contract import Recipe, Task
    from orcabatch.engine.surroundings import Initializer

_OF_THE_SCRIPT = frozenset({"__main__", "__mp_main__"})


class _StaysError(Exception):
    """Something of the script itself was met."""


class _Packer(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, FunctionType | type) and obj.__module__ in _OF_THE_SCRIPT:
            raise _StaysError(obj.__qualname__)
        return NotImplemented


def pack(work: Recipe | Initializer, asked: str = "executor: processes") -> bytes:
    """What the workers need, to be unpacked in worker processes; `asked` is the setting that wants them.

    Raises:
        SettingsError: it cannot go there; says what and what to do.
    """
    buffer = io.BytesIO()
    try:
        ordinarily(lambda: _Packer(buffer, pickle.HIGHEST_PROTOCOL).dump(work))
    except Exception as error:  # packing runs the user's own code
        raise SettingsError(_reason(error, asked)) from error
    return buffer.getvalue()


def pack_task(task: Task) -> bytes | Finished:
    """The task for another process; its end, where it cannot be packed."""
    try:
        return ordinarily(lambda: pickle.dumps(task, pickle.HIGHEST_PROTOCOL))
    except Exception as error:  # noqa: BLE001 - packing runs the code of whatever goes along; one file is lost
        said = f"what goes with the file cannot be sent to a worker process: {words_of(error)}"
    now = awake_s()
    outcomes = endings.failed(task, Failure(Cause.EXCEPTION, said, ON_THREADS), now)
    return Finished(task.index, outcomes, frozenset(), now)


def stays_because(*works: Recipe | Initializer | None) -> str | None:
    """Why what the workers need cannot go to worker processes; None if it can."""
    try:
        for work in works:
            if work is not None:
                pack(work)
    except SettingsError as error:
        return str(error)
    return None


def pack_value(outcome: FileOutcome) -> tuple[FileOutcome, bytes]:
    """An outcome without its value, and the value; the outcome has failed if the value cannot be packed."""
    if outcome.value is None:
        return outcome, b""
    try:
        packed = pickle.dumps(outcome.value, pickle.HIGHEST_PROTOCOL)
    except BaseException as error:  # noqa: BLE001 - packing runs the code of whatever a function returned
        return _unfit(outcome, "cannot be sent back from its worker process", error), b""
    return replace(outcome, value=None), packed


def unpack_value(outcome: FileOutcome, packed: bytes | bytearray | None) -> FileOutcome:
    """The outcome with its value again; it has failed if the value cannot be unpacked here, or found no memory."""
    if packed is None:
        return _unfit(outcome, "came back from its worker process and found no room in this one", MemoryError())
    if not packed:
        return outcome
    try:
        value = pickle.loads(packed)  # noqa: S301 - from our own child, over a pipe nobody else has
    # Of Ctrl-C the run knows by its signal: one that is raised here ends the run all the same.
    except BaseException as error:  # noqa: BLE001 - unpacking runs the code of whatever a function returned
        return _unfit(outcome, "came back from its worker process but cannot be unpacked", error)
    return replace(outcome, value=value)


def unsent(outcome: FileOutcome, error: BaseException) -> FileOutcome:
    """The outcome as it is told where its own could not be sent: with little in it, and failed."""
    bare = replace(outcome, value=None, traceback=None, warnings=())
    return bare if not outcome.ok else _unfit(bare, "cannot be sent back from its worker process", error)


def did_not_travel(outcome: FileOutcome) -> bool:
    """Whether the file was done, and only its result did not come back from the worker process."""
    return outcome.cause is Cause.OUTPUT and outcome.failed_phase is None


def returns(outcome: FileOutcome) -> bool:
    """Whether a result like this one would come back from a worker process."""
    bare, packed = pack_value(outcome)
    return not did_not_travel(unpack_value(bare, packed))


def _unfit(outcome: FileOutcome, what: str, error: BaseException) -> FileOutcome:
    failure = Failure(
        Cause.OUTPUT,
        f"the result {what}: {words_of(error)}",
        f"return plain values, arrays or tables, or {ON_THREADS}",
    )
    return endings.overruled(outcome, failure)


def _reason(error: Exception, asked: str) -> str:
    remedy = f"{ON_THREADS}, or move it to a module (a .py file that is imported)"
    if isinstance(error, _StaysError):
        where = "is defined in the script or notebook itself, which worker processes do not run again"
        return f"`{asked}`: {error} {where}; {remedy}"
    what = "what the workers need cannot be sent to worker processes (no lambda, no function inside a function, nothing"
    return f"`{asked}`: {what} open or locked can): {words_of(error)}; {remedy}"
