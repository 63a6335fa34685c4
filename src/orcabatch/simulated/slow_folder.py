"""A folder for results that is slow, as a share may be: a file takes its name late.

Covers every file that this process writes beside its target and renames (`os.replace`), wherever that is: while
`Costs` ask for it, each rename waits for a latency, and for the file's bytes to pass through a bandwidth that all
threads and processes of one counters folder share. Does not cover files that are written under their own name.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from orcabatch.simulated.costs import Costs
    from orcabatch.simulated.shared import Shared

_replace = os.replace


def slow_down(costs: Costs, shared: Callable[[], Shared]) -> None:
    """From now on renames cost what `costs` say; nothing, where they say nothing."""
    if not costs.write_latency_s and not costs.write_bytes_per_s:
        os.replace = _replace
        return

    def replace(source: Any, target: Any, **more: Any) -> None:
        time.sleep(costs.write_latency_s)
        if costs.write_bytes_per_s:
            shared().pay_written_bytes(Path(source).stat().st_size, costs.write_bytes_per_s)
        _replace(source, target, **more)

    os.replace = replace  # type: ignore[assignment]  # it passes on whatever arguments it is given
