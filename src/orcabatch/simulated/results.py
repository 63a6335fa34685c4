"""Results computed from a loaded log: time histories, range graphs, statistics. Pure; no handles, no costs.

A result at time t is

    base + amplitude * (w0 A(t) + w1 B(t) + w2 C(t) + wc cos(2 pi t / Tp) + ws sin(2 pi t / Tp))

in float64, where A, B, C are three channels of the log. Channels, base, amplitude and weights depend on the object,
the variable and the place (arc length, position, support index ...), through a hash, so the same file gives the same
bits in every process. Positive results are the magnitude. A range graph at an arc length is, bit for bit, what the time
history there gives. All operations are elementwise: a shorter period gives the same bits as a slice of a longer one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from orcabatch.simulated.simfile import SimHeader, last_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orcabatch.simulated.catalogue import Variable

Floats = NDArray[np.float64]
_CELLS = 1 << 18


class ResultPlace(NamedTuple):
    """Where on an object a result is wanted: fraction of a line's length, offset in m, and a discrete part."""

    fraction: float = 0.0
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    key: str = ""


class Weights(NamedTuple):
    """One result's linear combination."""

    base: float
    amplitude: float
    a: float
    b: float
    c: float
    cosine: float
    sine: float


@dataclass(frozen=True, slots=True)
class ResultSeed:
    """What does not depend on the place: three channels and eight numbers in [0, 1) drawn from the names' hash."""

    channels: tuple[int, int, int]
    draws: tuple[float, ...]


def result_seed(owner: str, variable: Variable, key: str, log: Log) -> ResultSeed:
    """Draw channels and numbers for a variable of the object named `owner`; `key` is the discrete part of the place.

    The first number, which the static value depends on, comes from the log's first sample.
    """
    digest = blake2b(f"{owner.lower()}|{variable.name.lower()}|{key}".encode(), digest_size=64).digest()
    words = [int.from_bytes(digest[at : at + 4], "little") for at in range(0, 44, 4)]
    first, second, third = (word % log.values.shape[1] for word in words[:3])
    static = 0.5 + 0.5 * float(log.values[0, first])
    return ResultSeed((first, second, third), (static, *(word / 4294967296.0 for word in words[4:])))


def weights(variable: Variable, drawn: ResultSeed, place: ResultPlace) -> Weights:
    """The linear combination at a place."""
    d, s, (x, y, z) = drawn.draws, place.fraction, place.offset
    phase = 2.0 * math.pi * d[5] + 0.013 * x + 0.007 * y
    base = variable.mean * (0.7 + 0.6 * d[0]) * (1.0 + 0.35 * math.cos(3.1 * s + d[6])) + 0.01 * (x + 0.7 * y + 0.4 * z)
    amplitude = variable.amplitude * (0.6 + 0.8 * d[1]) * (1.0 + 0.5 * math.sin(2.7 * s + 6.0 * d[7]) + 0.002 * abs(z))
    return Weights(
        base, amplitude, 0.2 + 0.3 * d[2] * (1.0 - s), 0.1 + 0.3 * d[3] * s, 0.05 + 0.1 * d[4],
        0.5 * math.cos(phase), 0.5 * math.sin(phase),
    )  # fmt: skip


@dataclass(slots=True)
class Log:
    """A loaded log and what all its results share.

    `values` has shape (samples, kept channels); `times` shape (samples,), seconds; `cosine` and `sine` the wave.
    """

    header: SimHeader
    values: NDArray[np.float32]
    times: Floats
    cosine: Floats
    sine: Floats

    @classmethod
    def of(cls, header: SimHeader, values: NDArray[np.float32]) -> Log:
        """Prepare the shared arrays of a log just read."""
        times = sample_times(header)
        phase = times * (2.0 * math.pi / header.spec.wave_period_s)
        return cls(header, values, times, np.cos(phase), np.sin(phase))

    def samples_of(self, start: float, stop: float) -> slice:
        """Samples from `start` to `stop`, seconds, both included, clipped to the log; empty when outside it.

        A period shorter than the sample interval that has no sample of its own gets the nearest one.
        """
        spec = self.header.spec
        interval, count = spec.sample_interval_s, len(self.times)
        low, high = (start - spec.start_time_s) / interval, (stop - spec.start_time_s) / interval
        if high < -1e-6 or low > (count - 1) + 1e-6:
            return slice(0, 0)
        first, last = max(math.ceil(low - 1e-6), 0), min(math.floor(high + 1e-6), count - 1)
        if first > last:
            first = last = min(max(round((low + high) / 2), 0), count - 1)
        return slice(first, last + 1)


def sample_times(header: SimHeader) -> Floats:
    """Time of each sample in seconds, shape (samples,); whole multiples of the interval where the start is one."""
    spec = header.spec
    first = spec.start_time_s / spec.sample_interval_s
    steps = np.arange(header.samples, dtype=np.float64)
    if abs(first - round(first)) < 1e-9:
        return (steps + round(first)) * spec.sample_interval_s
    return spec.start_time_s + steps * spec.sample_interval_s


def reached(header: SimHeader) -> float:
    """The time in seconds the simulation reached."""
    return last_time(header.spec)


def _combined(log: Log, drawn: ResultSeed, at: slice, w: Sequence[Weights], positive: bool) -> Floats:
    """Rows for the weights, columns for the samples: shape (len(w), samples)."""
    table = np.array(w, dtype=np.float64)
    parts = [np.ascontiguousarray(log.values[at, channel], dtype=np.float64) for channel in drawn.channels]
    parts += [log.cosine[at], log.sine[at]]
    total = table[:, 2:3] * parts[0]
    for column, part in enumerate(parts[1:], start=3):
        total += table[:, column : column + 1] * part
    total *= table[:, 1:2]
    total += table[:, 0:1]
    return np.abs(total) if positive else total


def history(log: Log, variable: Variable, drawn: ResultSeed, place: ResultPlace, at: slice) -> Floats:
    """One time history over the samples `at`, shape (samples,)."""
    rows = _combined(log, drawn, at, [weights(variable, drawn, place)], variable.positive)
    return rows.reshape(-1)


def static_value(variable: Variable, drawn: ResultSeed, place: ResultPlace) -> float:
    """The value in the static state."""
    base = weights(variable, drawn, place).base
    return abs(base) if variable.positive else base


class RangeCurves(NamedTuple):
    """A range graph's statistics over time at each place, each of shape (places,)."""

    minimum: Floats
    maximum: Floats
    mean: Floats
    deviation: Floats


def range_curves(log: Log, variable: Variable, drawn: ResultSeed, fractions: Sequence[float], at: slice) -> RangeCurves:
    """Statistics of the variable at the given fractions of the line's length over the samples `at`."""
    count = len(fractions)
    curves = RangeCurves(*(np.empty(count) for _ in range(4)))
    step = max(_CELLS // max(at.stop - at.start, 1), 1)
    for first in range(0, count, step):
        chunk = [weights(variable, drawn, ResultPlace(fraction)) for fraction in fractions[first : first + step]]
        rows = _combined(log, drawn, at, chunk, variable.positive)
        done = slice(first, first + len(chunk))
        curves.minimum[done], curves.maximum[done] = rows.min(axis=1), rows.max(axis=1)
        curves.mean[done], curves.deviation[done] = rows.mean(axis=1), rows.std(axis=1)
    return curves
