"""Data names and values of every type of object, as GetDataType, GetDataDouble and the others see them.

A `Schema` maps names (any case: use `find`) to `DataItem`. Values are computed from the file on first use and kept in
the object, where SetData changes them; loading forgets what was set. RefCurrentSpeed and RefCurrentDirection are those
of the current that SelectedCurrent names, so selecting another current changes them. Setting other data changes
what GetData answers and no result.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

from orcabatch.simulated.catalogue import TYPE_NAMES, ObjectType
from orcabatch.simulated.status import Refusal, StatusCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orcabatch.simulated.spec import ObjectSpec, SimSpec


class DataType(IntEnum):
    """Data types, numbered as in OrcFxAPI."""

    DOUBLE = 0
    INTEGER = 1
    STRING = 2
    BOOLEAN = 5


class Holder(Protocol):
    """What has data: an object, or a model."""

    name: str
    values: dict[str, Any]
    spec: Any
    model: Any


@dataclass(frozen=True, slots=True)
class DataItem:
    """One data name; `default(holder)` gives its value, a list of rows where it is indexed."""

    name: str
    key: str
    kind: int
    indexed: bool
    default: Callable[[Any], Any]


Schema = dict[str, DataItem]
_SPELLINGS = 4096


def find(schema: Schema, name: str) -> DataItem:
    """The item called `name` in any case; Refusal 31. Spellings met are remembered: the next look is one `get`."""
    item = schema.get(name.lower())
    if item is None:
        raise Refusal(StatusCode.INVALID_DATA_NAME, f"Invalid data name: {name}.")
    if len(schema) < _SPELLINGS:
        schema[name] = item
    return item


def value_of(holder: Holder, item: DataItem) -> Any:
    """The item's value, or list of rows."""
    values = holder.values
    if item.key not in values:
        value = item.default(holder)
        if item.key in _FOLLOWING:
            return value
        values[item.key] = value
    return values[item.key]


def row_of(holder: Holder, item: DataItem, index: int) -> Any:
    """The value at the 1-based `index` (ignored where the item has no rows); Refusal 21 outside the rows."""
    value = holder.values.get(item.key)
    if value is None:
        value = value_of(holder, item)
    if not item.indexed:
        return value
    if not 1 <= index <= len(value):
        raise Refusal(
            StatusCode.INVALID_INDEX, f"Invalid index {index} for data name {item.name}: it has {len(value)} rows."
        )
    return value[index - 1]


def set_row(holder: Holder, item: DataItem, index: int, value: Any) -> None:
    """Change a value; refuses a current that does not exist and rows that do not."""
    if item.key in ("selectedcurrent", "activecurrent") and value not in _current_names(holder):
        raise Refusal(StatusCode.INVALID_PARAMETER, f"There is no current named '{value}'.")
    if item.key in _FOLLOWING:
        holder.values.setdefault(_current_key(holder), {})[item.key] = value
    elif item.indexed:
        row_of(holder, item, index)
        holder.values[item.key][index - 1] = value
    else:
        holder.values[item.key] = value


def _current_names(environment: Holder) -> list[str]:
    return [f"Current{number}" for number in range(1, len(environment.model.spec.current_speeds_m_s) + 1)]


def _selected(environment: Holder) -> str:
    return str(environment.values.get("selectedcurrent") or _saved_showing(environment))


def _saved_showing(environment: Holder) -> str:
    return f"Current{environment.model.spec.selected_current}"


def _current_key(environment: Holder) -> str:
    return f"current {_selected(environment)}"


def _current(key: str, compute: Callable[[Holder, int], float]) -> Callable[[Holder], float]:
    def value(environment: Holder) -> float:
        changed = environment.values.get(_current_key(environment), {})
        if key in changed:
            return float(changed[key])
        return compute(environment, _current_names(environment).index(_selected(environment)))

    return value


_FOLLOWING = {"refcurrentspeed", "refcurrentdirection"}


def _speed(environment: Holder, at: int) -> float:
    return float(environment.model.spec.current_speeds_m_s[at])


def _direction(environment: Holder, at: int) -> float:
    return float(35.0 + 47.25 * at + 3.5 * (environment.model.spec.seed % 40)) % 360.0


