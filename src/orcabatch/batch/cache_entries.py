"""What stands in the ledger for a file: its result as it is kept, and as it is found again.

Does not cover under which key (`cache_keys`), nor when one is kept or used (`result_cache`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orcabatch.batch.cache_keys import output_print
from orcabatch.batch.known import Known
from orcabatch.outcome import FileOutcome, Status
from orcabatch.store.values import Damaged, checked, checked_texts, decode, encode

if TYPE_CHECKING:
    from orcabatch.batch.batch import Batch
    from orcabatch.batch.shared_files import Ended, SharedFile


def packed(end: Ended, batch: Batch, outputs: Sequence[Any], made_of: Any) -> bytes:
    """A result to be kept, with how its output files stand and what it is made of. Raises NotStorable."""
    outcome = end.outcome
    return encode(
        {
            "value": batch.pack(outcome.value),
            "warnings": list(outcome.warnings),
            "size": outcome.size_bytes,
            "joint": end.joint,
            "outputs": outputs,
            "depends": made_of,
        }
    )


def overwritten(outputs: Sequence[Any], batch: Batch, value: Any) -> list[str]:
    """The names of output files that hold something else than was written, as they are seen (`output_print`)."""
    written = batch.hashes_of(value)
    seen = zip((path for _, path in batch.outputs_of(value)), outputs, strict=True)
    return [path.name for path, now in seen if now is not None and now[-1] != written.get(path, now[-1])]


def unpacked(payload: bytes, batch: Batch, shared: SharedFile, index: int, key: bytes) -> Known | None:
    """The result that `packed` kept; None where its output files do not stand as they were written.

    Raises:
        Damaged, KeyError, TypeError, ValueError: it is something else.
    """
    stored = checked(decode(payload), dict)
    value = batch.unpack(stored["value"], shared.positions[batch.name])
    outcome = FileOutcome(
        shared.file,
        batch.name,
        Status.SKIPPED,
        value,
        warnings=checked_texts(stored["warnings"]),
        index=index,
        size_bytes=checked(stored["size"], int),
    )
    paths = [path for _, path in batch.outputs_of(value)]
    prints = [output_print(path) for path in paths]
    if checked(stored["outputs"], list) != prints:
        return None
    rests_on = tuple((path, (seen[0], seen[1])) for path, seen in zip(paths, prints, strict=True) if seen)
    return Known(outcome, key, checked(stored["joint"], bool), rests_on)


def unpacked_fact(payload: bytes) -> float:
    """What a worker said of a file. Raises Damaged where it is nothing that one can have said."""
    fact: float = checked(decode(payload), float, int)
    if not math.isfinite(fact):
        raise Damaged("a number that no worker says")
    return fact
