"""What a call asks for: batches and settings, made out from whatever `run_batch` was given.

    YAML path | list of YAMLs | cfg mapping | list of .sim files   ──>  Request(batches, settings)

Covers recognising the source, merging the given arguments over each YAML's `performance:` section, and the strictest
limits where several batches share one call. Does not cover planning or running (`orcabatch.batch.run`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.batch.cases import Case, read_cases
from orcabatch.batch.checked import Checked, checked, refuse
from orcabatch.batch.kinds import Batch, FunctionBatch, usable_folder
from orcabatch.engine.initializer import Initializer
from orcabatch.errors import OutputError, SettingsError, SourceError
from orcabatch.host import HostResources, ResourceManager
from orcabatch.orcaflex.binding import find_binding
from orcabatch.plan import BatchOptimizer, Deciders
from orcabatch.settings import ADVISING, Settings, keys_set, merge_sections, parse_settings
from orcabatch.store.paths import Places, name_of

if TYPE_CHECKING:
    from orcabatch.digitalmodel.configuration import Configuration

YAML_SUFFIXES = {".yml", ".yaml"}

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
    "on_failure",
    "monitoring.",
    "io.use_compression",
    "io.buffer_size",
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
    planning: bool = False
    """Nothing will run: no folder is made, nothing heavy is imported."""
    check: str = "warn"
    """What `performance: check` means where it is not set."""

    @property
    def deciders(self) -> Deciders:
        """What groups, counts and caps."""
        return Deciders(self.batch_optimizer or BatchOptimizer, self.resource_manager or ResourceManager)


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

    @property
    def stages(self) -> bool:
        """Whether files are copied before they are loaded."""
        return self.settings.io.stage_inputs and all(batch.reads_copies for batch in self.batches)


def read_request(source: Any, options: Options) -> Request:
    """Make out what is asked for.

    Raises:
        TypeError: a mixture of kinds, or files without a function; says so.
        SourceError: nothing to run, or not a YAML.
        SettingsError: keys or values are wrong; lists all of them.
        OutputError: a result folder cannot be used.
    """
    if isinstance(source, MutableMapping):
        return _one(_from_cfg(source, options), options)
    paths = _paths(source)
    if all(path.suffix.lower() in YAML_SUFFIXES for path in paths):
        asked = [_configured(path, options) for path in paths]
        refuse({one.configuration.lines.file: one.checked for one in asked})
        return _together([_from_yaml(one, options) for one in asked], options)
    if any(path.suffix.lower() in YAML_SUFFIXES for path in paths):
        raise TypeError(
            "run_batch was given YAML files and .sim files in one list. Give either YAML files, or .sim files with "
            "postprocess=your_function."
        )
    return _one(_from_files(paths, options), options)


@dataclass(frozen=True, slots=True)
class _Read:
    """One batch as read, before limits are shared."""

    batch: Batch
    settings: Settings
    notes: tuple[str, ...] = ()
    cases: Mapping[str, Case] = field(default_factory=dict)


def _paths(source: Any) -> list[Path]:
    if isinstance(source, (str, os.PathLike)):
        source = [source]
    if not isinstance(source, Iterable):
        raise TypeError(f"run_batch takes a YAML file, a cfg mapping or a list of files, not {type(source).__name__}.")
    items = list(source)
    strange = [item for item in items if not isinstance(item, (str, os.PathLike))]
    if strange:
        raise TypeError(
            f"run_batch was given a list that holds {type(strange[0]).__name__} beside file names. Give a list of "
            "YAML files, or a list of .sim files with postprocess=your_function; a cfg mapping is given alone."
        )
    if not items:
        raise SourceError("run_batch was given an empty list: no files match. Check the folder and the pattern.")
    return [Path(item) for item in items]


def _section(section: Any, options: Options) -> dict[str, Any]:
    """The `performance:` section with the given arguments merged over it."""
    merged = merge_sections(section, options.performance)
    if options.orcaflex is not None:
        merged["orcaflex"] = options.orcaflex
    if options.on_failure is not None:
        merged["on_failure"] = options.on_failure
    return merged


def _parsed(section: Any, options: Options, origin: str) -> Settings:
    if section is not None and not isinstance(section, Mapping):
        raise SettingsError(f"{origin}: performance must be a section with keys, not {section!r}.")
    if not isinstance(options.performance, Mapping | Settings | None):
        raise TypeError(
            f"performance must be a mapping or Settings, not {options.performance!r}. Give performance="
            '{"threading": {"max_threads": 8}}, for example.'
        )
    return parse_settings(_section(section, options), origin=origin)


def _from_files(paths: Sequence[Path], options: Options) -> _Read:
    if options.postprocess is None:
        raise TypeError(
            "run_batch was given .sim files without a function. Give postprocess=your_function, a function that takes "
            "the loaded model and returns a value."
        )
    settings = _parsed(None, options, "performance")
    cases, notes = _cases(paths, settings, options)
    return _Read(_function_batch(paths, options.postprocess, options, cases), settings, notes, cases)


def _cases(
    files: Iterable[Path], settings: Settings, options: Options, folder: Path | None = None
) -> tuple[dict[str, Case], tuple[str, ...]]:
    """The load cases by file name, and what does not match; a table of the YAML's is relative to its folder."""
    found, notes = read_cases(options.cases if options.cases is not None else settings.cases, files, folder)
    return found, notes


