"""Which samples a period of OrcFxAPI means.

StaticState: the static state alone (`STATIC`). WholeSimulation: every sample. BuildUp (0) and stage 1: before and from
time 0. LatestWave: the last wave period before the time reached. InstantaneousValue: the last sample. SpecifiedPeriod:
from and to, both included, clipped to what was simulated; wholly outside it, or from after to, is refused with
status 12 (how the real DLL clips could not be confirmed). A model in static state knows StaticState only.
"""

from __future__ import annotations

from orcabatch.simulated.results import reached
from orcabatch.simulated.status import Refusal, Status
from orcabatch.simulated.world import IN_STATIC_STATE, RESET, Model

SPECIFIED, LATEST_WAVE, WHOLE, STATIC_STATE, INSTANTANEOUS = 32001, 32002, 32003, 32004, 32005
STATIC = slice(-1, 0)
"""Stands for the static state: one sample, which is not in the log."""


def samples_of(model: Model, number: int, start: float, stop: float) -> slice:
    """The samples of a period, or `STATIC`. Refuses with 39 when nothing was simulated, 12 for an invalid period."""
    key = (number, start, stop)
    at = model.periods.get(key)
    if at is None:
        at = model.periods[key] = _samples_of(model, number, start, stop)
    return at


def _samples_of(model: Model, number: int, start: float, stop: float) -> slice:
    if number == STATIC_STATE and model.state != RESET:
        return STATIC
    log = model.log
    if log is None or model.state == RESET:
        raise Refusal(Status.INVALID_MODEL_STATE, "Results are not available: the model is in Reset state.")
    if model.state == IN_STATIC_STATE:
        raise Refusal(Status.INVALID_PERIOD, "Invalid period: the model is in static state and has not run.")
    end = reached(log.header)
    if number == SPECIFIED and start > stop:
        raise Refusal(Status.INVALID_PERIOD, f"Invalid period: from {start:g} s is after to {stop:g} s.")
    spans = {
        SPECIFIED: (start, stop), WHOLE: (model.spec.start_time_s, end), 0: (model.spec.start_time_s, 0.0),
        LATEST_WAVE: (max(end - model.spec.wave_period_s, model.spec.start_time_s), end), 1: (0.0, end),
        INSTANTANEOUS: (end, end),
    }  # fmt: skip
    if number not in spans:
        raise Refusal(Status.INVALID_PERIOD, f"Invalid period number {number}.")
    at = log.samples_of(*spans[number])
    if at.stop <= at.start:
        raise Refusal(
            Status.INVALID_PERIOD,
            f"Invalid period: nothing was simulated from {start:g} s to {stop:g} s "
            f"(the simulation covers {model.spec.start_time_s:g} s to {end:g} s).",
        )
    return at


def sample_total(at: slice) -> int:
    """How many samples that is."""
    return 1 if at is STATIC else int(at.stop - at.start)
