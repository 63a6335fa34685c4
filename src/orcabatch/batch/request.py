"""What a call asks for: batches and settings as values.

    ReadBatch, ... (each reader reads its own)  ── together ──>  Request(batches, settings)

Covers merging the given arguments over each YAML's `performance:` section, and the strictest limits where several
batches share one call. Does not cover recognising what was given (`orcabatch.batch.readers`), planning or running
(`orcabatch.batch.run`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.engine.surroundings import Initializer
from orcabatch.errors import ArgumentError, OutputError, SettingsError, SourceError
from orcabatch.host import HostResources, ResourceManager
from orcabatch.plan import BatchOptimizer, Deciders
from orcabatch.results.cases import Case, Surplus, read_cases, surplus_text
from orcabatch.settings import ADVISING, Settings, keys_set, merge_sections, parse_settings
from orcabatch.store.paths import Places, name_of
from orcabatch.text import plural

if TYPE_CHECKING:
    from orcabatch.batch.batch import Batch

STRICTEST = (
    "threading.max_threads",
    "threading.min_threads",
    "threading.threads_per_gb",
    "memory.max_usage_percent",
    "memory.gc_threshold",
    "optimization.thread_allocation.small",
    "optimization.thread_allocation.medium",
    "optimization.thread_allocation.large",
    "cpu_percent",
    "licences.max",
    "licences.ramp_up",
    "timeout",
    "retries",
)
"""Where several batches share one call, the smallest value that any of them sets counts for all."""

PER_BATCH = (
    "check",
    "consistency",
    "failed_rows",
    "keep_values",
    "on_failure",
    "monitoring.",
    "io.use_compression",
    "io.buffer_size",
    "io.write_behind",
    "ledger.",
    "cases",
)
"""Each batch keeps its own; every other key must agree where several batches set it."""


NOT_STAGED = (
    "io.stage_inputs does not apply to {}: a function may look at the model's path or beside its input, so its files "
    "are loaded from where they are (`io.read_ahead` still reads the next ones ahead)."
)


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments of `run_batch` besides the source; None: what the YAML says."""

    postprocess: Callable[..., Any] | None = None
    performance: Mapping[str, Any] | Settings | None = None
    orcaflex: str | None = None
    output_dir: str | Path | None = None
    on_failure: str | None = None
    fresh: bool = False
    version: str | None = None
    cases: Any = None
    batch_optimizer: Callable[[Settings], BatchOptimizer] | None = None
    resource_manager: Callable[[HostResources | None], ResourceManager] | None = None
    initializer: Callable[..., object] | None = None
    initargs: Iterable[Any] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """What the command line changes in what is read: `performance` for any reader (`parsed_settings`), other sections
    for those that take them (`BatchReader.sections`)."""
    planning: bool = False
    """Nothing will run: no folder is made, nothing heavy is imported."""
    computes: bool = False
    """Something is to be computed in any case: a batch that earlier runs finished is made so that it can be, too."""
    paths_as_text: bool = False
    """All files were named by text: a function that takes a path gets text too, as from a pool."""
    check: str = "warn"
    """What `performance: check` means where it is not set."""

    @property
    def deciders(self) -> Deciders:
        """What groups, counts and caps."""
        return Deciders(self.batch_optimizer or BatchOptimizer, self.resource_manager or ResourceManager)

    @property
    def setup(self) -> Initializer | None:
        """What sets up each process, as `concurrent.futures` takes it.

        Raises:
            TypeError: it cannot be called, or its arguments are no sequence.
        """
        if self.initializer is not None and not callable(self.initializer):
            raise ArgumentError(f"initializer must be a function, got {self.initializer!r}")
        if not isinstance(self.initargs, Iterable) or isinstance(self.initargs, str):
            raise ArgumentError(f"initargs must be a tuple of the initializer's arguments, got {self.initargs!r}")
        return None if self.initializer is None else Initializer(self.initializer, tuple(self.initargs))


