"""Which types of object there are, and which variables each can answer: names, units, usual magnitudes.

Pure values. A variable's `id` is unique over all types, stable, and what C_GetVarIDW returns.
`place` says which part of an ObjectExtra it needs: "line" (a point of the line), "support" (a SupportIndex of 1 or
more), "water" (an environment position), "body" (a position, the origin when left out), "" (nothing).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

PlaceKind = Literal["line", "support", "water", "body", ""]


class ObjectType(IntEnum):
    """Numbers as in OrcFxAPI."""

    General = 1
    Environment = 3
    Vessel = 5
    Line = 6
    Buoy6D = 7
    Buoy3D = 8
    Winch = 9
    Link = 10
    Shape = 11
    Constraint = 12
    LineType = 15
    ClumpType = 16
    VesselType = 18


TYPE_NAMES: dict[int, str] = {
    ObjectType.General: "General",
    ObjectType.Environment: "Environment",
    ObjectType.Vessel: "Vessel",
    ObjectType.Line: "Line",
    ObjectType.Buoy6D: "6D Buoy",
    ObjectType.Buoy3D: "3D Buoy",
    ObjectType.Winch: "Winch",
    ObjectType.Link: "Link",
    ObjectType.Shape: "Shape",
    ObjectType.Constraint: "Constraint",
    ObjectType.LineType: "Line Type",
    ObjectType.ClumpType: "Clump Type",
    ObjectType.VesselType: "Vessel Type",
}


@dataclass(frozen=True, slots=True)
class Variable:
    """One result: usual mean and dynamic amplitude in `units`; `positive` results never change sign."""

    id: int
    type: ObjectType
    name: str
    units: str
    mean: float
    amplitude: float
    place: PlaceKind
    positive: bool = False
    upper: float | None = None
    lower: float | None = None


_MOTIONS = (
    ("X", "m", 12.5, 3.1), ("Y", "m", -4.2, 2.4), ("Z", "m", 1.7, 1.3),
    ("Velocity", "m/s", 1.1, 0.8), ("GX velocity", "m/s", 0.0, 0.9), ("GY velocity", "m/s", 0.0, 0.7),
    ("GZ velocity", "m/s", 0.0, 0.6), ("GX acceleration", "m/s^2", 0.0, 0.5), ("GY acceleration", "m/s^2", 0.0, 0.4),
    ("GZ acceleration", "m/s^2", 0.0, 0.7), ("x acceleration", "m/s^2", 0.0, 0.5),
    ("y acceleration", "m/s^2", 0.0, 0.4), ("z acceleration", "m/s^2", 0.0, 0.7),
)  # fmt: skip
_ROTATIONS = (
    ("Rotation 1", "deg", 0.6, 3.2), ("Rotation 2", "deg", 0.3, 2.1), ("Rotation 3", "deg", 90.5, 1.4),
    ("x angular velocity", "deg/s", 0.0, 1.9), ("y angular velocity", "deg/s", 0.0, 1.2),
    ("z angular velocity", "deg/s", 0.0, 0.4),
)  # fmt: skip
_LINE = (
    ("Effective tension", "kN", 820.0, 160.0), ("Wall tension", "kN", 845.0, 165.0),
    ("End force", "kN", 815.0, 158.0), ("End GX force", "kN", 512.0, 120.0), ("End GY force", "kN", -230.0, 90.0),
    ("End GZ force", "kN", 401.0, 75.0), ("End Lx force", "kN", 77.0, 18.0), ("End Ly force", "kN", -12.0, 9.0),
    ("End Lz force", "kN", 803.0, 150.0), ("End moment", "kN.m", 41.0, 12.0), ("Bend moment", "kN.m", 33.0, 11.0),
    ("x bend moment", "kN.m", 3.0, 10.0), ("y bend moment", "kN.m", -2.0, 10.5), ("Curvature", "rad/m", 0.012, 0.004),
    ("x curvature", "rad/m", 0.001, 0.004), ("y curvature", "rad/m", -0.001, 0.004), ("Shear force", "kN", 14.0, 5.0),
    ("Torque", "kN.m", 0.8, 0.5), ("Max von Mises stress", "kPa", 181000.0, 24000.0),
    ("Max pipelay von Mises strain", "%", 0.11, 0.02), ("Direct tensile strain", "%", 0.21, 0.03),
    ("API STD 2RD Method 1", "", 0.31, 0.07), ("API RP 2RD utilisation", "", 0.36, 0.08),
    ("DNV OS F201 LRFD", "", 0.42, 0.09), ("X", "m", 40.0, 2.0), ("Y", "m", 8.0, 1.6), ("Z", "m", -30.0, 1.1),
    ("Velocity", "m/s", 0.9, 0.6), ("GX velocity", "m/s", 0.0, 0.6), ("GY velocity", "m/s", 0.0, 0.5),
    ("GZ velocity", "m/s", 0.0, 0.4), ("Azimuth", "deg", 143.0, 4.0), ("Declination", "deg", 51.0, 6.0),
    ("No-moment azimuth", "deg", 140.0, 4.0), ("No-moment declination", "deg", 52.0, 6.0),
    ("Ez angle", "deg", 7.0, 2.5), ("Exy angle", "deg", 11.0, 9.0), ("Ezx angle", "deg", 1.0, 3.0),
    ("Ezy angle", "deg", -1.0, 3.0), ("Line clearance", "m", 6.0, 1.5), ("Seabed clearance", "m", 3.0, 1.0),
    ("Arc length", "m", 55.0, 0.4), ("Normalised tension", "", 0.24, 0.05),
)  # fmt: skip
_VESSEL = (
    *_MOTIONS, *_ROTATIONS,
    ("Surge", "m", 0.2, 1.7), ("Sway", "m", -0.1, 1.4), ("Heave", "m", 0.05, 1.2), ("Roll", "deg", 0.2, 2.9),
    ("Pitch", "deg", 0.1, 1.8), ("Yaw", "deg", -0.2, 1.3), ("Yaw rotation", "deg", 90.2, 1.3),
    ("Primary X", "m", 12.0, 3.0), ("Primary Y", "m", -4.0, 2.3), ("Primary Z", "m", 1.6, 1.2),
    ("Primary rotation 1", "deg", 0.5, 3.0), ("Primary rotation 2", "deg", 0.3, 2.0),
    ("Primary rotation 3", "deg", 90.4, 1.3), ("Sea surface Z", "m", 0.0, 1.6),
    ("Sea surface clearance", "m", 5.0, 1.7),
    ("Total force", "kN", 5200.0, 900.0), ("Total Lx force", "kN", 410.0, 600.0),
    ("Total Ly force", "kN", -350.0, 500.0),
    ("Total Lz force", "kN", 98.0, 450.0), ("Connections GX force", "kN", 205.0, 300.0),
    ("Connections GY force", "kN", -175.0, 250.0), ("Connections GZ force", "kN", 49.0, 225.0),
)  # fmt: skip
_SUPPORT = (
    ("Support Contact Clearance", "m", 0.35, 0.12), ("Support Reaction Force", "kN", 61.0, 22.0),
    ("Support Reaction Lx Force", "kN", 12.0, 9.0), ("Support Reaction Lz Force", "kN", 59.0, 21.0),
)  # fmt: skip
_WINCH = (("Tension", "kN", 305.0, 55.0), ("Length", "m", 61.0, 1.8), ("Velocity", "m/s", 0.0, 0.3))
_LINK = (("Tension", "kN", 205.0, 45.0), ("Length", "m", 15.0, 0.6), ("Velocity", "m/s", 0.0, 0.3),
         ("Azimuth", "deg", 33.0, 4.0), ("Declination", "deg", 71.0, 5.0))  # fmt: skip
_CONSTRAINT = (
    ("In-frame connection force", "kN", 95.0, 30.0), ("In-frame connection GX force", "kN", 52.0, 22.0),
    ("In-frame connection GY force", "kN", -24.0, 18.0), ("In-frame connection GZ force", "kN", 71.0, 20.0),
    ("In-frame connection moment", "kN.m", 14.0, 5.0), ("Out-frame connection force", "kN", 93.0, 30.0),
    ("Out-frame connection GX force", "kN", 51.0, 22.0), ("Out-frame connection GY force", "kN", -25.0, 18.0),
    ("Out-frame connection GZ force", "kN", 70.0, 20.0), ("Displacement", "m", 0.4, 0.2),
    ("x displacement", "m", 0.1, 0.2), ("y displacement", "m", 0.0, 0.2), ("z displacement", "m", 0.3, 0.2),
    ("In-frame X", "m", 12.0, 1.0), ("In-frame Y", "m", 3.0, 1.0), ("In-frame Z", "m", 2.0, 0.8),
)  # fmt: skip
_ENVIRONMENT = (
    ("Elevation", "m", 0.0, 1.6), ("Velocity", "m/s", 0.9, 0.7), ("X velocity", "m/s", 0.4, 0.7),
    ("Y velocity", "m/s", 0.1, 0.4), ("Z velocity", "m/s", 0.0, 0.6), ("Acceleration", "m/s^2", 0.7, 0.4),
    ("Pressure", "kPa", 101.0, 14.0), ("Static pressure", "kPa", 101.0, 0.0), ("Seabed Z", "m", -60.0, 0.0),
    ("Current speed", "m/s", 0.6, 0.1), ("Current direction", "deg", 125.0, 3.0), ("Wind speed", "m/s", 14.0, 3.0),
    ("Wind direction", "deg", 200.0, 6.0), ("Density", "te/m^3", 1.025, 0.0),
)  # fmt: skip
_GENERAL = (("Time", "s", 0.0, 0.0), ("Ramp", "", 1.0, 0.0), ("Implicit solver iteration count", "", 4.0, 1.5),
            ("Implicit solver time step", "s", 0.1, 0.0))  # fmt: skip

_TABLE: dict[ObjectType, tuple[tuple[PlaceKind, tuple[tuple[str, str, float, float], ...]], ...]] = {
    ObjectType.General: (("", _GENERAL),),
    ObjectType.Environment: (("water", _ENVIRONMENT),),
    ObjectType.Vessel: (("body", _VESSEL), ("support", _SUPPORT)),
    ObjectType.Line: (("line", _LINE),),
    ObjectType.Buoy6D: (("body", (*_MOTIONS, *_ROTATIONS)), ("support", _SUPPORT)),
    ObjectType.Buoy3D: (("", _MOTIONS[:6]),),
    ObjectType.Winch: (("", _WINCH),),
    ObjectType.Link: (("", _LINK),),
    ObjectType.Constraint: (("body", _CONSTRAINT),),
}
_POSITIVE = {
    "bend moment", "curvature", "api std 2rd method 1", "api rp 2rd utilisation", "dnv os f201 lrfd", "velocity",
    "max von mises stress", "shear force", "end force", "end moment", "line clearance", "normalised tension",
}  # fmt: skip
_LIMITS: dict[str, tuple[float | None, float | None]] = {
    "effective tension": (2500.0, -35.0),
    "wall tension": (2600.0, None),
    "bend moment": (120.0, None),
    "curvature": (0.05, None),
    "max von mises stress": (300000.0, None),
    "api std 2rd method 1": (1.0, None),
}


def _variables() -> Iterator[Variable]:
    for kind, parts in _TABLE.items():
        number = int(kind) * 1000
        for place, rows in parts:
            for name, units, mean, amplitude in rows:
                number += 1
                key = name.lower()
                upper, lower = _LIMITS.get(key, (None, None)) if kind == ObjectType.Line else (None, None)
                yield Variable(number, kind, name, units, mean, amplitude, place, key in _POSITIVE, upper, lower)


VARIABLES: dict[int, Variable] = {variable.id: variable for variable in _variables()}
"""Every variable by its id."""
BY_TYPE: dict[int, dict[str, Variable]] = {int(kind): {} for kind in ObjectType}
"""Variables of each type of object by lower-case name."""
for _variable in VARIABLES.values():
    BY_TYPE[_variable.type][_variable.name.lower()] = _variable
