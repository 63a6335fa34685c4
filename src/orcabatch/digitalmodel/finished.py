"""A digitalmodel batch all of whose results are known: its outputs are written without importing digitalmodel.

Stands in for `DigitalModelBatch` where every file is unchanged and the ledger holds the common outputs that were made
of exactly these results. Nothing is computed, so there is nothing that could be settled, redone or passed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel.batch import Conclusion, DigitalModelBatch, Facts
from orcabatch.digitalmodel.remembered import output_name
from orcabatch.errors import OutputError
from orcabatch.notice import Notice
from orcabatch.store.atomic import write_bytes
from orcabatch.store.failed_files import SUFFIX
from orcabatch.store.storable import checked, checked_texts

if TYPE_CHECKING:
    from orcabatch.digitalmodel.adapter import DigitalModelPostProcess
    from orcabatch.outcome import FileOutcome


class FinishedBatch:
    """A batch that an earlier run finished.

    Args:
        batch: the batch, made for planning.
        conclusion: what `DigitalModelBatch.concluded` made of it then.
        known: the files' results, in the batch's order.

    Raises:
        KeyError, TypeError, ValueError: the conclusion is something else.
    """

    reads_copies = True
    moves_unasked = True
    facts: tuple[str, ...] = ()

    def __init__(self, batch: DigitalModelBatch, conclusion: Mapping[str, Any], known: Sequence[FileOutcome]) -> None:
        self._batch, self.known = batch, tuple(known)
        checked(conclusion, dict)
        self._outputs = [
            (output_name(kept, batch.name), checked(content, bytes))
            for kept, content in checked(conclusion["outputs"], list)
        ]
        self._warnings = checked_texts(conclusion["warnings"])
        notices = [Notice.from_dict(checked(plain, dict)) for plain in checked(conclusion["notices"], list)]
        self._notices = tuple(replace(notice, batch=batch.name) for notice in notices)
        self._digitalmodel = checked(conclusion["digitalmodel"], str)

    @property
    def name(self) -> str:
        """As the batch's."""
        return self._batch.name

    @property
    def label(self) -> str:
        """As the batch's."""
        return self._batch.label

    @property
    def files(self) -> tuple[Path, ...]:
        """As the batch's."""
        return self._batch.files

    @property
    def result_folder(self) -> Path:
        """As the batch's."""
        return self._batch.result_folder

    @property
    def postprocess(self) -> DigitalModelPostProcess:
        """Of no use: nothing is computed."""
        return self._batch.postprocess

    def ready(self, position: int) -> bool:
        """Always."""
        return True

    def payload(self, position: int) -> None:
        """Nothing goes along."""

    def noted(self, position: int, subject: str, content: Any) -> tuple[int, ...]:
        """Nothing follows."""
        return ()

    def finished(self, position: int, outcome: FileOutcome) -> tuple[int, ...]:
        """Nothing is done again."""
        return ()

    caveats: tuple[str, ...] = ()

    def determinants(self, position: int) -> None:
        """It is known already."""

    background: None = None
    lesson: None = None

    def learn(self, lesson: Mapping[str, Any]) -> None:
        """It knows enough."""

    def pack(self, value: Any) -> Any:
        """As it is."""
        return value

    def unpack(self, stored: Any, position: int) -> Any:
        """As it is."""
        return stored

    def written(self, value: Any) -> tuple[Path, ...]:
        """Nothing new."""
        return ()

    @property
    def tables(self) -> tuple[Path, ...]:
        """As the batch's."""
        return self._batch.tables

    def concluded(self, outcomes: Sequence[FileOutcome], outputs: Iterable[Path]) -> None:
        """It is kept already."""

    def conclude(self, outcomes: Sequence[FileOutcome], *, complete: bool = True) -> Conclusion:
        """Write the common outputs as they were made then; one that stands as it should is left alone.

        Raises:
            OutputError: an output cannot be written.
        """
        outputs = [path for outcome in outcomes if outcome.ok for _, path in outcome.value.outputs]
        for name, content in self._outputs if complete else ():
            target = self.result_folder / name
            if not _stands(target, content):
                write_bytes(target, content)
            outputs.append(target)
        if complete:
            (self.result_folder / f"{self.name}{SUFFIX}").unlink(missing_ok=True)
        return Conclusion(tuple(outputs), self._warnings, self._notices)

    def foresee(self, known: Mapping[int, FileOutcome], facts: Facts) -> tuple[Notice, ...]:
        """What was said then holds now."""
        return self._notices

    def pass_on(self) -> None:
        """Nothing else was asked for."""

    def proof(self, outcomes: Sequence[FileOutcome], orcaflex: str) -> dict[str, Any] | None:
        """As the batch's, with the digitalmodel that made the results."""
        return self._batch.proof(outcomes, orcaflex, digitalmodel=self._digitalmodel)


def _stands(target: Path, content: bytes) -> bool:
    try:
        return target.stat().st_size == len(content) and target.read_bytes() == content
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OutputError(f"{target} cannot be read: {error.strerror or error}. Close or remove it.") from error
