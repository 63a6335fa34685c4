"""The plain function of `orcabatch demo`: what a user's own looks like."""

from __future__ import annotations

from typing import Any


def tensions(model: Any) -> dict[str, float]:
    """Largest and smallest effective tension at end A of four mooring lines, in kN."""
    import OrcFxAPI

    found: dict[str, float] = {}
    for name in ("Line01", "Line02", "Line03", "Line04"):
        history = model[name].TimeHistory("Effective tension", OrcFxAPI.pnWholeSimulation, OrcFxAPI.oeEndA)
        found[f"{name}_max"] = float(history.max())
        found[f"{name}_min"] = float(history.min())
    return found
