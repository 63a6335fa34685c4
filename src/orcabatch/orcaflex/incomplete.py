"""What the engineer should know about a file that was post-processed all the same (R31, R32).

Outputs are never changed by what is found here. `simulation_warnings` costs three calls of OrcFxAPI per file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orcabatch.notice import Notice, Silent
from orcabatch.text import plural, shortened_list

_UNSTABLE = 5
_STATES = {0: "reset (never run)", 1: "calculating statics", 2: "in static state", 3: "still running", 5: "unstable"}
_PARTIAL = ("simulation became unstable", "simulation incomplete", "simulation is not marked as complete")
_SMALL_SHARE = 0.1


def simulation_warnings(model: Any) -> tuple[str, ...]:
    """Warnings about a simulation that did not reach its end; empty when it did, or when the model cannot say."""
    try:
        complete = bool(model.simulationComplete)
        state = int(model.state)
        status = model.simulationTimeStatus
        current, stop = float(status.CurrentTime), float(status.StopTime)
    except (AttributeError, TypeError, ValueError):
        return ()  # a user's own stub has no such attributes
    if complete:
        return ()
    if state == _UNSTABLE:
        return (f"simulation became unstable at {current:g} s of {stop:g} s",)
    if current < stop:
        return (f"simulation incomplete: it reached {current:g} s of {stop:g} s{_state(state)}",)
    return (f"simulation is not marked as complete{_state(state)}",)


def is_partial(warning: str) -> bool:
    """Whether a file's warning is one of `simulation_warnings`."""
    return warning.startswith(_PARTIAL)


def partial_notices(batch: str, partial: Sequence[tuple[Path, str]], files: int) -> tuple[Notice, ...]:
    """What is to be said of a batch whose results are of such simulations: one notice, or none.

    Args:
        batch: its name.
        partial: their files, in input order, and how far each got, in words.
        files: how many have results.
    """
    if not partial:
        return ()
    their = "its" if files == 1 else "their"
    text = (
        f"{len(partial)} of {plural(files, 'simulation')} did not reach {their} end, and the results are those of the "
        "part that was simulated"
    )
    remedy = "Run these simulations to their end and the batch again, or leave them out"
    details = tuple(f"{file.name}: {reached}" for file, reached in partial)
    return (Notice(Silent.PARTIAL, batch, text, remedy, tuple(file for file, _ in partial), details),)


def period_warning(period: tuple[float, float], simulated: tuple[float, float]) -> str:
    """A warning where a period lies outside what was simulated, or covers less than a tenth of it; else empty.

    Args:
        period: from and to, seconds of simulation time.
        simulated: start and end of what was simulated, in the same seconds.
    """
    (start, end), (first, last) = period, simulated
    if end < first or start > last or end < start:
        return f"period {start:g}..{end:g} s lies outside the simulated {first:g}..{last:g} s"
    if end > last or start < first:
        return f"period {start:g}..{end:g} s reaches beyond the simulated {first:g}..{last:g} s"
    if end - start > 0 and end - start < _SMALL_SHARE * (last - first):
        share = (end - start) / (last - first)
        much = f"{share:.0%}" if share >= 0.01 else "less than 1%"
        return f"period {start:g}..{end:g} s covers only {much} of the simulated time ({first:g}..{last:g} s)"
    return ""


def non_finite(values: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> tuple[str, ...]:
    """Names of the results that are or hold a NaN or an infinity, in order.

    Args:
        values: result by name: a number, or an array of numbers; anything else is left alone.
    """
    import numpy as np

    pairs = values.items() if isinstance(values, Mapping) else values
    found = []
    for name, value in pairs:
        if isinstance(value, bool | str | bytes) or value is None:
            continue
        array = np.asarray(value)
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            found.append(name)
    return tuple(found)


def non_finite_warning(names: tuple[str, ...]) -> str:
    """One line that names the first non-finite results; empty where there are none."""
    return f"not a finite number: {shortened_list(names, most=5)}" if names else ""


def _state(state: int) -> str:
    return f" (state: {_STATES[state]})" if state in _STATES else ""
