"""digitalmodel's OrcaFlex post-process, in parallel and with the same output.

Everything digitalmodel-shaped lives behind this door. Importing it imports neither digitalmodel nor OrcFxAPI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orcabatch.digitalmodel.dropin import OrcaFlexPostProcess, install, uninstall

__all__ = ["OrcaFlexPostProcess", "install", "uninstall"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from orcabatch.digitalmodel import dropin

    return getattr(dropin, name)
