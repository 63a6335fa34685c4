"""What an exception means for the engineer: which kind of failure, in words, and whether trying again may help.

Works on values: OrcFxAPI's `DLLError` is recognised by its name and its status, so a foreign module needs none (and a
`MagicMock` could not stand in an `except`). Status numbers: `facts` of OrcFxAPI 11.6.
"""

from __future__ import annotations

import errno
import re
import traceback
from dataclasses import dataclass, replace
from pathlib import Path

from orcabatch.errors import OrcabatchError, OutputError, OutputUnreachable
from orcabatch.network import RECONNECT, is_on_network, unreachable
from orcabatch.orcaflex.sim_files import SHORTER, InputError, unreadable
from orcabatch.outcome import Cause, Failure, Phase
from orcabatch.text import MOST_SAID, class_name, said_by, shortened, traceback_of, words_of
from orcabatch.versions import INSTALLED
from orcabatch.win32 import as_opened, is_held, needs_another_name

LICENCE = 25
FILE_NOT_FOUND = 6
FILE_READ = 7
THREAD_AFFINITY = 68

NOT_REPEATED = "not tried again inside the function: mark it with `orcabatch.repeatable` if that does no harm"

GOT_THE_MODEL = (
    "the function was given the loaded model, and uses it as a path: define it as f(model), or f(model, path), or give "
    "`loads: false` (on the command line `performance.loads=false`), with which it gets the path and opens the file "
    "itself"
)
_MODEL_AS_PATH = re.compile(r"(not found|cannot find|no such file)[^\n]*Model object at|not '?Model'?$", re.IGNORECASE)

_PACKAGE = Path(__file__).parents[1]

_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_TEMPORARY_WORDS = ("sharing violation", "used by another process", "network", "timed out", "timeout")


class NoLoadCaseError(KeyError):
    """A function asked the load case of a file that has none for a column."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    cause: Cause
    said: str
    remedy: str = ""


_MEANINGS = {
    FILE_NOT_FOUND: _Meaning(Cause.INPUT, "OrcaFlex did not find a file", "check the path and files it refers to"),
    FILE_READ: _Meaning(Cause.INPUT, "OrcaFlex cannot read the file: truncated or damaged", "run or copy it again"),
    LICENCE: _Meaning(Cause.LICENCE, "no OrcaFlex licence", "free a seat, or lower the number of workers"),
    34: _Meaning(Cause.INPUT, "the file needs another version of OrcaFlex", "use the version that wrote it, or newer"),
    67: _Meaning(Cause.INPUT, "the file is not an OrcaFlex simulation, or is damaged", "take it out, or run it again"),
    69: _Meaning(Cause.INPUT, "the file's restart parent cannot be read", "keep the parent .sim files beside it"),
    THREAD_AFFINITY: _Meaning(
        Cause.EXCEPTION,
        "the model was used on another thread than its own",
        "ask the model only in the function's own thread; copy results before starting threads",
    ),
    12: _Meaning(Cause.EXCEPTION, "the period is not valid for this simulation", "check the period"),
    37: _Meaning(
        Cause.EXCEPTION, "the period had not started when the simulation ended", "run the simulation to its end"
    ),
    23: _Meaning(Cause.EXCEPTION, "there is no such object in this model", "check the object's name"),
    26: _Meaning(Cause.EXCEPTION, "there is no such variable", "check the variable's name for this type of object"),
    31: _Meaning(Cause.EXCEPTION, "there is no such data name", "check the data name"),
    39: _Meaning(Cause.EXCEPTION, "the model holds no results for this question", "check that the simulation was run"),
    55: _Meaning(Cause.EXCEPTION, "the result was not logged", "log it and run the simulation again"),
}
_NO_MEMORY = _Meaning(Cause.MEMORY, "OrcaFlex got no memory", "lower max_threads or max_usage_percent")
_CORRUPT = _Meaning(Cause.INPUT, "the file's results are damaged", "run or copy it again")
_REFUSED = _Meaning(Cause.EXCEPTION, "OrcaFlex refused")


def explain(error: BaseException, file: Path, phase: Phase) -> Failure:
    """The failure that this exception is, for this file, in this phase."""
    status = status_of(error)
    if _names_the_model(error):
        failure = Failure(Cause.EXCEPTION, words_of(error), GOT_THE_MODEL)
    elif status is not None:
        failure = _by_status(error, status, file)
    elif isinstance(error, InputError):
        failure = Failure(Cause.INPUT, error.message, error.remedy, error.may_heal)
    elif isinstance(error, OSError):
        failure = _by_system(error, file, phase)
    else:
        failure = _by_type(error)
    return replace(failure, traceback=traceback_of(error))


def final(failure: Failure, error: BaseException) -> Failure:
    """The same failure of a function of the user's that is not called again, whatever it was."""
    if not failure.may_heal:
        return failure
    remedy = f"{failure.remedy}; {NOT_REPEATED}" if status_of(error) is not None else failure.remedy
    return replace(failure, remedy=remedy, may_heal=False)


def of_original(failure: Failure, copy: Path, file: Path) -> Failure:
    """The same failure in terms of the engineer's file, where the model was loaded from a copy of it."""
    message, trace = (text.replace(str(copy), str(file)) for text in (failure.message, failure.traceback))
    return replace(failure, message=message, traceback=trace)


def status_of(error: BaseException) -> int | None:
    """The status of an OrcFxAPI `DLLError`; None for any other exception."""
    if not any(class_name(kind) == "DLLError" for kind in type(error).__mro__):
        return None
    try:
        return int(getattr(error, "status", None))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def refusal(error: BaseException) -> str:
    """What OrcaFlex refused and what to do, of no file in particular; empty where it was not OrcaFlex."""
    status = status_of(error)
    if status is None:
        return ""
    meaning, said, _ = _meaning(error, status)
    return f"{said}: {meaning.remedy}" if meaning.remedy else said


