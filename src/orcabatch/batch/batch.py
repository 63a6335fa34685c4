"""What a batch is, whatever computes it.

    files, postprocess ──> engine ── ready, payload, noted, finished ──> outcomes ── conclude ──> outputs

Six members are to be given: `name`, `files`, `postprocess`, `label`, `result_folder` and `conclude`. The rest has
defaults, which are right for a batch whose files know nothing of each other and whose results nobody remembers.
Positions are places in a batch's own list of files, because two batches of one call number their files independently.
See also `orcabatch.batch.functions` and `orcabatch.digitalmodel.batch`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from orcabatch.batch.known import Known
    from orcabatch.notice import Notice
    from orcabatch.orcaflex.work import PostProcess
    from orcabatch.outcome import FileOutcome

Facts = Callable[[int], Iterable[tuple[str, Any]]]
"""What workers of earlier runs said about the file at a position: subject and content."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a batch ended with.

    Attributes:
        outputs: output files written, those of single files included.
        warnings: what the engineer should know about the batch as a whole.
        notices: what was done with the results without a word.
    """

    outputs: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()


class Batch(ABC):
    """One batch: its files, what is computed from each, and what is made of all of them.

    Attributes:
        name: unique within a call; names its outputs.
        files: the `.sim` files in input order, absolute.
    """

    name: str
    files: tuple[Path, ...]

    @property
    @abstractmethod
    def postprocess(self) -> PostProcess:
        """What a worker does with a loaded file."""

    @property
    @abstractmethod
    def label(self) -> str:
        """What is computed, whenever it is: the name without a time stamp."""

    @property
    @abstractmethod
    def result_folder(self) -> Path | None:
        """Where outputs go; None where the batch leaves none."""

    values_file: Path | None = None
    """Where values are kept as files end (`keep_values`); None: nowhere."""

    @abstractmethod
    def conclude(self, outcomes: Sequence[FileOutcome], *, complete: bool = True) -> Conclusion:
        """Make the batch's common outputs from the outcomes, one per file in input order.

        Not `complete`: the run was interrupted; outputs that an earlier run left whole stay as they are.

        Raises:
            OutputError: an output cannot be written.
        """

    def pass_on(self) -> None:  # noqa: B027 - most batches have nothing to pass on
        """Do what else was asked for, after `conclude`."""

    def held(self, signature: str) -> None:  # noqa: B027 - only for who has workers write
        """The run has the lock of its result folder (`orcabatch.store.lock.is_held_by`); before any worker is made."""

    # --- how it may be run

    reads_copies: bool = False
    """Whether its files may be loaded from copies (`io.stage_inputs`): nobody asks where the model came from."""

    moves_unasked: bool = False
    """Whether `executor: auto` may go on in worker processes: nobody looks for what it leaves in this one."""

    values_are_rows: bool = False
    """Whether its table is made of its files' values, for which nobody else asks: they may be put away as files end."""

    # --- files that depend on each other

    def ready(self, position: int) -> bool:
        """Whether the file may start (False: it waits for what the `leader` says)."""
        return True

    @property
    def leader(self) -> int | None:
        """The position for which those that are not `ready` wait; None: none waits.

        One that has to start all the same, because another batch waits for it, is done again where what it was done
        with does not hold.
        """
        return None

    def payload(self, position: int) -> Any:
        """What goes to the worker with the file."""
        return None

    def noted(self, position: int, subject: str, content: Any) -> Iterable[int]:
        """A worker said something about the file. Returns positions to be done again."""
        return ()

    def finished(self, position: int, outcome: FileOutcome) -> Iterable[int]:
        """The file ended. Returns positions to be done again."""
        return ()

    # --- what earlier runs know, and later ones will

    known: tuple[Known, ...] = ()
    """The results of all files, where an earlier run finished the batch and nothing is computed now; else none.

    A call has such batches only, or none: a file that one batch has done again is done for all that want it.
    """

    @property
    def caveats(self) -> tuple[str, ...]:
        """What the engineer should know of how results are kept, where they are."""
        return ()

    facts: tuple[str, ...] = ()
    """Subjects of notes that hold for a file whenever it is loaded, so that later runs may know them before."""

    def determinants(self, position: int) -> Mapping[str, Any] | None:
        """All but the `.sim` file and versions that determines the file's result; None where it cannot be told.

        Asked when the file is ready. Plain values only. The default: results are not kept.
        """
        return None

    def stands(self, position: int, value: Any) -> bool:
        """Whether a file's result is what it would be now: nothing that other files settle has changed since."""
        return True

    def pack(self, value: Any) -> Any:
        """A file's result as values that `orcabatch.store.values` can store, where it can."""
        return value

    def unpack(self, stored: Any, position: int) -> Any:
        """The file's result that `pack` was given. Raises KeyError, TypeError, ValueError where it is something else.

        The same file and folder may have been spelled in another way then.
        """
        return stored

    def outputs_of(self, value: Any) -> tuple[tuple[str, Path], ...]:
        """The output files that belong to one file's result, each with its label."""
        return ()

    def hashes_of(self, value: Any) -> Mapping[Path, str]:
        """The `head_tail_hash` (`orcabatch.host.files`) of these files as they were written, where that is known."""
        return {}

    @property
    def common_hashes(self) -> Mapping[Path, str]:
        """The `full_hash` of the outputs that stand for all files, as they were written, where that is known."""
        return {}

    def tables_of(self, value: Any) -> Mapping[str, Any]:
        """A file's result as tables by label: mappings, frames, arrays or numbers. The default: one, without label."""
        return {"": value}

    file_columns: tuple[str, ...] = ()
    """Columns of its tables that say which file a row is about, the first of them by its path: they are no results.

    A summary that has them all has one row for each file.
    """

    @property
    def summaries(self) -> tuple[str, ...] | None:
        """The labels that `summaries_in` will find; None where that is not known beforehand."""
        return None

    def summaries_in(self, outputs: Iterable[Path]) -> Mapping[str, Path]:
        """Of its output files that belong to no single file, the tables that `BatchResult.summary` reads, by label."""
        return {}

    @property
    def tables(self) -> tuple[Path, ...]:
        """The tables that it will write, of single files and of all, as far as that is known beforehand."""
        return ()

    def concluded(self, outcomes: Sequence[FileOutcome], outputs: Iterable[Path]) -> Mapping[str, Any] | None:
        """What of a finished batch's common outputs is to be kept for a later run; None for nothing."""
        return None

    @property
    def hints_depend_on(self) -> Mapping[str, Any] | None:
        """What determines `planning_hints`; None where there are none to be kept."""
        return None

    @property
    def planning_hints(self) -> Mapping[str, Any] | None:
        """What a batch that is only planned cannot find out by itself; None where this one does not know it either."""
        return None

    def take_hints(self, hints: Mapping[str, Any]) -> None:  # noqa: B027 - only asked where hints depend on something
        """Take over the hints of a batch that depends on the same. Raises TypeError where it is something else."""

    # --- what is said of it

    @property
    def writes(self) -> tuple[str, ...]:
        """What it will write to its result folder, in words, beside the metrics."""
        return ()

    def foresee(self, known: Mapping[int, FileOutcome], facts: Facts) -> tuple[Notice, ...]:
        """What will be done without a word, as far as that is known before it runs.

        `known` holds results of earlier runs that still hold, by position.
        """
        return ()

    def proof(self, outcomes: Sequence[FileOutcome], orcaflex: str) -> dict[str, Any] | None:
        """What the metrics have to hold so that the batch can be proven later; None where there is no such proof."""
        return None