@dataclass(frozen=True, slots=True)
class Request:
    """Batches that share one budget.

    Attributes:
        batches: at least one, with different names.
        settings: those of the whole call: the strictest limits of all batches.
        own: each batch's own settings, by name.
        fresh: results of earlier runs are not used.
        version: what the caller says identifies his function, for caching; None: not cached.
        initializer: called once in every process that works on files; None: nothing is.
        notes: how the source was understood.
        planning: nothing will run.
        deciders: what groups, counts and caps.
        cases: load cases by file name.
        memory_factor: what a loaded file takes over its size where nothing else is known of it; None: as usual.
    """

    batches: tuple[Batch, ...]
    settings: Settings
    own: Mapping[str, Settings]
    fresh: bool = False
    version: str | None = None
    initializer: Initializer | None = None
    notes: tuple[str, ...] = ()
    planning: bool = False
    deciders: Deciders = field(default_factory=Deciders)
    cases: Mapping[str, Case] = field(default_factory=dict)
    memory_factor: float | None = None

    @property
    def stages(self) -> bool:
        """Whether files are copied before they are loaded."""
        return self.settings.io.stage_inputs and all(batch.reads_copies for batch in self.batches)


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """One batch as read, before limits are shared."""

    batch: Batch
    settings: Settings
    notes: tuple[str, ...] = ()
    cases: Mapping[str, Case] = field(default_factory=dict)
    surplus: Surplus = field(default_factory=Surplus)


def _section(section: Any, options: Options) -> dict[str, Any]:
    """The `performance:` section with the given arguments merged over it."""
    merged = merge_sections(section, options.performance)
    if options.orcaflex is not None:
        merged["orcaflex"] = options.orcaflex
    if options.on_failure is not None:
        merged["on_failure"] = options.on_failure
    if isinstance(options.cases, str | Path):
        merged["cases"] = str(options.cases)
    elif isinstance(options.cases, Mapping):  # to be shown: what is read is the mapping itself
        merged["cases"] = f"a mapping of {plural(len(options.cases), 'file')}"
    return merged


def parsed_settings(section: Any, options: Options, origin: str) -> Settings:
    """A `performance:` section with the command line's and the given arguments merged over it, in this order.

    Raises:
        SettingsError, TypeError: it is no section, or what is in it is wrong.
    """
    changed = options.overrides.get("performance")
    for given in (section, changed):
        if given is not None and not isinstance(given, Mapping):
            raise SettingsError(f"{origin}: performance must be a section with keys, not {given!r}.")
    if not isinstance(options.performance, Mapping | Settings | None):
        raise ArgumentError(
            f"performance must be a mapping or Settings, not {options.performance!r}. Give performance="
            '{"threading": {"max_threads": 8}}, for example.'
        )
    return parse_settings(_section(merge_sections(section, changed), options), origin=origin)


def load_cases(
    files: Iterable[Path], settings: Settings, options: Options, folder: Path | None = None
) -> tuple[dict[str, Case], tuple[str, ...], Surplus]:
    """As `read_cases`; a table of the YAML's is relative to its folder."""
    return read_cases(options.cases if options.cases is not None else settings.cases, files, folder)


def together(reads: Sequence[ReadBatch], options: Options) -> Request:
    """Batches under one budget.

    Raises:
        SourceError, OutputError: two of them would write under one name, or the same table.
        SettingsError: they disagree about something that cannot be had both ways, or about a file's load case.
    """
    names = [read.batch.name for read in reads]
    same = [name_of(name) for name in names]
    twice = {name for name in names if same.count(name_of(name)) > 1}
    if twice:
        raise SourceError(
            f"Two batches would write under the same name: {', '.join(sorted(twice))}. Give them different meta.label "
            "in their YAML files, or run one after the other."
        )
    _check_tables([read.batch for read in reads])
    settings = strictest({read.batch.name: read.settings for read in reads})
    looking = [read.batch.name for read in reads if not read.batch.reads_copies]
    surplus = surplus_text([read.surplus for read in reads])
    unstaged = [NOT_STAGED.format(", ".join(looking))] if settings.io.stage_inputs and looking else []
    return Request(
        batches=tuple(read.batch for read in reads),
        settings=settings,
        own={read.batch.name: read.settings for read in reads},
        fresh=options.fresh,
        version=options.version,
        initializer=options.setup,
        notes=(*(note for read in reads for note in read.notes), *surplus, *unstaged),
        planning=options.planning,
        deciders=options.deciders,
        cases=_cases_of(reads, options),
    )