def refusal_passes(error: BaseException, file: Path | None = None) -> bool:
    """Whether trying again later can help: a licence, memory, a file on the network (None: nobody knows which)."""
    status = status_of(error)
    if status is None:
        return isinstance(error, MemoryError)
    meaning, _, text = _meaning(error, status)
    return meaning is _NO_MEMORY or _may_heal(status, text, file)


def _by_status(error: BaseException, status: int, file: Path) -> Failure:
    meaning, said, _ = _meaning(error, status)
    remedy = meaning.remedy
    if status in {FILE_NOT_FOUND, FILE_READ} and as_opened(file) != file.absolute():
        remedy = f"{remedy}; its path has {len(str(file))} characters, which may be too many for OrcaFlex: {SHORTER}"
    return Failure(meaning.cause, f"{file.name}: {said}", remedy, refusal_passes(error, file))


def _meaning(error: BaseException, status: int) -> tuple[_Meaning, str, str]:
    """What a status means, that in words, and OrcaFlex's own."""
    text = " ".join(_said(error).split())
    meaning = _MEANINGS.get(status) or _by_words(text.lower())
    return meaning, f"{meaning.said} (OrcaFlex status {status}: {text})", text


def _by_words(text: str) -> _Meaning:
    """Of a status that says no more than what was asked for: a time history, a range graph, something unexpected."""
    if "memory" in text:
        return _NO_MEMORY
    return _CORRUPT if "corrupt" in text else _REFUSED


def _may_heal(status: int, text: str, file: Path | None) -> bool:
    if status in {FILE_NOT_FOUND, FILE_READ}:
        return (file is not None and is_on_network(file)) or any(word in text.lower() for word in _TEMPORARY_WORDS)
    return status == LICENCE


def _by_system(error: OSError, file: Path, phase: Phase) -> Failure:
    where = error.filename or file
    if phase is Phase.LOAD:
        fault = unreadable(Path(where) if isinstance(where, str) else file, error)
        return Failure(Cause.INPUT, fault.message, fault.remedy, fault.may_heal)
    if error.errno in _DISK_FULL:
        return Failure(Cause.OUTPUT, f"{file.name}: the disk is full while writing {where}", "free some space")
    cause = Cause.OUTPUT if phase is Phase.WRITE else Cause.EXCEPTION
    if isinstance(error.filename, str) and (gone := unreachable(error.filename, error)):
        return Failure(cause, f"{file.name}: {gone}", RECONNECT, True)
    held = isinstance(error, PermissionError) or is_held(error)
    remedy = "close it where it is open (Excel?), or choose another output folder" if held else ""
    if isinstance(error, FileNotFoundError) and isinstance(where, str) and needs_another_name(Path(where)):
        remedy = f"it is there, but its path has {len(where)} characters: {SHORTER}"
    return Failure(cause, f"{file.name}: {words_of(error)}", remedy, held)


def _by_type(error: BaseException) -> Failure:
    if isinstance(error, MemoryError):
        return Failure(Cause.MEMORY, "memory ran out", "lower max_threads or max_usage_percent", True)
    if isinstance(error, OutputError):
        return Failure(Cause.OUTPUT, said_by(error), may_heal=isinstance(error, OutputUnreachable))
    if isinstance(error, OrcabatchError):
        return Failure(Cause.EXCEPTION, said_by(error))
    place = own_place(error)
    if isinstance(error, KeyError):
        return _by_key(error, place)
    if isinstance(error, UnboundLocalError) and place:
        remedy = f"{place} reads a variable that nothing set before: an `if` that did not hold, a loop without a turn"
        return Failure(Cause.EXCEPTION, words_of(error), remedy)
    return Failure(Cause.EXCEPTION, words_of(error), f"raised by {place.removesuffix(',')}" if place else "")


def _by_key(error: KeyError, place: str) -> Failure:
    if isinstance(error, NoLoadCaseError):
        said = f"this file has no load case, so the function's `case` is empty and has no {said_by(error)}"
        remedy = "add it to the load cases (a row of their table; or have the pattern match its name), or leave it out"
        return Failure(Cause.EXCEPTION, said, remedy)
    if is_of_a_model(error):
        return Failure(Cause.EXCEPTION, f"the model has no object {said_by(error)}", "check the object's name")
    return Failure(Cause.EXCEPTION, words_of(error), _no_such_key(place))


def _no_such_key(place: str) -> str:
    if place:
        return f"{place} asks a dictionary or table of its own for a key that is not in it; the model was not asked"
    return "if this is an object's name: the model has no such object"


def _names_the_model(error: BaseException) -> bool:
    """Whether a path was expected and the loaded model came."""
    return _MODEL_AS_PATH.search(_said(error)) is not None


def _said(error: BaseException) -> str:
    """What OrcaFlex or Python says, not more than is read."""
    return shortened(str(getattr(error, "errorString", "")), MOST_SAID) or said_by(error)


def is_of_a_model(error: KeyError) -> bool:
    """Whether a model was asked for an object by its name: OrcFxAPI raises it, or the broker in its place."""
    raised = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    file = Path(raised[-1].f_code.co_filename) if raised else Path()
    return file.name == "OrcFxAPI.py" or _PACKAGE / "orcaflex" / "broker" in file.parents


def own_place(error: BaseException) -> str:
    """The line of the engineer's code that raised it, or had a library do so; empty where OrcFxAPI or we did."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file.name == "OrcFxAPI.py" or _PACKAGE in file.parents:
            return ""
        if INSTALLED.isdisjoint(file.parts):
            return f"line {frame.lineno} of {file.name}, in {frame.name},"
    return ""
