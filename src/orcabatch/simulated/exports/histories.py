"""Time histories, one and many, and sample times: passes over the log and what they cost."""
# ruff: noqa: D103, PLR0913, PLR0917 - an export's name and arguments are OrcFxAPI's.

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

import numpy as np

from orcabatch.simulated.board import Slot
from orcabatch.simulated.exports.base import ADDRESS, INT, Genuine, export, item_of, model_of
from orcabatch.simulated.exports.models import file_name, refuse_without_licence
from orcabatch.simulated.exports.places import place_of, variable_of
from orcabatch.simulated.memory import HistorySpecification, Period, floats_at
from orcabatch.simulated.periods import STATIC, sample_total, samples_of
from orcabatch.simulated.results import Floats, Log, Place, Recipe, history, recipe, static_value
from orcabatch.simulated.spec import SimFault
from orcabatch.simulated.status import Refusal, Status
from orcabatch.simulated.world import Item, Model, Token, world

if TYPE_CHECKING:
    from orcabatch.simulated.catalogue import Variable

_BURN = bytes(1 << 18)


def log_passes(token: Token, count: int) -> None:
    """Count passes over the log, and pay for them outside the GIL."""
    token.block[Slot.LOG_PASSES] += count
    costs = world.costs
    if costs.log_pass_s:
        time.sleep(costs.log_pass_s * count)
    if costs.cpu_s_per_pass:
        burn(token, costs.cpu_s_per_pass * count)


def burn(token: Token, seconds: float) -> None:
    """Use so much CPU with the GIL released (hashing a large buffer)."""
    with Genuine(token, Slot.COST_NS):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            hashlib.sha256(_BURN).digest()


def period_of(model: Model, address: int) -> slice:
    """The samples of the Period at `address`."""
    period = Period.from_address(address)
    return samples_of(model, period.number, period.start, period.stop)


def drawn_recipe(item: Item, variable: Variable, place: Place, log: Log) -> Recipe:
    """The recipe of a result, remembered in its object."""
    key = (variable.id, place.key)
    if key not in item.recipes:
        item.recipes[key] = recipe(item.name, variable, place.key, log)
    return item.recipes[key]


def readable_log(item: Item, variable: Variable, at: slice, broken: Status) -> Log:
    """The log of the object's model; refuses what is not logged (55) or corrupt (`broken`), and a lost licence (25)."""
    refuse_without_licence()
    model = item.model
    log, spec = model.log, model.spec
    if log is None:
        raise Refusal(Status.INVALID_MODEL_STATE, "Results are not available: the model is in Reset state.")
    name = (item.name.lower(), variable.name.lower())
    missing = at is not STATIC and SimFault.NOT_LOGGED in spec.faults
    if missing or name in [(owner.lower(), what.lower()) for owner, what in spec.not_logged]:
        raise Refusal(Status.RESULTS_NOT_LOGGED, f"Results are not logged for {variable.name} of {item.name}.")
    if SimFault.CORRUPT_RESULTS in spec.faults:
        raise Refusal(broken, f"Error reading {variable.name} of {item.name} from the simulation log: it is corrupt.")
    return log


def values_of(item: Item, number: int, extra: int | None, at: slice) -> Floats:
    """One result over the samples `at` (or the static state), float64, shape (samples,)."""
    variable = variable_of(item, number)
    place = place_of(item, variable, extra)
    log = readable_log(item, variable, at, Status.TIME_HISTORY)
    drawn = drawn_recipe(item, variable, place, log)
    if variable.name == "Time":
        return times_of(item.model, at)
    if at is STATIC:
        return np.array([static_value(variable, drawn, place)])
    values = history(log, variable, drawn, place, at)
    if has_nan(item, variable):
        values[len(values) // 2] = np.nan
    return values


def has_nan(item: Item, variable: Variable) -> bool:
    """Whether the file says that this result holds a NaN."""
    planned = item.model.spec.nan_variable
    return planned is not None and _is(item, variable, planned)


def _is(item: Item, variable: Variable, names: tuple[str, str]) -> bool:
    return item.name.lower() == names[0].lower() and variable.name.lower() == names[1].lower()


@export("C_GetTimeHistory2W", ADDRESS, ADDRESS, ADDRESS, INT, ADDRESS)
def get_time_history(token: Token, handle: int, extra: int | None, period: int, number: int, out: int) -> None:
    item = item_of(token, handle)
    at = period_of(item.model, period)
    values = values_of(item, number, extra, at)
    log_passes(token, 1)
    floats_at(out, len(values))[:] = values


@export("C_GetMultipleTimeHistoriesW", INT, ADDRESS, ADDRESS, ADDRESS)
def get_multiple_time_histories(token: Token, count: int, specifications: int, period: int, out: int) -> None:
    wanted = (HistorySpecification * count).from_address(specifications)
    items = [item_of(token, each.handle) for each in wanted]
    if any(item.model is not items[0].model for item in items):
        raise Refusal(Status.INVALID_PARAMETER, "All time histories of one call must be of the same model.")
    at = period_of(items[0].model, period)
    log_passes(token, count if world.costs.joint_passes == "many" else 1)
    table = floats_at(out, count * sample_total(at)).reshape(-1, count)
    for column, (item, each) in enumerate(zip(items, wanted, strict=True)):
        values = values_of(item, each.variable, each.extra, at)
        table[:, column] = np.nextafter(values, np.inf) if _differs(item, each.variable) else values


def _differs(item: Item, number: int) -> bool:
    planned = world.costs.ulp
    if planned is None or file_name(item.model.file) != planned[0]:
        return False
    return _is(item, variable_of(item, number), planned[1:])


def times_of(model: Model, at: slice) -> Floats:
    """Times of the samples `at` (of the static state: the first), shape (samples,)."""
    if model.log is None:
        raise Refusal(Status.INVALID_MODEL_STATE, "Results are not available: the model is in Reset state.")
    return model.log.times[:1] if at is STATIC else model.log.times[at]


@export("C_GetSampleTimes", ADDRESS, ADDRESS, ADDRESS)
def get_sample_times(token: Token, handle: int, period: int, out: int) -> None:
    model = model_of(token, handle)
    times = times_of(model, period_of(model, period))
    floats_at(out, len(times))[:] = times