def _cases_of(reads: Sequence[ReadBatch], options: Options) -> dict[str, Case]:
    """The load cases of all batches by the names of files, as tables have them.

    Raises:
        SettingsError: a name has two, or one for the file of one batch and none for that of another.
    """
    if options.cases is None and any(read.cases for read in reads):
        _check_cases(reads)
    return {name: case for read in reads for name, case in read.cases.items()}


def _check_cases(reads: Sequence[ReadBatch]) -> None:
    met, places = dict[str, tuple[str, str, Case | None]](), Places()
    for read in reads:
        for file in dict.fromkeys(read.batch.files):
            case, place = read.cases.get(file.name), places.of_name(file)
            first, where, known = met.setdefault(file.name, (read.batch.name, place, case))
            one_says = where == place and (known is None or case is None)
            if not _is_same(known, case) and not one_says:
                raise SettingsError(
                    f"{file.name} has one load case in {first} and another, or none, in {read.batch.name}; the tables "
                    "of one call go by the file's name. Give both the same `cases`, or run one after the other."
                )
            met[file.name] = first, where, case if known is None else known


def _is_same(one: Case | None, other: Case | None) -> bool:
    """Whether two load cases say the same; an empty cell of a table equals no other as it is."""
    if one is None or other is None:
        return one is other
    same = one.keys() == other.keys()
    return same and all(one[name] == other[name] or repr(one[name]) == repr(other[name]) for name in one)


def _check_tables(batches: Sequence[Batch]) -> None:
    """Refuse batches that would overwrite each other's tables."""
    owners, places = dict[str, str](), Places()
    for batch in batches:
        for table in batch.tables:
            owner = owners.setdefault(places.of_name(table), batch.name)
            if owner != batch.name:
                raise OutputError(
                    f"{owner} and {batch.name} would both write {table}. Give one of them another result folder or "
                    "other labels for its groups, or run one after the other if the later one shall overwrite."
                )


def strictest(own: Mapping[str, Settings]) -> Settings:
    """One budget for several batches: the smallest of their limits.

    Raises:
        SettingsError: they disagree about something that cannot be had both ways; names the batches.
    """
    if len(own) == 1:
        return next(iter(own.values()))
    section: dict[str, Any] = {}
    faults = []
    for key in dict.fromkeys(key for settings in own.values() for key in keys_set(settings)):
        if key in STRICTEST:
            _place(section, key, _smallest(key, own.values()))
            continue
        values = {name: _value(settings, key) for name, settings in own.items() if key in keys_set(settings)}
        if not key.startswith(PER_BATCH) and len(set(map(str, values.values()))) > 1:
            said = ", ".join(f"{name} says {value}" for name, value in values.items())
            faults.append(f"performance.{key}: {said}. Batches of one call share it: make them agree.")
        _place(section, key, next(iter(values.values())))
    if faults:
        raise SettingsError("\n".join(faults))
    return parse_settings(section, origin="the batches together")


def _smallest(key: str, own: Collection[Settings]) -> Any:
    """The smallest value that counts for any batch, defaults included, but for those that only advise.

    A floor is not above anybody's `max_threads`, and a `gc_threshold` that one batch leaves to its cap lies below that.
    """
    asked = [settings for settings in own if key not in ADVISING or key in keys_set(settings)]
    values = [value for settings in asked if (value := _value(settings, key)) is not None]
    if key == "threading.min_threads":
        values += [settings.threading.max_threads for settings in own]
    if key == "memory.gc_threshold":
        values = [settings.memory.gc_percent for settings in own]
    return min(values, default=None)


def _value(settings: Settings, key: str) -> Any:
    value: Any = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _place(section: dict[str, Any], key: str, value: Any) -> None:
    *folders, name = key.split(".")
    for folder in folders:
        section = section.setdefault(folder, {})
    section[name] = str(value) if isinstance(value, Path) else value
