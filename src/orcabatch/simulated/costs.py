"""What using the simulated OrcaFlex costs, and what is made to go wrong.

Covers: the frozen value `Costs`, its JSON form in the environment variable `ORCABATCH_SIMULATED_COSTS` (so that child
processes pay the same), and `configure`, which changes the costs of this process and of the children it starts later.
Does not cover: paying (see `shared` for bandwidth and seats, `exports` for the rest).

All costs are paid outside the GIL: by sleeping, or by hashing a large buffer.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

COSTS_VARIABLE = "ORCABATCH_SIMULATED_COSTS"


@dataclass(frozen=True, slots=True)
class Costs:
    """Prices in seconds and bytes, and planned failures by file name (the last part of the path).

    The default costs nothing beyond what the simulation itself takes and refuses nothing.
    """

    load_latency_s: float = 0.0
    """Seconds each load waits before its first byte."""
    bandwidth_bytes_per_s: float | None = None
    """Bytes per second that all threads and processes of one counters folder share; None: as fast as the disk."""
    log_pass_s: float = 0.0
    """Seconds waited for each pass over the log."""
    cpu_s_per_pass: float = 0.0
    """CPU seconds burnt, GIL released, for each pass over the log."""
    joint_passes: Literal["one", "many"] = "one"
    """Whether GetMultipleTimeHistories costs one pass, or as many as it has variables."""
    call_latency_s: float = 0.0
    """Seconds each call of any export waits."""
    write_latency_s: float = 0.0
    """Seconds each file waits before it takes its name in a folder (see `share`)."""
    write_bytes_per_s: float | None = None
    """Bytes per second of files that take their names, shared by all threads and processes of one counters folder."""
    seats: int | None = None
    """Licence seats; None: no limit."""
    seat_scope: Literal["model", "process", "host"] = "process"
    """What one seat covers: one model, all models of one process, or all of one host (counters folder)."""
    fail_loads: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """File name -> (status, times): so many loads of it fail with that status, counted over all processes."""
    hang_loads: Mapping[str, float | None] = field(default_factory=dict)
    """File name -> seconds its load hangs; None: until `simulated.release_hang(name)`."""
    crash_loads: Mapping[str, int] = field(default_factory=dict)
    """File name -> how many loads of it kill the process (SIGKILL), counted over all processes."""
    quirks: tuple[str, ...] = ()
    """Ways in which this DLL differs from what is assumed of OrcaFlex (see `quirks`)."""
    ulp: tuple[str, str, str] | None = None
    """(file name, object, variable) whose joint answer differs from the single one by one unit in the last place."""

    def to_json(self) -> str:
        """The same value as JSON text."""
        return json.dumps({name: value for name, value in asdict(self).items() if value not in (None, {}, ())})

    @classmethod
    def from_json(cls, text: str) -> Costs:
        """Read what `to_json` wrote; ValueError or TypeError when it is not that."""
        values: dict[str, Any] = json.loads(text)
        if "fail_loads" in values:
            values["fail_loads"] = {name: (int(pair[0]), int(pair[1])) for name, pair in values["fail_loads"].items()}
        if "quirks" in values:
            values["quirks"] = tuple(values["quirks"])
        if values.get("ulp") is not None:
            values["ulp"] = tuple(values["ulp"])
        return cls(**values)

    @classmethod
    def calibrated(cls, file: str | os.PathLike[str]) -> Costs:
        """What `orcabatch doctor --sim --write` measured; ValueError or TypeError when the file is not such a one."""
        content = json.loads(Path(file).read_text("utf-8"))
        if not isinstance(content, dict) or not isinstance(content.get("costs"), dict):
            raise ValueError(f"{file} is no file of `orcabatch doctor --sim --write`: it has no costs")
        return cls.from_json(json.dumps(content["costs"]))

    def to_env(self, environ: MutableMapping[str, str] | None = None) -> dict[str, str]:
        """Write the value into `environ` (default: a new mapping) and return what was written."""
        written = {COSTS_VARIABLE: self.to_json()}
        if environ is not None:
            environ.update(written)
        return written

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Costs:
        """The value in `environ` (default: this process's), or the default where there is none."""
        text = (os.environ if environ is None else environ).get(COSTS_VARIABLE)
        return cls.from_json(text) if text else cls()