def _function_batch(
    files: Iterable[Path], function: Callable[..., Any], options: Options, cases: Mapping[str, Case]
) -> FunctionBatch:
    batch = FunctionBatch.over(files, function, _folder(options), options.version, cases)
    return batch.set_up_by(_initializer(options))


def _folder(options: Options) -> Path | None:
    """Where a plain function's batch leaves its files."""
    if options.output_dir is None:
        return None
    folder = Path(options.output_dir).absolute()
    return folder if options.planning else usable_folder(folder)


@dataclass(frozen=True, slots=True)
class _Configured:
    """One YAML as read and checked, before anything is made or imported for it."""

    configuration: Configuration
    settings: Settings
    checked: Checked

    @property
    def notes(self) -> tuple[str, ...]:
        return self.configuration.notes + self.checked.notes


def _configured(path: Path, options: Options) -> _Configured:
    from orcabatch.digitalmodel.configuration import load_configuration

    found = load_configuration(path, options.overrides, output_dir=options.output_dir)
    settings = _parsed(found.performance, options, str(path))
    check = checked(found.cfg, settings, options.check, read=found, only_files=options.postprocess is not None)
    return _Configured(found, settings, check)


def _from_yaml(asked: _Configured, options: Options) -> _Read:
    configuration, settings = asked.configuration, asked.settings
    cases, notes = _cases(configuration.files, settings, options, configuration.yaml_file.parent)
    notes = (*asked.notes, *notes)
    if options.postprocess is not None:
        batch = _function_batch(configuration.files, options.postprocess, options, cases)
        return _Read(batch, settings, notes, cases)
    if not options.planning:
        configuration.create_folders()
    found = _digitalmodel(configuration.cfg, settings, options, from_yaml=True)
    return _Read(found, settings, notes, cases)


def _from_cfg(cfg: MutableMapping[str, Any], options: Options) -> _Read:
    if "Analysis" not in cfg or "file_management" not in cfg:
        raise SourceError(
            "The cfg mapping is not one that digitalmodel has configured: it lacks Analysis or file_management. Give "
            "the YAML file's name instead, or the cfg that digitalmodel hands to its post-process."
        )
    settings = _parsed(cfg.get("performance"), options, "cfg")
    batch = _digitalmodel(cfg, settings, options)
    check = checked(cfg, settings, options.check)
    refuse({"cfg": check})
    cases, notes = _cases(batch.files, settings, options)
    return _Read(batch, settings, (*check.notes, *notes), cases)


def _digitalmodel(
    cfg: MutableMapping[str, Any], settings: Settings, options: Options, *, from_yaml: bool = False
) -> Batch:
    from orcabatch.batch.finished import finished_batch
    from orcabatch.digitalmodel.batch import DigitalModelBatch
    from orcabatch.digitalmodel.layout import open_gate

    if options.planning:
        return DigitalModelBatch.from_cfg(cfg, settings=settings, planning=True)
    said: list[str] = []
    if from_yaml and not options.fresh:
        # Only where nobody looks at the configuration afterwards: digitalmodel would leave its marks in it.
        finished = finished_batch(cfg, settings, said.append)
        if finished is not None:
            return finished
    find_binding(settings.orcaflex)
    open_gate()
    batch = DigitalModelBatch.from_cfg(cfg, settings=settings)
    batch.warnings += tuple(said)
    return batch


def _one(read: _Read, options: Options) -> Request:
    return _together([read], options)


def _together(reads: Sequence[_Read], options: Options) -> Request:
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
    unstaged = [NOT_STAGED.format(", ".join(looking))] if settings.io.stage_inputs and looking else []
    return Request(
        batches=tuple(read.batch for read in reads),
        settings=settings,
        own={read.batch.name: read.settings for read in reads},
        fresh=options.fresh,
        version=options.version,
        initializer=_initializer(options),
        notes=(*(note for read in reads for note in read.notes), *unstaged),
        planning=options.planning,
        deciders=options.deciders,
        cases={name: case for read in reads for name, case in read.cases.items()},
    )


def _initializer(options: Options) -> Initializer | None:
    """As `concurrent.futures` takes it.

    Raises:
        TypeError: it cannot be called, or its arguments are no sequence.
    """
    if options.initializer is not None and not callable(options.initializer):
        raise TypeError(f"initializer must be a function, got {options.initializer!r}")
    if not isinstance(options.initargs, Iterable) or isinstance(options.initargs, str):
        raise TypeError(f"initargs must be a tuple of the initializer's arguments, got {options.initargs!r}")
    return None if options.initializer is None else Initializer(options.initializer, tuple(options.initargs))


def _check_tables(batches: Sequence[Batch]) -> None:
    """Refuse batches that would overwrite each other's tables."""
    owners, places = dict[str, str](), Places()
    for batch in batches:
        for table in batch.tables:
            owner = owners.setdefault(places.of_name(table), batch.name)
            if owner != batch.name:
                raise OutputError(
                    f"{owner} and {batch.name} would both write {table}. Give one of them another result folder or "
                    "other labels for its time series, or run one after the other if the later one shall overwrite."
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
