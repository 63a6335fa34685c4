"""What an examination is shown as: a table in words, advice as settings to paste, and a file that can be passed on.

The file holds no name of a file, path or object: figures, versions, counts, and words that are OrcaFlex's own. From it
`simulated.Costs.calibrated` and `orcabatch bench --calibrated` take what things cost.
"""

from __future__ import annotations

import json
import platform
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orcabatch.doctor.assumptions import BY_NAME, Verdict
from orcabatch.versions import installed_version, system_version

if TYPE_CHECKING:
    from orcabatch.doctor.examination import Found
    from orcabatch.host import HostResources
    from orcabatch.orcaflex.binding import Binding

WIDTH = 110
_MARGIN = 8
FORMAT = 1
"""Of the file; a later one that means something else has another."""
SLEEPS_S = 1e-4
"""The simulated DLL waits no shorter than this; calls that take less it makes as fast as it can."""
JOINT_SAVES = 0.5
"""A joint call that takes less than this share of its single calls makes one pass over the log, not one for each."""


def table(found: Sequence[Found]) -> str:
    """All assumptions, those that do not hold first, and a last line that counts."""
    lines: list[str] = []
    for verdict in (Verdict.BROKEN, Verdict.HOLDS, Verdict.UNTOLD):
        group = [each for each in found if each.verdict is verdict]
        lines += [str(verdict), *(line for each in group for line in _lines(each))] if group else []
    counts = ", ".join(f"{sum(each.verdict is verdict for each in found)} {_counted(verdict)}" for verdict in Verdict)
    return "\n".join([*lines, "", f"Of {len(found)} assumptions {counts}."])


def advice(found: Sequence[Found]) -> str:
    """What runs on this host switch off by themselves, as a section to paste for other hosts; empty: nothing."""
    changes: dict[str, Any] = {}
    for each in found:
        if each.verdict is Verdict.BROKEN:
            assumption = BY_NAME[each.name]
            changes |= assumption.off
            if assumption.apart:
                changes |= {"executor": "processes", "threads_per_process": 1}
    return "\n".join(["performance:", *_section(changes)]) if changes else ""


def account(binding: Binding, host: HostResources, found: Sequence[Found]) -> dict[str, Any]:
    """The file's content."""
    return {
        "format": FORMAT,
        "orcabatch": installed_version("orcabatch"),
        "orcfxapi": binding.version,
        "dll": binding.dll_version,
        "orcaflex": str(binding.kind),
        "python": platform.python_version(),
        "system": system_version(),
        "cpus": host.logical_cpus,
        "ram_bytes": host.total_ram_bytes,
        "assumptions": {
            each.name: {"verdict": str(each.verdict), "seconds": round(each.seconds, 3), **each.figures}
            for each in found
        },
        "costs": costs({each.name: each.figures for each in found}, found),
    }


def costs(figures: Mapping[str, Mapping[str, Any]], found: Sequence[Found]) -> dict[str, Any]:
    """What was measured, as fields of `simulated.Costs`."""
    load, joint = figures.get("file_loads", {}), figures.get("joint_cheaper", {})
    small = float(figures.get("small_calls", {}).get("small_call_s", 0.0))
    measured: dict[str, Any] = {}
    if load.get("load_s") and load.get("file_bytes"):
        measured["bandwidth_bytes_per_s"] = load["file_bytes"] / load["load_s"]
    if "single_s" in joint:
        measured["log_pass_s"] = joint["single_s"]
        saves = joint["joint_s"] < JOINT_SAVES * joint["single_s"] * joint["joint_of"]
        measured["joint_passes"] = "one" if saves else "many"
    if small >= SLEEPS_S:
        measured["call_latency_s"] = small
    if any(each.name == "seat_per_process" and each.verdict is Verdict.BROKEN for each in found):
        measured["seat_scope"] = "model"
    return measured


def as_json(content: Mapping[str, Any]) -> str:
    """As it is shown, and written."""
    return json.dumps(content, indent=2) + "\n"


def _counted(verdict: Verdict) -> str:
    return {Verdict.HOLDS: "held", Verdict.BROKEN: "did not", Verdict.UNTOLD: "could not be told"}[verdict]


def _lines(found: Found) -> list[str]:
    assumption = BY_NAME[found.name]
    text = [f"{assumption.says} ({found.name})", f"{found.said}"]
    if found.verdict is Verdict.BROKEN:
        text.append(f"-> relies on it: {assumption.relied_on}")
    first, *rest = [line for part in text for line in textwrap.wrap(part, WIDTH - _MARGIN, break_on_hyphens=False)]
    return [f"  - {first}", *(f"      {line}" for line in rest)]


def _section(changes: Mapping[str, Any], indent: str = "  ") -> Iterator[str]:
    """Dotted keys as indented YAML."""
    groups: dict[str, dict[str, Any]] = {}
    for key, value in changes.items():
        head, _, rest = key.partition(".")
        groups.setdefault(head, {})[rest] = value
    for head, inside in groups.items():
        if "" in inside:
            value = inside[""]
            yield f"{indent}{head}: {str(value).lower() if isinstance(value, bool) else value}"
        else:
            yield f"{indent}{head}:"
            yield from _section(inside, f"{indent}  ")