def _items(rows: Iterable[tuple[str, DataType, Any]], *, indexed: bool = False) -> list[DataItem]:
    return [DataItem(name, name.lower(), int(kind), indexed, _maker(value, indexed)) for name, kind, value in rows]


def _maker(value: Any, indexed: bool) -> Callable[[Any], Any]:
    if callable(value):
        return value  # type: ignore[no-any-return]
    return (lambda _: list(value)) if indexed else (lambda _: value)


def _schema(kind: int, *parts: list[DataItem]) -> Schema:
    named = _items([("Name", DataType.STRING, lambda holder: holder.name), ("Comment", DataType.STRING, "")])
    return {item.key: item for part in (named, *parts) for item in part}


def _spec(read: Callable[[SimSpec], Any]) -> Callable[[Any], Any]:
    return lambda holder: read(holder.model.spec)


def _own(read: Callable[[ObjectSpec], Any]) -> Callable[[Any], Any]:
    return lambda holder: read(holder.spec)


D, N, S, B = DataType.DOUBLE, DataType.INTEGER, DataType.STRING, DataType.BOOLEAN
_GENERAL = [
    *_items([
        ("ActualLogSampleInterval", D, _spec(lambda spec: spec.sample_interval_s)),
        ("TargetLogSampleInterval", D, _spec(lambda spec: spec.sample_interval_s)),
        ("StageCount", N, 2), ("UnitsSystem", S, "SI"), ("ModelType", N, 0), ("StaticsEnabled", S, "Yes"),
        ("DynamicsSolutionMethod", S, "Implicit time domain"), ("SpectralDensityFundamentalFrequency", D, 0.01),
        ("ImplicitConstantTimeStep", D, 0.1), ("NorthDirection", D, 90.0), ("g", D, 9.80665),
    ]),
    *_items([
        ("StageDuration", D, _spec(lambda spec: [-spec.start_time_s, max(spec.stop_time_s, 0.0)])),
        ("StageEndTime", D, _spec(lambda spec: [0.0, spec.stop_time_s])),
    ], indexed=True),
]  # fmt: skip
_ENVIRONMENT = [
    *_items([
        ("WaveHs", D, _spec(lambda spec: spec.wave_height_m)), ("WaveTp", D, _spec(lambda spec: spec.wave_period_s)),
        ("WaveTz", D, _spec(lambda spec: spec.wave_period_s / 1.2859)),
        ("WaveHeight", D, _spec(lambda spec: spec.wave_height_m)),
        ("WavePeriod", D, _spec(lambda spec: spec.wave_period_s)), ("WaveGamma", D, 3.3),
        ("WaveDirection", D, _spec(lambda spec: float(15 * (spec.seed % 24)))), ("WaveType", S, "JONSWAP"),
        ("WaveSeed", N, _spec(lambda spec: 12345 + spec.seed)), ("NumberOfWaveTrains", N, 1),
        ("SelectedWave", S, "Wave1"),
        ("WaveSimulationTimeOrigin", D, 0.0), ("WaterDepth", D, 60.0), ("SeabedOriginDepth", D, 60.0),
        ("SeaSurfaceZ", D, 0.0), ("Density", D, 1.025), ("KinematicViscosity", D, 1.35e-6), ("SeaTemperature", D, 10.0),
        ("WindSpeed", D, _spec(lambda spec: 8.0 + 0.5 * (spec.seed % 20))), ("WindDirection", D, 180.0),
        ("WindType", S, "Constant"), ("MultipleCurrentDataCanBeDefined", B, 1),
        ("NumberOfCurrents", N, lambda holder: len(_current_names(holder))), ("ActiveCurrent", S, "Current1"),
        ("SelectedCurrent", S, _saved_showing), ("RefCurrentSpeed", D, _current("refcurrentspeed", _speed)),
        ("RefCurrentDirection", D, _current("refcurrentdirection", _direction)),
        ("CurrentModel", S, "Variation scheme"),
        ("CurrentRamped", B, 1),
    ]),
    *_items([
        ("CurrentName", S, _current_names), ("WaveName", S, ["Wave1"]),
        ("CurrentDepth", D, [0.0, 30.0, 60.0]), ("CurrentFactor", D, [1.0, 0.9, 0.6]),
        ("CurrentRotation", D, [0.0, 2.0, 5.0]),
    ], indexed=True),
]  # fmt: skip
_LINE = [
    *_items([
        ("NumberOfSections", N, 1), ("EndAConnection", S, "Vessel1"), ("EndBConnection", S, "Fixed"),
        ("IncludeTorsion", S, "No"), ("EndAX", D, 10.0), ("EndAY", D, 5.0), ("EndAZ", D, 2.0), ("EndBX", D, 80.0),
        ("EndBY", D, 30.0), ("EndBZ", D, -40.0), ("ContentsDensity", D, 0.0), ("TopEnd", S, "End A"),
    ]),
    *_items([
        ("LineType", S, ["LineType1"]), ("Length", D, _own(lambda item: [item.length_m])),
        ("CumulativeLength", D, _own(lambda item: [item.length_m])),
        ("NumberOfSegments", N, _own(lambda item: [item.nodes - 1])),
        ("TargetSegmentLength", D, _own(lambda item: [item.length_m / max(item.nodes - 1, 1)])),
    ], indexed=True),
]  # fmt: skip
_BODY = _items([
    ("InitialX", D, 0.0), ("InitialY", D, 0.0), ("InitialZ", D, 0.0), ("InitialHeel", D, 0.0), ("InitialTrim", D, 0.0),
    ("InitialHeading", D, 90.0), ("Connection", S, "Free"),
])  # fmt: skip
_SUPPORTS = _items([("NumberOfSupports", N, _own(lambda item: item.supports))])
_VESSEL = [*_BODY, *_SUPPORTS, *_items([
    ("VesselType", S, "VesselType1"), ("Draught", S, "Draught1"), ("Length", D, 285.0),
    ("IncludedInStatics", S, "6 DOF"),
])]  # fmt: skip
_MODEL = _items([
    ("LatestFileName", S, lambda model: model.file), ("LicenceStatus", S, "Simulated"), ("DongleName", S, "Simulated"),
    ("DongleAccessMode", S, "Network"), ("DonglePort", S, "27000"), ("DongleServer", S, "simulated"),
    ("LicenceFileLocation", S, "27000@simulated"), ("OutputBrowserGroupStructureWhenTrackingChanges", B, 0),
])  # fmt: skip
_WINCH = _items([("WinchType", S, "Detailed"), ("StageMode", S, "Specified tension"), ("NumberOfConnections", N, 2)])
_LINE_TYPE = _items([("OD", D, 0.21), ("MassPerUnitLength", D, 0.12), ("EA", D, 7.1e5)])

