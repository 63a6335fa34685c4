"""What a batch is, whatever computes it: digitalmodel's configuration or a function of the user's.

`orcabatch.digitalmodel.batch.DigitalModelBatch` is the other kind; both meet `Batch`. Positions are places in a batch's
own list of files, because two batches of one call number their files independently.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

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

    def unpack(self, stored: Any) -> Any:
        """What `pack` was given. Raises KeyError, TypeError or ValueError where it is something else."""

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
        version: what the caller says identifies the function and all it depends on; None: its results are not kept.
        initializer: what sets up the processes that it runs in; its results may depend on it.
    """

    name: str
    files: tuple[Path, ...]
    postprocess: FunctionPostProcess
    result_folder: Path | None = None
    version: str | None = None
    initializer: Initializer | None = None

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
        named = _unwrapped(function)[0]
        name = getattr(named, "__name__", type(named).__name__).strip("<>")
        absolute = tuple(Path(file).absolute() for file in files)
        return cls(name, absolute, FunctionPostProcess(function, cases or {}), result_folder, version)

    @property
    def label(self) -> str:
        """The function with its module."""
        return _label(self.postprocess.function)

    def determinants(self, position: int) -> dict[str, Any] | None:
        """The function's name, what `functools.partial` gives it, the version that the caller gave, the initializer.

        None without a version, or where what is given has no exact form.
        """
        if self.version is None:
            return None
        _, given = _unwrapped(self.postprocess.function)
        case = self.postprocess.case_of(self.files[position])
        try:
            set_up = None if self.initializer is None else _identity(self.initializer)
            function = [self.label, self.version, encode([given, case] if case else given)]
            return {"function": function, "initializer": set_up}
        except NotStorable:
            return None

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

    def unpack(self, stored: Any) -> Any:
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


def _unwrapped(function: Callable[..., Any]) -> tuple[Callable[..., Any], list[Any]]:
    """The function inside `functools.partial`, and the arguments that it was given there."""
    given: list[Any] = []
    while isinstance(function, functools.partial):
        given.append([list(function.args), sorted(function.keywords.items())])
        function = function.func
    return function, given


def _label(function: Callable[..., Any]) -> str:
    """The function inside `functools.partial`, with its module."""
    function, _ = _unwrapped(function)
    module = getattr(function, "__module__", "") or ""
    return f"{module}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def _identity(initializer: Initializer) -> list[Any]:
    """What identifies a set-up function. Raises NotStorable where its arguments have no exact form."""
    _, given = _unwrapped(initializer.function)
    return [_label(initializer.function), encode([given, list(initializer.args)])]


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
