"""What a batch is, whatever computes it: digitalmodel's configuration or a function of the user's.

`orcabatch.digitalmodel.batch.DigitalModelBatch` is the other kind; both meet `Batch`. Positions are places in a batch's
own list of files, because two batches of one call number their files independently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from orcabatch.batch.code import Described, described, innermost
from orcabatch.errors import OutputError
from orcabatch.orcaflex.work import FunctionPostProcess, PostProcess
from orcabatch.store.atomic import check_writable
from orcabatch.store.failed_files import SUFFIX, save_failed_files
from orcabatch.store.values import NotStorable, encode

if TYPE_CHECKING:
    from orcabatch.engine.initializer import Initializer
    from orcabatch.notice import Notice
    from orcabatch.outcome import FileOutcome


class Conclusion(Protocol):
    """What is left to say when every file has ended."""

    @property
    def outputs(self) -> tuple[Path, ...]:
        """Output files written, those of single files included."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the engineer should know about the whole batch."""

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What was done with the results without a word."""


class Batch(Protocol):
    """One batch: its files, what is computed from each, and what is made of all of them."""

    @property
    def name(self) -> str:
        """Unique within a call."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The `.sim` files in input order, absolute."""

    @property
    def result_folder(self) -> Path | None:
        """Where outputs go; None where the batch leaves none."""

    @property
    def postprocess(self) -> PostProcess:
        """What a worker does with a loaded file."""

    @property
    def label(self) -> str:
        """What is computed, whenever it is: the name without a time stamp."""

    @property
    def reads_copies(self) -> bool:
        """Whether its files may be loaded from copies (`io.stage_inputs`): nobody asks where the model came from."""

    @property
    def moves_unasked(self) -> bool:
        """Whether `executor: auto` may go on in worker processes: nobody looks for what it leaves in this one."""

    @property
    def facts(self) -> tuple[str, ...]:
        """Subjects of notes that hold for a file whenever it is loaded, so that later runs may know them before."""

    @property
    def known(self) -> tuple[FileOutcome, ...]:
        """The results of all files, where an earlier run finished the batch and nothing is computed now; else none."""

    @property
    def caveats(self) -> tuple[str, ...]:
        """What the engineer should know of how results are kept, where they are."""

    def determinants(self, position: int) -> Mapping[str, Any] | None:
        """All but the `.sim` file and versions that determines the file's result; None where it cannot be told.

        Asked when the file is ready. Plain values only.
        """

    @property
    def background(self) -> Mapping[str, Any] | None:
        """What determines `lesson`; None where there is none to be kept."""

    @property
    def lesson(self) -> Mapping[str, Any] | None:
        """What a batch that is only planned cannot find out by itself; None where this one does not know it either."""

    def learn(self, lesson: Mapping[str, Any]) -> None:
        """Take over the lesson of a batch with the same background. Raises TypeError where it is something else."""

    def pack(self, value: Any) -> Any:
        """A file's result as values that `orcabatch.store.values` can store, where it can."""

    def unpack(self, stored: Any, position: int) -> Any:
        """The file's result that `pack` was given. Raises KeyError, TypeError, ValueError where it is something else.

        The same file and folder may have been spelled in another way then.
        """

    def written(self, value: Any) -> tuple[Path, ...]:
        """The output files that belong to one file's result."""

    @property
    def tables(self) -> tuple[Path, ...]:
        """The output files that will belong to single files' results, as far as that is known beforehand."""

    def concluded(self, outcomes: Sequence[FileOutcome], outputs: Iterable[Path]) -> Mapping[str, Any] | None:
        """What of a finished batch's common outputs is to be kept for a later run; None for nothing."""

    def foresee(
        self, known: Mapping[int, FileOutcome], facts: Callable[[int], Iterable[tuple[str, Any]]]
    ) -> tuple[Notice, ...]:
        """What will be done without a word, as far as that is known before it runs.

        `known` holds results of earlier runs that still hold, by position; `facts` what their workers said of a file.
        """

    def ready(self, position: int) -> bool:
        """Whether the file may start (False: it waits for what another file of the batch says)."""

    def payload(self, position: int) -> Any:
        """What goes to the worker with the file."""

    def noted(self, position: int, subject: str, content: Any) -> Iterable[int]:
        """A worker said something about the file. Returns positions to be done again."""

    def finished(self, position: int, outcome: FileOutcome) -> Iterable[int]:
        """The file ended. Returns positions to be done again."""

    def conclude(self, outcomes: Sequence[FileOutcome], *, complete: bool = True) -> Conclusion:
        """Make the batch's common outputs from the outcomes, one per file in input order.

        Not `complete`: the run was interrupted; outputs that an earlier run left whole stay as they are.
        """

    def pass_on(self) -> None:
        """Do what else was asked for, after `conclude`."""

    def proof(self, outcomes: Sequence[FileOutcome], orcaflex: str) -> dict[str, Any] | None:
        """What the metrics have to hold so that the batch can be proven later; None where there is no such proof."""


