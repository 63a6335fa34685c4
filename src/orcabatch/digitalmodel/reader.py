"""digitalmodel's YAMLs and cfg mappings, read for `run_batch`.

Covers what is a configuration, its `performance:` section with the given arguments, its check, its load cases, and a
batch of its files. Imports nothing of digitalmodel, nor the rooms that do, before something is claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.batch.functions import function_batch
from orcabatch.batch.readers import BatchReader, Given
from orcabatch.batch.request import Options, ReadBatch, load_cases, parsed_settings, together
from orcabatch.digitalmodel.native import is_inside_router
from orcabatch.digitalmodel.outputs import ROW_KEY, SECTIONS
from orcabatch.errors import ArgumentError, SettingsError, SourceError
from orcabatch.orcaflex.binding import find_binding
from orcabatch.text import words_of

if TYPE_CHECKING:
    from orcabatch.batch.request import Request
    from orcabatch.digitalmodel.batch import DigitalModelBatch
    from orcabatch.digitalmodel.check.policy import Checked
    from orcabatch.digitalmodel.configuration import Configuration
    from orcabatch.digitalmodel.finished import FinishedBatch
    from orcabatch.settings import Settings


class DigitalModelReader(BatchReader):
    """YAMLs, several of them under one budget, or a cfg mapping; a function may take digitalmodel's place."""

    suffixes = frozenset({".yml", ".yaml"})
    code = ("orcabatch.digitalmodel",)
    row_key = ROW_KEY
    sections = SECTIONS
    reasons: Mapping[str, str] = {
        "configuration": "the configuration changed",
        "merged": "the configuration changed",
        "item": "the file is named in another way",
        "output": "another result folder, or other settings of the output files",
        "digitalmodel": "digitalmodel's sources changed",
        "settled": "the first file of the list ({first}) settles the configuration anew",
    }

    def claims(self, given: Given) -> bool:
        """A mapping, or a list with a YAML in it."""
        return isinstance(given, MutableMapping) or any(_is_yaml(path) for path in given)

    def read(self, given: Given, options: Options) -> Sequence[ReadBatch]:
        """One batch of a mapping, one for each YAML."""
        if isinstance(given, MutableMapping):
            return [_from_cfg(given, options)]
        if not all(_is_yaml(path) for path in given):
            raise ArgumentError(
                "run_batch was given YAML files and .sim files in one list. Give either YAML files, or .sim files with "
                "postprocess=your_function."
            )
        from orcabatch.digitalmodel.check.policy import refuse

        asked = [_configured(path, options) for path in given]
        refuse({one.configuration.lines.file: one.checked for one in asked})
        read = [_from_yaml(one, options, alone=len(asked) == 1) for one in asked]
        if all(one.batch.known for one in read):
            return read
        # Beside one that is to be computed its files may be done again, for all batches: a finished one cannot.
        return [
            _from_yaml(one, replace(options, computes=True), alone=False) if done.batch.known else done
            for one, done in zip(asked, read, strict=True)
        ]


READER = DigitalModelReader()

NOT_CONFIGURED = (
    "The cfg mapping is not one that digitalmodel has configured: it lacks Analysis or file_management. It may be a "
    "YAML as it was read. Give run_batch the YAML file's name instead; for digitalmodel's own calls make the cfg with "
    '`orcabatch.digitalmodel.configuration.load_configuration("file.yml").cfg`.'
)
"""What is said of a mapping that nobody can run."""


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in DigitalModelReader.suffixes


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
    from orcabatch.digitalmodel.check.policy import checked
    from orcabatch.digitalmodel.configuration import load_configuration

    with _of_its_shape(path):
        found = load_configuration(path, options.overrides, output_dir=options.output_dir)
        changed = options.performance or options.overrides.get("performance")
        settings = parsed_settings(
            found.performance, options, f"{path}, as this call changes it" if changed else str(path)
        )
        check = checked(found.cfg, settings, options.check, read=found, only_files=options.postprocess is not None)
    return _Configured(found, settings, check)


