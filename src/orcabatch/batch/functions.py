"""A user's function over a list of `.sim` files, as a batch.

Covers what determines a function's results (`determinants`, with `orcabatch.store.code`), and the list of failed files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from orcabatch.batch.batch import Batch, Conclusion
from orcabatch.batch.readers import BatchReader, Given
from orcabatch.batch.request import Options, ReadBatch, load_cases, parsed_settings
from orcabatch.errors import ArgumentError, OutputError, SettingsError
from orcabatch.network import amiss
from orcabatch.orcaflex.binding import find_binding
from orcabatch.orcaflex.incomplete import is_partial, partial_notices
from orcabatch.orcaflex.user_function import FunctionPostProcess
from orcabatch.store.as_here import AsHere
from orcabatch.store.atomic import check_writable, why
from orcabatch.store.code import Described, described, innermost
from orcabatch.store.failed_files import SUFFIX, save_failed_files
from orcabatch.store.kept_values import SUFFIX as VALUES
from orcabatch.store.values import NotStorable, encode
from orcabatch.text import class_name
from orcabatch.win32 import as_opened

if TYPE_CHECKING:
    from orcabatch.batch.batch import Facts
    from orcabatch.engine.surroundings import Initializer
    from orcabatch.notice import Notice
    from orcabatch.outcome import FileOutcome
    from orcabatch.results.cases import Case
    from orcabatch.settings import Settings


@dataclass(frozen=True, slots=True)
class FunctionBatch(Batch):
    """A user's function over a list of files. Leaves no outputs but a list of failed files, where a folder is given.

    Attributes:
        version: what the caller says identifies what is not seen of the function; None: its results are not kept.
        initializer: what sets up the processes that it runs in; its results may depend on it.
        seen: the function's exact form, looked at before the first file; None where it has none, or none is needed.
        set_up: the initializer's, likewise.
        caveats: what the engineer should know of how its results are kept.
        values_file: where its values are kept as files end.
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
    values_file: Path | None = None

    values_are_rows = True
    # `reads_copies` and `moves_unasked` stay False: a function may ask the model for its path, write beside its input,
    # and append to a list of this process, where whoever called it looks.

    @classmethod
    def over(  # noqa: PLR0913 - what a function's batch is made of
        cls,
        files: Iterable[Path],
        function: Callable[..., Any],
        result_folder: Path | None,
        version: str | None = None,
        cases: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        path_as: type[str] | type[Path] | None = None,
        among: str = "",
    ) -> FunctionBatch:
        """A batch named after the function, which opens the files itself where `path_as` says what it does that by.

        Where the function has several batches in one call, `among` says which of them this is.
        """
        named = innermost(function)
        name = getattr(named, "__name__", class_name(type(named))).strip("<>") + (f"_{among}" if among else "")
        absolute = tuple(file.absolute() for file in files)
        post = FunctionPostProcess(function, cases or {}, AsHere(function), path_as)
        batch = cls(name, absolute, post, result_folder, version)
        return batch if version is None else batch._looked_at()

    def set_up_by(self, initializer: Initializer | None) -> Self:
        """With an initializer."""
        if initializer is None:
            return self
        as_here = AsHere(self.postprocess.function, initializer.function)
        batch = replace(self, initializer=initializer, postprocess=replace(self.postprocess, as_here=as_here))
        return batch if self.version is None else batch._looked_at()

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
    def writes(self) -> tuple[str, ...]:
        """The values where they are kept, and what failed."""
        kept = () if self.values_file is None else (self.values_file.name,)
        return (*kept, f"{self.name}{SUFFIX} where files fail")

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
        if self.postprocess.path_as is not None:
            by["opens by"] = self.postprocess.path_as.__name__
        return by | {"case": encode(case)} if case else by

    def conclude(self, outcomes: Sequence[FileOutcome], *, complete: bool = True) -> Conclusion:
        """Write the list of failed files, where there is a folder and any failed; say whose simulation is partial."""
        notices = self._partial(outcomes)
        if self.result_folder is None:
            return Conclusion(notices=notices)
        left_over = list[str]()
        failed = save_failed_files(self.result_folder / f"{self.name}{SUFFIX}", outcomes, left_over.append)
        return Conclusion(failed, tuple(left_over), notices)

    def foresee(self, known: Mapping[int, FileOutcome], facts: Facts) -> tuple[Notice, ...]:
        """Whose simulation is partial, of the files whose results still hold."""
        return self._partial([outcome for _, outcome in sorted(known.items())])

    def _partial(self, outcomes: Sequence[FileOutcome]) -> tuple[Notice, ...]:
        """Where results are of simulations that did not reach their end; each file says so in a warning of its own."""
        stand = [outcome for outcome in outcomes if outcome.ok]
        partial = [(outcome.file, said) for outcome in stand for said in outcome.warnings if is_partial(said)]
        return partial_notices(self.name, partial, len(stand))