@dataclass(frozen=True, slots=True)
class Written:
    """The plain `Conclusion`."""

    outputs: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class FunctionBatch:
    """A user's function over a list of files. Leaves no outputs but a list of failed files, where a folder is given.

    Attributes:
        version: what the caller says identifies what is not seen of the function; None: its results are not kept.
        initializer: what sets up the processes that it runs in; its results may depend on it.
        seen: the function's exact form, looked at before the first file; None where it has none, or none is needed.
        set_up: the initializer's, likewise.
        caveats: what the engineer should know of how its results are kept.
    """

    name: str
    files: tuple[Path, ...]
    postprocess: FunctionPostProcess
    result_folder: Path | None = None
    version: str | None = None
    initializer: Initializer | None = None
    seen: Described | None = None
    set_up: Described | None = None
    caveats: tuple[str, ...] = ()

    reads_copies = False
    """It may ask the model for its path, look or write beside its input: that has to be the original."""
    moves_unasked = False
    """It may append to a list of this process, and whoever called it looks there."""
    facts = ()
    known = ()

    @classmethod
    def over(
        cls,
        files: Iterable[Path],
        function: Callable[..., Any],
        result_folder: Path | None,
        version: str | None = None,
        cases: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> FunctionBatch:
        """A batch named after the function."""
        named = innermost(function)
        name = getattr(named, "__name__", type(named).__name__).strip("<>")
        absolute = tuple(Path(file).absolute() for file in files)
        post = FunctionPostProcess(function, cases or {})
        batch = cls(name, absolute, post, result_folder, version)
        return batch if version is None else batch._looked_at()

    def set_up_by(self, initializer: Initializer | None) -> Self:
        """With an initializer."""
        batch = replace(self, initializer=initializer)
        return batch if self.version is None or initializer is None else batch._looked_at()

    def _looked_at(self) -> Self:
        """With the exact form of the function and what comes with it, and what to say where part of it has none."""
        first, set_up = self.initializer, None
        try:
            seen = described(self.postprocess.function)
            encode([self.postprocess.case_of(file) for file in self.files])
            set_up = None if first is None else described(first.function, *first.args)
        except NotStorable as error:
            said = (
                f"Results of {self.name} are not kept for the next run: {error}. Give plain values (numbers, text, "
                "lists, arrays), or make such an object inside the function."
            )
            return replace(self, seen=None, caveats=(said,))
        unsure = dict.fromkeys(seen.unsure + (set_up.unsure if set_up else ()))
        said = (
            f"Results of {self.name} are kept under version {self.version!r} whatever becomes of {', '.join(unsure)}: "
            "nobody can see whether that changed. Change the version when it does."
        )
        return replace(self, seen=seen, set_up=set_up, caveats=(said,) if unsure else ())

    @property
    def label(self) -> str:
        """The function with its module."""
        return _label(self.postprocess.function)

    def determinants(self, position: int) -> dict[str, Any] | None:
        """The function's name, its exact form, the file's load case, the version that the caller gave, the initializer.

        And the path as it is spelled: a function sees it (`latestFileName`, its second argument).

        None without a version, or where something of it has no exact form.
        """
        if self.version is None or self.seen is None:
            return None
        by: dict[str, Any] = {
            "function": [self.label, self.version],
            "path": str(self.files[position]),
            "code": self.seen.code,
            "uses": dict(self.seen.uses),
        }
        case = self.postprocess.case_of(self.files[position])
        if self.initializer is not None and self.set_up is not None:
            by["initializer"] = [_label(self.initializer.function), self.set_up.code, dict(self.set_up.uses)]
        return by | {"case": encode(case)} if case else by

    @property
    def background(self) -> None:
        """There is nothing to be learnt."""

    @property
    def lesson(self) -> None:
        """There is nothing to be learnt."""

    def learn(self, lesson: Mapping[str, Any]) -> None:
        """There is nothing to be learnt."""

    def pack(self, value: Any) -> Any:
        """As it is."""
        return value

    def unpack(self, stored: Any, position: int) -> Any:
        """As it is."""
        return stored

    def written(self, value: Any) -> tuple[Path, ...]:
        """What the function writes is its own affair."""
        return ()

    @property
    def tables(self) -> tuple[Path, ...]:
        """Nothing is known of what the function writes."""
        return ()

    def concluded(self, outcomes: Sequence[FileOutcome], outputs: Iterable[Path]) -> None:
        """There are no common outputs."""

    def foresee(
        self, known: Mapping[int, FileOutcome], facts: Callable[[int], Iterable[tuple[str, Any]]]
    ) -> tuple[Notice, ...]:
        """Nothing: what the function does is said by itself."""
        return ()

    def ready(self, position: int) -> bool:
        """Always."""
        return True

    def payload(self, position: int) -> None:
        """Nothing goes along."""

    def noted(self, position: int, subject: str, content: Any) -> Iterable[int]:
        """Nothing follows."""
        return ()

    def finished(self, position: int, outcome: FileOutcome) -> Iterable[int]:
        """Nothing is done again."""
        return ()

    def conclude(self, outcomes: Sequence[FileOutcome], *, complete: bool = True) -> Written:
        """Write the list of failed files, where there is a folder and any failed."""
        if self.result_folder is None:
            return Written()
        return Written(save_failed_files(self.result_folder / f"{self.name}{SUFFIX}", outcomes))

    def pass_on(self) -> None:
        """Nothing else was asked for."""

    def proof(self, outcomes: Sequence[FileOutcome], orcaflex: str) -> None:
        """A plain function is its own reference."""


def _label(function: Callable[..., Any]) -> str:
    """The innermost function with its module."""
    inner = innermost(function)
    module = getattr(inner, "__module__", "") or ""
    return f"{module}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"


def usable_folder(folder: Path) -> Path:
    """The folder, made where it is missing.

    Raises:
        OutputError: it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_writable(folder)
    except OSError as error:
        raise OutputError(
            f"The result folder {folder} cannot be written to: {error.strerror or error}. "
            "Give another one (`output_dir=`, or `file_management.output_directory` in the YAML)."
        ) from error
    return folder