@contextmanager
def _of_its_shape(yaml_file: Path) -> Iterator[None]:
    """What is read of a YAML has any shape that YAML has: a list where a name stands is found where it is used.

    Raises:
        SourceError: in the place of what Python says of it.
    """
    try:
        yield
    except UnicodeEncodeError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise SourceError(
            f"{yaml_file}: a value in it is of another kind than what is read there ({words_of(error)}). "
            "Look for a list, a section or a number in the place of a word."
        ) from error


def _from_yaml(asked: _Configured, options: Options, *, alone: bool) -> ReadBatch:
    configuration, settings = asked.configuration, asked.settings
    cases, notes, surplus = load_cases(configuration.files, settings, options, configuration.yaml_file.parent)
    notes = (*asked.notes, *notes)
    if options.postprocess is not None:
        own, among = replace(options, paths_as_text=False), "" if alone else configuration.label
        batch = function_batch(configuration.files, options.postprocess, own, settings, cases, among=among)
        return ReadBatch(batch, settings, notes, cases, surplus)
    _refuse_to_open(settings, str(configuration.yaml_file))
    if not options.planning:
        find_binding(settings.orcaflex)  # before folders are made: a run that cannot start leaves nothing behind
        configuration.create_folders()
    with _of_its_shape(configuration.yaml_file):
        found = _digitalmodel(configuration.cfg, settings, options, from_yaml=True)
    found.findings = asked.checked.notes
    return ReadBatch(found, settings, notes, cases, surplus)


def _from_cfg(cfg: MutableMapping[str, Any], options: Options) -> ReadBatch:
    if not is_configured(cfg):
        raise SourceError(NOT_CONFIGURED)
    settings = parsed_settings(cfg.get("performance"), options, "cfg")
    _refuse_to_open(settings, "cfg")
    if not options.planning:
        find_binding(settings.orcaflex)
    return _checked(cfg, _digitalmodel(cfg, settings, options), settings, options)


def finished_request(cfg: MutableMapping[str, Any], options: Options, warn: Callable[[str], None]) -> Request | None:
    """The request for a configured cfg that earlier runs finished; None where something is to be done.

    Raises:
        SettingsError, OutputError, OrcaFlexUnavailable: as for a run of it.
    """
    from orcabatch.digitalmodel.finished import finished_batch

    settings = parsed_settings(cfg.get("performance"), options, "cfg")
    batch = finished_batch(cfg, settings, warn, seen=True)
    return None if batch is None else together([_checked(cfg, batch, settings, options)], options)


def _checked(
    cfg: MutableMapping[str, Any], batch: DigitalModelBatch | FinishedBatch, settings: Settings, options: Options
) -> ReadBatch:
    from orcabatch.digitalmodel.check.policy import checked, refuse

    check = checked(cfg, settings, options.check)
    refuse({"cfg": check})
    batch.findings = check.notes
    cases, notes, surplus = load_cases(batch.files, settings, options)
    return ReadBatch(batch, settings, (*check.notes, *notes), cases, surplus)


def _refuse_to_open(settings: Settings, origin: str) -> None:
    if not settings.loads:
        raise SettingsError(
            f"{origin}: performance.loads = false is for functions that take a path (postprocess=...); digitalmodel's "
            "own post-process works on loaded models. Leave it out. Nothing was run."
        )


def is_configured(cfg: Mapping[str, Any]) -> bool:
    """Whether digitalmodel has made its configuration of it, as it does before its post-process."""
    return "Analysis" in cfg and "file_management" in cfg


def _digitalmodel(
    cfg: MutableMapping[str, Any], settings: Settings, options: Options, *, from_yaml: bool = False
) -> DigitalModelBatch | FinishedBatch:
    from orcabatch.digitalmodel.batch import DigitalModelBatch
    from orcabatch.digitalmodel.finished import finished_batch
    from orcabatch.digitalmodel.installed import open_gate

    if options.planning:
        return DigitalModelBatch.from_cfg(cfg, settings=settings, planning=True)
    said: list[str] = []
    # The router has imported digitalmodel, and merged masters.
    if not (options.fresh or options.computes or is_inside_router()):
        finished = finished_batch(cfg, settings, said.append, seen=not from_yaml)
        if finished is not None:
            return finished
    open_gate()
    batch = DigitalModelBatch.from_cfg(cfg, settings=settings)
    batch.warnings += tuple(said)
    return batch
