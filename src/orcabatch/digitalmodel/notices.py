"""What the engineer should know about a digitalmodel batch as a whole, in words. Pure.

    cfg, stop times of earlier runs ── expected_notices ──> Notices of the plan
    cfg, results of the files       ── notices_of_run ────> Notices of the run

Covers what digitalmodel does without a word (`orcabatch.notice`): series that end at another file's end, columns that
are empty or replaced, rows that miss values, simulations that did not reach their end. Does not cover mistakes in a
configuration as such, nor single files: their warnings stand in their outcomes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel.installed import UNTESTED
from orcabatch.digitalmodel.outputs import flagged
from orcabatch.digitalmodel.silent import Reach, cut, differences, first_decides, lacking, overwritten, will_be_cut
from orcabatch.text import shortened_list

if TYPE_CHECKING:
    from orcabatch.digitalmodel.installed import Installation
    from orcabatch.digitalmodel.silent import Subject
    from orcabatch.notice import Notice
    from orcabatch.outcome import FileOutcome

NAMED = 3
"""How many files a warning names."""


def expected_warnings(installation: Installation | None, cfg: Mapping[str, Any]) -> tuple[str, ...]:
    """What is known before the batch runs."""
    said: list[str] = []
    if installation is not None and installation.missing:
        lacks = ", ".join(installation.missing)
        said.append(f"digitalmodel's own post-process runs, one file after the other: this one lacks {lacks}")
    if installation is not None and not installation.tested:
        said.append(f"{UNTESTED} (version {installation.version or 'unknown'}, {installation.package})")
    if installation is not None and installation.edited:
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
    said = (
        f"the list of files names {shortened_list(again, most=NAMED)} more than once, and each time gets a row, as "
        "digitalmodel has it. If that is not meant, look for patterns or folders that overlap"
    )
    return (said,)


def expected_notices(
    batch: Subject, stops: Mapping[int, float], known: Mapping[int, FileOutcome]
) -> tuple[Notice, ...]:
    """What will be done without a word, as far as the configuration and earlier runs tell.

    Args:
        batch: what is to be run.
        stops: planned ends of simulations, seconds, by position in the list, where earlier runs met them.
        known: the results of earlier runs that still hold, by position in the list.
    """
    ends = {position: Reach(batch.files[position], stop) for position, stop in stops.items()}
    ends |= {position: Reach.of(outcome) for position, outcome in known.items()}
    results = [outcome for _, outcome in sorted(known.items())]
    return (*lacking(batch, results), *will_be_cut(batch, dict(sorted(ends.items()))), *overwritten(batch))


def consistency_warnings(batch: Subject, outcomes: Sequence[FileOutcome]) -> tuple[str, ...]:
    """Where the other consistency would have given other results than `per_file` did."""
    return differences(batch, [Reach.of(outcome) for outcome in outcomes if outcome.ok])


def notices_of_run(batch: Subject, outcomes: Sequence[FileOutcome]) -> tuple[Notice, ...]:
    """What was done without a word, the worst first.

    Args:
        batch: what was run.
        outcomes: of all files, in input order.
    """
    stand = [outcome for outcome in outcomes if outcome.ok]
    ends = [Reach.of(outcome) for outcome in stand]
    return (*lacking(batch, stand), *cut(batch, ends), *first_decides(batch, ends), *overwritten(batch))
