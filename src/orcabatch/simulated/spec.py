"""What a simulated `.sim` file is to hold: a value, no file touched.

`SimSpec` describes one file; `ObjectSpec` one object of its model; `mooring_objects` builds a usual population.
See also: `simfile` (the bytes), `catalogue` (what each type of object can answer).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from orcabatch.simulated.catalogue import ObjectType

if TYPE_CHECKING:
    from collections.abc import Mapping


class SimState(StrEnum):
    """State of the model in the file, as `model.state` reports it."""

    RESET = "Reset"
    IN_STATIC_STATE = "InStaticState"
    STOPPED = "SimulationStopped"
    UNSTABLE = "SimulationStoppedUnstable"


class SimFault(StrEnum):
    """What is wrong with a file."""

    TRUNCATED = "truncated"
    """The log ends early: status 7 at load."""
    EMPTY = "empty"
    """No bytes at all: status 67 at load."""
    NOT_A_SIM = "not_a_sim"
    """Other bytes: status 67 at load."""
    WRONG_VERSION = "wrong_version"
    """Written by a later version: status 34 at load."""
    CORRUPT_LOAD = "corrupt_load"
    """StatusCode 7 at load, after the whole file was read."""
    UNEXPECTED_LOAD = "unexpected_load"
    """StatusCode 20 at load, after the whole file was read."""
    CORRUPT_RESULTS = "corrupt_results"
    """Loads; range graphs answer 14, every other result 8."""
    NOT_LOGGED = "not_logged"
    """Loads; every result of the dynamic simulation answers 55."""


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """One object: its name, its type, and data values that differ from the type's defaults (by data name).

    `length_m` and `nodes` matter for lines only; `supports` (how many) for vessels and 6D buoys.
    """

    name: str
    type: ObjectType
    length_m: float = 100.0
    nodes: int = 41
    supports: int = 4
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SimSpec:
    """One simulated file. Times in seconds, sizes in bytes.

    The log has a sample each `sample_interval_s` from `start_time_s` to `current_time_s` (None: `stop_time_s`, a
    finished run). The file gets exactly `size_bytes`, or what its smallest log needs when that is more.
    `memory_factor`: loading it takes that many times the log in memory.
    """

    objects: tuple[ObjectSpec, ...] = ()
    start_time_s: float = -8.0
    stop_time_s: float = 60.0
    current_time_s: float | None = None
    sample_interval_s: float = 0.1
    state: SimState = SimState.STOPPED
    size_bytes: int = 1_000_000
    seed: int = 0
    memory_factor: float = 1.0
    wave_height_m: float = 3.0
    wave_period_s: float = 9.0
    current_speeds_m_s: tuple[float, ...] = (0.4, 1.1)
    selected_current: int = 1
    """Which current's data the file was saved showing (from 1); the active one is the first."""
    faults: tuple[SimFault, ...] = ()
    nan_variable: tuple[str, str] | None = None
    """(object, variable) whose histories hold one NaN."""
    not_logged: tuple[tuple[str, str], ...] = ()
    """(object, variable) pairs that answer 55."""

    def __post_init__(self) -> None:
        if self.sample_interval_s <= 0 or self.stop_time_s < self.start_time_s:
            raise ValueError(
                f"a simulation needs a positive sample interval and a stop after its start: interval "
                f"{self.sample_interval_s} s, start {self.start_time_s} s, stop {self.stop_time_s} s"
            )


def _numbered(stem: str, kind: ObjectType, count: int, **options: Any) -> list[ObjectSpec]:
    return [ObjectSpec(f"{stem}{index:02d}", kind, **options) for index in range(1, count + 1)]


def mooring_objects(count: int = 26, *, lines: int = 8) -> tuple[ObjectSpec, ...]:
    """A moored vessel: `lines` lines (Line01...), Vessel1, winches, links, buoys, constraints; `count` objects or more.

    General and Environment are part of every model and counted. What is missing to `count` are further lines
    (Strut001...), two of three, and 6D buoys (Fender001...).
    """
    objects = [
        ObjectSpec("VesselType1", ObjectType.VesselType),
        ObjectSpec("LineType1", ObjectType.LineType),
        ObjectSpec("Vessel1", ObjectType.Vessel),
        *_numbered("Line", ObjectType.Line, lines),
        *_numbered("Winch", ObjectType.Winch, 2),
        *_numbered("Link", ObjectType.Link, 2),
        *_numbered("Constraint", ObjectType.Constraint, 2),
        ObjectSpec("Buoy1", ObjectType.Buoy6D),
        ObjectSpec("Marker1", ObjectType.Buoy3D),
        ObjectSpec("Jetty", ObjectType.Shape),
    ]
    for index in range(1, max(count - len(objects) - 2, 0) + 1):
        kind, stem = (ObjectType.Buoy6D, "Fender") if index % 3 == 0 else (ObjectType.Line, "Strut")
        objects.append(ObjectSpec(f"{stem}{index:03d}", kind, length_m=20.0, nodes=11))
    return tuple(objects)