def function_batch(  # noqa: PLR0913 - what was given, and what was read of it
    files: Iterable[Path],
    function: Callable[..., Any],
    options: Options,
    settings: Settings,
    cases: Mapping[str, Case],
    *,
    among: str = "",
) -> FunctionBatch:
    """The batch of a function over files that were named, by themselves or by a YAML, of which there may be several.

    Raises:
        OutputError: its result folder cannot be used.
        SettingsError: values are to be kept, and there is none.
        OrcaFlexUnavailable: OrcFxAPI cannot be used.
    """
    if settings.keep_values and options.output_dir is None:
        raise SettingsError(
            "keep_values: true keeps values in a folder, and none is given. Give output_dir=, or leave it out."
        )
    if not options.planning and options.output_dir is not None:
        find_binding(settings.orcaflex)  # before the folder is made: a run that cannot start leaves nothing behind
    path_as = None if settings.loads else str if options.paths_as_text else Path
    batch = FunctionBatch.over(files, function, _folder(options), options.version, cases, path_as=path_as, among=among)
    if settings.keep_values and batch.result_folder is not None:
        batch = replace(batch, values_file=batch.result_folder / f"{batch.name}{VALUES}")
    return batch.set_up_by(options.setup)


NO_CASES = (
    "{}: its argument `case` is the file's path, since no load cases were given: give `cases`, or name the argument "
    "`sim_file`."
)


class FunctionReader(BatchReader):
    """A list of `.sim` files together with a function; asked last: it claims whatever nobody else does."""

    reasons: Mapping[str, str] = {
        "function": "another function or version",
        "initializer": "another initializer",
        "code": "the function's code changed, or a constant, default or enclosed value of it",
        "case": "its load case changed",
        "opens by": "another value of performance.loads, or files named in another way",
        "path": "its path is spelled in another way, which a function can see",
    }

    def claims(self, given: Given) -> bool:
        """Any list of files."""
        return not isinstance(given, Mapping)

    def read(self, given: Given, options: Options) -> Sequence[ReadBatch]:
        """One batch. Raises TypeError where no function is given."""
        files = [Path(file) for file in given]
        if options.postprocess is None:
            raise ArgumentError(
                "run_batch was given .sim files without a function. Give postprocess=your_function, a function that "
                "takes the loaded model and returns a value."
            )
        settings = parsed_settings(None, options, "performance")
        cases, notes, surplus = load_cases(files, settings, options)
        batch = function_batch(files, options.postprocess, options, settings, cases)
        if batch.postprocess.mistakes_its_path:
            notes = (*notes, NO_CASES.format(batch.name))
        return [ReadBatch(batch, settings, notes, cases, surplus)]


READER = FunctionReader()


def _folder(options: Options) -> Path | None:
    """Where a plain function's batch leaves its files."""
    if options.output_dir is None:
        return None
    folder = Path(options.output_dir).absolute()
    return folder if options.planning else usable_folder(folder)


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
        as_opened(folder).mkdir(parents=True, exist_ok=True)
        check_writable(folder)
    except (OSError, UnicodeEncodeError) as error:
        said = (
            f"The result folder {folder} cannot be written to: {why(error)}. "
            "Give another one (`output_dir=`, or `file_management.output_directory` in the YAML)."
        )
        raise OutputError(amiss(folder, said, error)) from error
    return folder