SCHEMAS: dict[int, Schema] = {int(kind): _schema(kind) for kind in TYPE_NAMES}
"""Data names by type of object; 0: the model's own."""
SCHEMAS.update({
    0: {item.key: item for item in _MODEL},
    ObjectType.General: _schema(ObjectType.General, _GENERAL),
    ObjectType.Environment: _schema(ObjectType.Environment, _ENVIRONMENT),
    ObjectType.Line: _schema(ObjectType.Line, _LINE),
    ObjectType.Vessel: _schema(ObjectType.Vessel, _VESSEL),
    ObjectType.Buoy6D: _schema(ObjectType.Buoy6D, [*_BODY, *_SUPPORTS, *_items([("Mass", D, 5.0)])]),
    ObjectType.Buoy3D: _schema(ObjectType.Buoy3D, _items([("Mass", D, 0.5), ("Volume", D, 0.6)])),
    ObjectType.Winch: _schema(ObjectType.Winch, _WINCH),
    ObjectType.Link: _schema(ObjectType.Link, _items([("LinkType", S, "Tether"), ("UnstretchedLength", D, 15.0)])),
    ObjectType.Constraint: _schema(ObjectType.Constraint, _BODY),
    ObjectType.LineType: _schema(ObjectType.LineType, _LINE_TYPE),
    ObjectType.VesselType: _schema(ObjectType.VesselType, _items([("Length", D, 285.0)])),
})  # fmt: skip
