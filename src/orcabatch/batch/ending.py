"""What is said of a run that did not come to its end: where what it computed is, and what the next run does again.

Words only: how far the run came is the run's affair (`orcabatch.batch.epilogue`), what is kept the cache's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orcabatch.batch.functions import FunctionBatch
from orcabatch.text import shortened_list
from orcabatch.win32 import is_there

if TYPE_CHECKING:
    from orcabatch.batch.batch import Batch

STILL_KEPT = ": what was computed is kept, only this is written"
CONCLUDING = "stopping: all files have ended; what stands for all of them is being written (Ctrl-C once more leaves it)"
CONCLUDED = "interrupted when all files had ended; everything is written"
AFTER_THE_END = "interrupted after its end: all files had ended, and everything is written"
TORN = (
    "interrupted while what stands for all files was being written: common outputs of {} are missing, or those of an "
    "earlier run; run the batch again"
)
BROKEN_OFF = "the run broke off before this file was finished"
HANDED_OVER = "what was computed is in the error's `{}`"
NOTHING_YET = "no file has results yet: the next run does all files"
NOT_SAVED = "what the function returned is not saved: that takes --save FILE"


def outputs_lost(kept: bool, in_terminal: bool) -> str:
    """What to do where common outputs could not be written; nobody in a terminal has the error's `result`."""
    handed = HANDED_OVER.format("result")
    more = "" if in_terminal else f" {handed[0].upper()}{handed[1:]}."
    return f"Mend that and run the same command again{STILL_KEPT if kept else ''}.{more}"


def where_it_is(batches: Sequence[Batch], table: Path | None, attribute: str | None) -> str:
    """Where the results of the files that are finished are.

    Args:
        batches: those of the run.
        table: holds their rows; None: it was not written.
        attribute: of the error, which holds them; None: nobody in a terminal can look at it.
    """
    if table is not None:
        return f"the finished rows are in {table}"
    places = [batch.values_file if batch.values_are_rows else batch.result_folder for batch in batches]
    if any(place is None or not is_there(place) for place in places):
        return NOT_SAVED if attribute is None else HANDED_OVER.format(attribute)
    return f"what was finished is written: {shortened_list([str(place) for place in dict.fromkeys(places)])}"


def done_again(anew: Sequence[Batch], total: int, fresh: bool, in_terminal: bool) -> str:
    """What the next run does; `anew` are those of its `total` batches whose results it will not find."""
    if not anew:
        without = f", without `{'--fresh' if in_terminal else 'fresh'}`," if fresh else ""
        return f"run the batch again{without} for the rest: what is finished is not done again"
    named = "" if len(anew) == total else f" of {', '.join(batch.name for batch in anew)}"
    why = ""
    if any(isinstance(batch, FunctionBatch) and batch.version is None for batch in anew):
        how = "with `--function-version TEXT`" if in_terminal else "where `run_batch` gets a `version`"
        why = f" (a function's results are kept for the next run only {how})"
    return f"the next run does all files{named} again{why}"
