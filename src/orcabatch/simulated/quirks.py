"""How the simulated DLL may differ from what is assumed of OrcaFlex: one quirk for each assumption that can be broken.

`Costs(quirks=("joint_bits",))` switches some on, in this process and in those it starts. They exist so that
`orcabatch doctor --sim`, which asks the real DLL, and the runs that follow its findings can be tested; none is known of
OrcaFlex.
"""

from __future__ import annotations

import ctypes
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from orcabatch.simulated.catalogue import ObjectType
from orcabatch.simulated.status import Refusal, StatusCode
from orcabatch.simulated.world import Item, Model, world

if TYPE_CHECKING:
    from collections.abc import Hashable

    from orcabatch.simulated.results import Floats
    from orcabatch.simulated.world import Token


class Quirk(StrEnum):
    """What the simulated DLL does otherwise. "Another value": larger by one unit in the last place."""

    JOINT_BITS = "joint_bits"
    """A joint call has another value than the single calls."""
    JOINT_PERIODS = "joint_periods"
    """It has where the period is not the whole simulation."""
    JOINT_EXTRAS = "joint_extras"
    """It has where there is an ObjectExtra that means another end than A."""
    HISTORIES_VARY = "histories_vary"
    """Every second time a time history is asked for, it has another value."""
    SAMPLE_TIMES_VARY = "sample_times_vary"
    """Every second time the sample times of a period are asked for, they have."""
    LINKED_EXPIRE = "linked_expire"
    """Linked statistics have, once others of the model were made."""
    RANGE_GRAPHS_VARY = "range_graphs_vary"
    """Every second time a range graph is asked for, it has."""
    NUMBERS_EXPIRE = "numbers_expire"
    """A variable's number is good for one period."""
    ENUMERATED_NAMES = "enumerated_names"
    """The enumeration gives names in capitals, whatever they are."""
    ENUMERATED_TYPES = "enumerated_types"
    """The enumeration gives every line for a vessel."""
    CASE_MATTERS = "case_matters"
    """Names of objects and variables have to be spelled as they are."""
    OTHER_STATUSES = "other_statuses"
    """What is not there is refused with 20 (UnexpectedError)."""
    ALWAYS_COMPLETE = "always_complete"
    """Every simulation calls itself complete."""
    THREADS_IGNORED = "threads_ignored"
    """A model has all cores, whatever was asked for."""
    THREADS_DECIDE = "threads_decide"
    """A model with one thread has other values than one with more."""
    HOLDS_GIL = "holds_gil"
    """Loading waits (`load_latency_s`) with Python's lock held."""
    SERIALISES = "serialises"
    """One load at a time in a process."""
    MODELS_INTERFERE = "models_interfere"
    """A model has other values while another thread has one."""
    FOREIGN_CALLS = "foreign_calls"
    """Calls from another thread than the model's are answered."""
    FOREIGN_DESTROY = "foreign_destroy"
    """A model can be destroyed from another thread."""
    STALE_LOADS = "stale_loads"
    """A model that has held a file before has other values."""
    CLEAR_KEEPS = "clear_keeps"
    """Clearing a model gives no memory back; destroying it does."""
    OLD_HANDLES = "old_handles"
    """Handles of a file's objects are answered after the next load."""
    LAZY_LOADS = "lazy_loads"
    """The file is read when the first result is asked for."""
    KEEPS_FILE_OPEN = "keeps_file_open"
    """The file is open as long as it is loaded."""
    EXCLUSIVE_LOADS = "exclusive_loads"
    """A file that somebody in this process has open cannot be loaded."""


_ONE_AT_A_TIME = threading.Lock()
_NUMBERS = 1_000_000
"""Numbers that expire are the variable's own, and so many times how often it was asked for."""


def has(quirk: Quirk) -> bool:
    """Whether it is on."""
    return quirk in world.costs.quirks


def bent(item: Item, values: Floats, question: Hashable, again: Quirk) -> Floats:
    """A single answer as the quirks have it. `again`: the quirk that asking again brings out."""
    if not world.costs.quirks:
        return values
    model, off = item.model, asked_again(item, question, again)
    if has(Quirk.STALE_LOADS) and model.loads > 1:
        off = True
    if has(Quirk.THREADS_DECIDE) and model.thread_count == 1:
        off = True
    if has(Quirk.MODELS_INTERFERE):
        off = off or any(other.owner is not model.owner for other in tuple(world.models.values()))
    return bent_if(values, off=off)


