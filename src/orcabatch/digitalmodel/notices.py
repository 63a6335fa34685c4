"""What the engineer should know about a digitalmodel batch as a whole, in words.

Covers what is known before it runs, and whether its files would come out differently under the other consistency. Does
not cover single files: their warnings stand in their outcomes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel.layout import UNTESTED
from orcabatch.digitalmodel.settle import Needs, flagged

if TYPE_CHECKING:
    from orcabatch.digitalmodel.layout import Layout
    from orcabatch.outcome import FileOutcome

NAMED = 3
"""How many files a warning names."""


def foreseen(layout: Layout | None, cfg: Mapping[str, Any]) -> tuple[str, ...]:
    """What is known before the batch runs."""
    said: list[str] = []
    if layout is not None and layout.missing:
        lacks = ", ".join(layout.missing)
        said.append(f"digitalmodel's own post-process runs, one file after the other: this one lacks {lacks}")
    if layout is not None and not layout.tested:
        said.append(f"{UNTESTED} (version {layout.version or 'unknown'}, {layout.package})")
    if layout is not None and layout.edited:
        said.append(
            "digitalmodel's sources were changed after Python was started, and it was imported before orcabatch: this "
            "run may compute with the sources of before, and keeps no results. Restart Python to use the new ones"
        )
    if flagged(cfg, "RangeGraph"):
        said.append("orcaflex.postprocess.RangeGraph is on, but digitalmodel writes nothing for it")
    return tuple(said)


def listed_again(files: Sequence[Path]) -> tuple[str, ...]:
    """Files that the list names more than once, in words."""
    again = [file.name for file, times in Counter(files).items() if times > 1]
    if not again:
        return ()
    more = f" and {len(again) - NAMED} more" if len(again) > NAMED else ""
    said = (
        f"the list of files names {', '.join(again[:NAMED])}{more} more than once, and each time gets a row, as "
        "digitalmodel has it. If that is not meant, look for patterns or folders that overlap"
    )
    return (said,)


def differences(needs: Needs, consistency: str, outcomes: Sequence[FileOutcome]) -> tuple[str, ...]:
    """Where `serial` and `per_file` give different results for these files, say so.

    Args:
        needs: what the files of a serial run over this configuration depend on.
        consistency: the one that was used, serial or per_file.
        outcomes: of all files.
    """
    what = _differing(needs, [outcome for outcome in outcomes if outcome.ok])
    other = "per_file" if consistency == "serial" else "serial"
    if not what:
        return ()
    said = (
        f"the files differ in {what}, and digitalmodel lets the first one decide for all when it runs serially: "
        f"`consistency: {consistency}` was used; `consistency: {other}` gives other results"
    )
    return (said,)


def _differing(needs: Needs, stand: Sequence[FileOutcome]) -> str:
    stops = sorted({outcome.value.stop_time for outcome in stand})
    if needs.stop_time and len(stops) > 1:
        return f"stop times ({stops[0]:g} to {stops[-1]:g} s)"
    if needs.selects and len(stand) > 1:
        return "the current that only the first file selects"
    return ""
