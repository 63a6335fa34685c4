"""What the doctor says about the ledger, which remembers finished files between runs."""

from __future__ import annotations

import os
from collections.abc import Iterator

from orcabatch.cli.checks import Check, Level
from orcabatch.settings import format_size
from orcabatch.store.ledger import describe_ledger

TOPIC = "ledger"


def check_ledger(path: str | os.PathLike[str] | None = None) -> Iterator[Check]:
    """The ledger in `path`, or the user's own; reads only, and never stops a batch."""
    ledger = describe_ledger(path)
    if ledger.problem:
        yield Check(
            TOPIC, f"{ledger.file}: {ledger.problem}", Level.NOTE, "a batch runs without it; nothing is resumed"
        )
    elif not ledger.exists:
        yield Check(TOPIC, f"none yet; it would be {ledger.file}")
    else:
        known = f"{ledger.results} results, durations of {ledger.files} files"
        yield Check(TOPIC, f"{ledger.file}: {known}, {format_size(ledger.size_bytes)}")
    if ledger.damaged is not None:
        said = f"a damaged one was set aside: {ledger.damaged}"
        yield Check(TOPIC, said, Level.NOTE, "it can be deleted; what it knew is learnt anew")