def asked_again(item: Item, question: Hashable, again: Quirk) -> bool:
    """Whether this is another second time, and the quirk makes that matter."""
    if not has(again):
        return False
    item.asked[question] = not item.asked.get(question, True)
    return bool(item.asked[question])


def bent_if(values: Floats, *, off: bool) -> Floats:
    """Another value, or the same."""
    return np.nextafter(values, np.inf) if off else values


def bent_jointly(values: Floats, *, whole: bool, elsewhere: bool) -> Floats:
    """A column of a joint answer. `whole`: the period is; `elsewhere`: an extra means more than End A."""
    off = has(Quirk.JOINT_BITS) or (has(Quirk.JOINT_PERIODS) and not whole) or (has(Quirk.JOINT_EXTRAS) and elsewhere)
    return bent_if(values, off=off)


def enumerated(kind: int, name: str) -> tuple[int, str]:
    """An object's type and name as an enumeration gives them."""
    kind = ObjectType.Vessel if has(Quirk.ENUMERATED_TYPES) and kind == ObjectType.Line else kind
    return kind, name.upper() if has(Quirk.ENUMERATED_NAMES) else name


def numbered(item: Item | Model, number: int) -> int:
    """The number that is given for a variable."""
    if isinstance(item, Model) or not has(Quirk.NUMBERS_EXPIRE):
        return number
    times = int(item.asked.get(("number", number), 0)) + 1
    item.asked["number", number] = times
    return number + _NUMBERS * times


def own_number(number: int) -> int:
    """The variable's own number, of one that was given."""
    return number % _NUMBERS if has(Quirk.NUMBERS_EXPIRE) else number


def use(item: Item, number: int, at: slice) -> None:
    """A result over these samples is asked for by a number that was given; Refusal 13 where it was used for others."""
    if has(Quirk.NUMBERS_EXPIRE) and item.asked.setdefault(("used", number), (at.start, at.stop)) != (
        at.start,
        at.stop,
    ):
        raise Refusal(StatusCode.INVALID_VARIABLE, f"Variable number {number} has expired.")


def before_load(model: Model, path: str) -> AbstractContextManager[object]:
    """What a load does first; around it."""
    model.loads += 1
    if has(Quirk.EXCLUSIVE_LOADS) and path:
        place = Path(path)
        if any(Path(opened.path) == place for opened in psutil.Process().open_files()):
            raise Refusal(StatusCode.FILE_READ_ERROR, f"Error reading file: {path}.\nThe file is in use.")
    return _ONE_AT_A_TIME if has(Quirk.SERIALISES) else nullcontext()


def wait(seconds: float) -> None:
    """Wait, with Python's lock held where the quirk says so."""
    if seconds <= 0:
        return
    if not has(Quirk.HOLDS_GIL):
        time.sleep(seconds)
        return
    # `pythonapi` calls do not let the lock go; the second acquisition waits in vain for that long.
    api = ctypes.pythonapi
    api.PyThread_allocate_lock.restype = ctypes.c_void_p
    lock = ctypes.c_void_p(api.PyThread_allocate_lock())
    api.PyThread_acquire_lock(lock, 1)
    api.PyThread_acquire_lock_timed(lock, ctypes.c_longlong(int(seconds * 1e6)), 0)
    api.PyThread_release_lock(lock)
    api.PyThread_free_lock(lock)


def keep_open(model: Model, path: str) -> None:
    """After a load from this file."""
    if has(Quirk.KEEPS_FILE_OPEN) and path:
        model.kept.append(Path(path).open("rb"))  # noqa: SIM115 - it is to stay open


class KeptMemory:
    """Memory of a model that was cleared."""

    def __init__(self, *memory: object) -> None:
        self._memory = memory

    def close(self) -> None:
        """Let go of it."""
        self._memory = ()


def read_late(model: Model) -> None:
    """Before a result: read the file now that was not read when it was loaded."""
    if model.unread:
        path, model.unread = model.unread, ""
        with Path(path).open("rb", buffering=0) as stream:
            while stream.read(1 << 20):
                pass


def owns(model: Model, token: Token, quirk: Quirk) -> bool:
    """Whether this thread may use the model."""
    return model.owner is token or (model.owner is not None and has(quirk))
