"""A digitalmodel batch all of whose results are known: its outputs are written without importing digitalmodel.

`finished_batch` makes the batch as for planning and looks every file up in the ledger; where anything is missing,
changed or in doubt there is none, and the call goes its usual way. A `FinishedBatch` stands in for `DigitalModelBatch`
where the ledger holds the common outputs that were made of exactly these results. Nothing is computed, so there is
nothing that could be settled, redone or passed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.batch.batch import Batch, Conclusion, Facts
from orcabatch.batch.result_cache import ResultCache
from orcabatch.batch.shared_files import shared_files
from orcabatch.digitalmodel.batch import DigitalModelBatch
from orcabatch.digitalmodel.caching import output_name
from orcabatch.digitalmodel.installed import open_gate
from orcabatch.digitalmodel.preconditions import check_folder
from orcabatch.digitalmodel.source_code import find_source_code
from orcabatch.errors import OutputError
from orcabatch.notice import Notice
from orcabatch.orcaflex.binding import find_binding
from orcabatch.store.atomic import patiently, write_bytes
from orcabatch.store.failed_files import SUFFIX, save_failed_files
from orcabatch.store.ledger import has_ledger
from orcabatch.store.storable import checked, checked_texts
from orcabatch.win32 import as_opened

if TYPE_CHECKING:
    from orcabatch.batch.known import Known
    from orcabatch.digitalmodel.postprocess import DigitalModelPostProcess, FileResult
    from orcabatch.outcome import FileOutcome
    from orcabatch.settings import Settings


class FinishedBatch(Batch):
    """A batch that an earlier run finished.

    Args:
        batch: the batch, made for planning.
        conclusion: what `DigitalModelBatch.concluded` made of it then.
        known: the files' results, in the batch's order.
        cfg: the caller's configuration, which gets what digitalmodel leaves there; None: nobody looks at it.

    Raises:
        KeyError, TypeError, ValueError: the conclusion is something else.
    """

    reads_copies = True
    moves_unasked = True

    def __init__(
        self,
        batch: DigitalModelBatch,
        conclusion: Mapping[str, Any],
        known: Sequence[Known],
        cfg: MutableMapping[str, Any] | None = None,
    ) -> None:
        self._batch, self.known = batch, tuple(known)
        self.name, self.files = batch.name, batch.files
        checked(conclusion, dict)
        self._outputs = [
            (output_name(kept, batch.name), checked(content, bytes))
            for kept, content in checked(conclusion["outputs"], list)
        ]
        self._warnings = checked_texts(conclusion["warnings"])
        notices = [Notice.from_dict(checked(plain, dict)) for plain in checked(conclusion["notices"], list)]
        self._notices = tuple(replace(notice, batch=batch.name) for notice in notices)
        self._digitalmodel = checked(conclusion["digitalmodel"], str)
        self._left: dict[str, Any] = {} if cfg is None else batch.left_in_cfg(conclusion["cfg"])
        self._cfg = cfg

    @property
    def label(self) -> str:
        """As the batch's."""
        return self._batch.label

    @property
    def findings(self) -> tuple[str, ...]:
        """As the batch's: of the configuration as it is read now."""
        return self._batch.findings

    @findings.setter
    def findings(self, findings: tuple[str, ...]) -> None:
        self._batch.findings = findings

    @property
    def result_folder(self) -> Path:
        """As the batch's."""
        return self._batch.result_folder

    @property
    def postprocess(self) -> DigitalModelPostProcess:
        """Of no use: nothing is computed."""
        return self._batch.postprocess

    file_columns = DigitalModelBatch.file_columns

    @property
    def tables(self) -> tuple[Path, ...]:
        """As the batch's."""
        return self._batch.tables

    def outputs_of(self, value: FileResult) -> tuple[tuple[str, Path], ...]:
        """As the batch's."""
        return self._batch.outputs_of(value)

    def tables_of(self, value: FileResult) -> dict[str, Any]:
        """As the batch's."""
        return self._batch.tables_of(value)

    @property
    def summaries(self) -> tuple[str, ...] | None:
        """As the batch's."""
        return self._batch.summaries

    def summaries_in(self, outputs: Iterable[Path]) -> dict[str, Path]:
        """As the batch's."""
        return self._batch.summaries_in(outputs)

    def conclude(self, outcomes: Sequence[FileOutcome], *, complete: bool = True) -> Conclusion:
        """Write the common outputs as they were made then; one that stands as it should is left alone.

        Raises:
            OutputError: an output cannot be written.
        """
        outputs = [path for outcome in outcomes if outcome.ok for _, path in outcome.value.outputs]
        left_over = list[str]()
        for name, content in self._outputs if complete else ():
            target = self.result_folder / name
            if not _stands(target, content):
                write_bytes(target, content)
            outputs.append(target)
        if complete:
            if (failed_files := self.result_folder / f"{self.name}{SUFFIX}") not in outputs:
                save_failed_files(failed_files, (), left_over.append)
            if self._cfg is not None:
                self._cfg.update(self._left)
        return Conclusion(tuple(outputs), (*self._warnings, *left_over), self._notices)

    def foresee(self, known: Mapping[int, FileOutcome], facts: Facts) -> tuple[Notice, ...]:
        """What was said then holds now."""
        return self._notices

    def proof(self, outcomes: Sequence[FileOutcome], orcaflex: str) -> dict[str, Any] | None:
        """As the batch's, with the digitalmodel that made the results."""
        return self._batch.proof(outcomes, orcaflex, digitalmodel=self._digitalmodel)


def _stands(target: Path, content: bytes) -> bool:
    try:
        there = as_opened(target)
        return there.stat().st_size == len(content) and patiently(there.read_bytes) == content
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OutputError(f"{target} cannot be read: {error.strerror or error}. Close or remove it.") from error


def finished_batch(
    cfg: MutableMapping[str, Any], settings: Settings, warn: Callable[[str], None], *, seen: bool
) -> FinishedBatch | None:
    """The batch, if earlier runs did all of it and nothing has changed since; None where something is to be done.

    Args:
        cfg: the configuration, as for `DigitalModelBatch.from_cfg`.
        settings: its `performance:` section.
        warn: told what the engineer should know.
        seen: whether somebody looks at the configuration afterwards: it gets what digitalmodel leaves there.

    Raises:
        SettingsError, OutputError: as `DigitalModelBatch.from_cfg`.
        OrcaFlexUnavailable: OrcFxAPI, whose version decides, cannot be used.
    """
    sources = find_source_code()
    if sources is None or not settings.ledger.enabled or not has_ledger(settings.ledger.path):
        return None
    batch = DigitalModelBatch.from_cfg(cfg, settings=settings, planning=True)
    check_folder(cfg)
    binding = find_binding(settings.orcaflex)
    if sources.has_gate:
        open_gate()
    own = {batch.name: settings}
    cache = ResultCache([batch], shared_files([batch]), binding, settings, own, warn=warn)
    with cache.opened():
        if not cache.met_all():  # a file more than last time: the run that comes looks at the others, once
            return None
        cache.look()
        known = cache.known(batch)
        conclusion = None if known is None else cache.conclusion(batch, [each.outcome for each in known])
    if known is None or conclusion is None:
        return None
    try:
        return FinishedBatch(batch, conclusion, known, cfg if seen else None)
    except (KeyError, TypeError, ValueError):
        return None
