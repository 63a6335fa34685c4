"""From a digitalmodel YAML to the configuration its post-process runs on.

    defaults (base_config) ── YAML ── overrides ──> cfg ── Analysis block ── files (input_files) ──> Configuration

Covers what digitalmodel's command line does before it post-processes: merging, folders, names, finding files; with the
same result, also where its own engine cannot start (the published wheel has no base configuration). Nothing is created
or logged on the way: `Configuration.create_folders` makes the folders when a batch is about to run. Does not cover the
`performance:` section (`orcabatch.settings`) nor merging of masters, which is digitalmodel's own
(`orcabatch.digitalmodel.postprocess`). See also `docs/architecture.md`.
"""

from __future__ import annotations

import codecs
import copy
import functools
import locale
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from orcabatch.digitalmodel.base_config import BASENAMES, asked_beyond_post_process, base_configuration
from orcabatch.digitalmodel.check.lines import YamlLines, lines_of
from orcabatch.digitalmodel.input_files import describe_search, find_input_files, input_directory, origin
from orcabatch.digitalmodel.input_files import faults as file_faults
from orcabatch.digitalmodel.mappings import AttributeDict, merged
from orcabatch.digitalmodel.outputs import OUTPUTS
from orcabatch.digitalmodel.spelling import check_performance
from orcabatch.digitalmodel.yaml_text import UnreadableYaml, parse_yaml
from orcabatch.errors import OutputError, SettingsError, SourceError
from orcabatch.network import amiss
from orcabatch.text import class_name, nearest
from orcabatch.win32 import as_opened

__all__ = ["AttributeDict", "Configuration", "load_configuration"]


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a digitalmodel YAML asks for, resolved as digitalmodel resolves it.

    Attributes:
        cfg: the configuration digitalmodel's post-process takes; attribute access at the top level.
        performance: the raw `performance:` section, as it stands in YAML and overrides; None where there is none.
        yaml_file: the YAML, absolute.
        files: the `.sim` files, absolute, in digitalmodel's order.
        result_folder: where the outputs go, absolute.
        log_folder: where logs go, absolute.
        notes: what the engineer should know about how the YAML was understood.
        asked: what the engineer wrote: the YAML with the overrides, without defaults.
        lines: where it stands in the YAML.
    """

    cfg: AttributeDict
    performance: Any
    yaml_file: Path
    files: tuple[Path, ...]
    result_folder: Path
    log_folder: Path
    notes: tuple[str, ...] = ()
    asked: Mapping[str, Any] = field(default_factory=dict, repr=False)
    lines: YamlLines = field(default_factory=YamlLines, repr=False)

    @property
    def name(self) -> str:
        """The name that digitalmodel gives the batch's outputs (`Analysis.file_name`)."""
        return str(self.cfg["Analysis"]["file_name"])

    @property
    def label(self) -> str:
        """The same without its time stamp, whenever it is run."""
        return str(self.cfg["Analysis"].get("file_name_for_overwrite") or self.name)

    def create_folders(self) -> None:
        """Make the result folder, its `Data` and `Plot`, and the log folder, as digitalmodel does.

        Raises:
            OutputError: one cannot be made, or is a file.
        """
        for folder in (self.result_folder, self.result_folder / "Data", self.result_folder / "Plot", self.log_folder):
            try:
                as_opened(folder).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                said = (
                    f"The folder {folder} cannot be made: {error.strerror or error}. "
                    "Correct file_management.output_directory, or give another output folder."
                )
                raise OutputError(amiss(folder, said, error)) from error


def load_configuration(
    yaml_file: str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    now: datetime | None = None,
    output_dir: str | Path | None = None,
) -> Configuration:
    """Read a digitalmodel YAML as digitalmodel's own command line would.

    Args:
        yaml_file: the YAML. Relative file names keep the spelling that digitalmodel would give them.
        overrides: merged over the YAML, as from `orcabatch.cli.overrides.parse_overrides`.
        now: the start time in time-stamped names; the clock's where None.
        output_dir: results and logs go here, whatever the YAML says; relative to the working folder.

    Raises:
        SourceError: not a digitalmodel post-process YAML, or no file matches.
        SettingsError: a key has a value that digitalmodel could not work with.
    """
    yaml_name = os.fspath(yaml_file)
    asked, lines = _read_yaml(yaml_name)
    basename = _basename(asked, yaml_name)
    base, _ = base_configuration(basename)
    out = None if output_dir is None else Path(output_dir).absolute()
    redirected = {} if out is None else {"file_management": {"output_directory": str(out)}}
    layers = (asked, overrides or {}, redirected)
    cfg = AttributeDict(copy.deepcopy(functools.reduce(merged, layers, base)))
    _check(cfg, yaml_name)
    cfg["Analysis"] = merged(cfg.get("Analysis", {}), _analysis(cfg, yaml_name, basename, now or datetime.now()))
    if out is not None:
        cfg["Analysis"]["log_folder"] = str(out / "logs")
    files = _files(cfg)
    return Configuration(
        cfg=cfg,
        performance=cfg.get("performance"),
        yaml_file=Path(yaml_name).absolute(),
        files=files,
        result_folder=Path(cfg["Analysis"]["result_folder"]).absolute(),
        log_folder=Path(cfg["Analysis"]["log_folder"]).absolute(),
        notes=(*_notes(cfg), *_other_letters(yaml_name, asked)),
        asked=merged(asked, overrides or {}),
        lines=lines,
    )


def _read_yaml(yaml_name: str) -> tuple[dict[str, Any], YamlLines]:
    text = _text(yaml_name)
    asked, lines = _parsed(text, yaml_name)
    check_performance(text, asked, yaml_name)
    if asked.get("default_yaml") is None:
        return asked, lines
    # digitalmodel reads both as one text, so that what stands in both is taken from the default file.
    default_yaml = str(asked["default_yaml"])
    below = _text(default_yaml)
    both, _ = _parsed(f"{text}\n{below}", default_yaml)
    return both, replace(lines, below=_lines(below, default_yaml))


def _lines(text: str, yaml_name: str) -> YamlLines:
    """The lines of a YAML that is read as a part of another one; none where it cannot be read alone."""
    try:
        return lines_of(parse_yaml(text)[1], yaml_name)
    except UnreadableYaml:
        return YamlLines(yaml_name)


def _text(yaml_name: str) -> str:
    try:
        return as_opened(yaml_name).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        missing = f"{yaml_name} does not exist. Check the name and the folder ({Path.cwd()})."
        raise SourceError(amiss(yaml_name, missing, error)) from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{yaml_name} is not a text file in UTF-8: {error}. Save it as UTF-8.") from error
    except OSError as error:
        raise SourceError(amiss(yaml_name, f"{yaml_name} cannot be read: {error.strerror or error}.", error)) from error


def _parsed(text: str, yaml_name: str) -> tuple[dict[str, Any], YamlLines]:
    try:
        asked, node = parse_yaml(text)
    except UnreadableYaml as error:
        raise SourceError(f"{yaml_name} is not valid YAML{error}. Correct it there.") from error
    if not isinstance(asked, dict):
        raise SourceError(f"{yaml_name} is not a digitalmodel YAML: it holds {_kind(asked)}, not sections with keys.")
    return asked, lines_of(node, yaml_name)


def _kind(value: object) -> str:
    kinds = {type(None): "nothing", str: "text", list: "a list"}
    return kinds.get(type(value), f"a {class_name(type(value))}")


def _basename(asked: Mapping[str, Any], yaml_name: str) -> str:
    meta = asked.get("meta")
    basename = asked.get("basename", meta.get("basename") if isinstance(meta, Mapping) else None)
    if basename in BASENAMES:
        return str(basename)
    allowed = ", ".join(BASENAMES)
    if basename is None:
        raise SourceError(
            f"{yaml_name} has no basename, so digitalmodel does not know what it is for. "
            f"Write `basename: orcaflex_post_process` at its top (allowed: {allowed})."
        )
    near = nearest(str(basename), BASENAMES)
    hint = f" Did you mean {near}?" if near else ""
    raise SourceError(f"{yaml_name}: basename {basename!r} is not an OrcaFlex post-process. Allowed: {allowed}.{hint}")


def _check(cfg: Mapping[str, Any], yaml_name: str) -> None:
    """All sections that are read below are sections, else one error that lists every fault."""
    sections = ["meta", "default", "default.config", "default.config.overwrite", "orcaflex", "orcaflex.postprocess"]
    sections += [f"orcaflex.postprocess.{output}" for output in OUTPUTS]
    sections += ["file_management", "file_management.filename"]
    faults = [_fault(cfg, path) for path in sections]
    extensions = _lookup(cfg, "file_management.filename.extension")
    if not isinstance(extensions, list) or "sim" not in extensions:
        faults.append(f"file_management.filename.extension: a list with sim in it is needed, not {extensions!r}")
    management = cfg.get("file_management")
    faults += file_faults(management) if isinstance(management, Mapping) else ()
    said = [fault for fault in faults if fault]
    if said:
        raise SettingsError(f"{yaml_name}:\n  " + "\n  ".join(said))


def _fault(cfg: Mapping[str, Any], path: str) -> str:
    value = _lookup(cfg, path)
    return "" if isinstance(value, Mapping) else f"{path}: a section with keys is needed, not {value!r}"


def _lookup(cfg: Any, path: str) -> Any:
    for key in path.split("."):
        cfg = cfg.get(key) if isinstance(cfg, Mapping) else None
    return cfg


def _analysis(cfg: Mapping[str, Any], yaml_name: str, basename: str, now: datetime) -> dict[str, Any]:
    """The block that digitalmodel computes: names and folders."""
    folder, file = os.path.split(yaml_name)
    root = folder or str(Path.cwd())
    label = cfg["meta"].get("label")
    name = file.split(".")[0] + (f"_{label}" if label is not None else "")
    overwrite = cfg["default"]["config"]["overwrite"].get("output") is True
    result_folder = _result_folder(root, cfg["file_management"].get("output_directory"))
    return {
        "basename": basename,
        "analysis_root_folder": root,
        "file_name": name if overwrite else f"{name}_{now:%Y%m%d_%Hh%Mm}",
        "file_name_for_overwrite": name,
        "log_folder": os.path.join(root, "logs"),  # noqa: PTH118 - text, spelt as digitalmodel spells it
        "start_time": now,
        "cfg_array_file_names": None,
        "DefaultInputFile": cfg.get("default_yaml"),
        "CustomInputFile": yaml_name,
        "result_folder": result_folder,
        "result_data_folder": os.path.join(result_folder, "Data"),  # noqa: PTH118 - spelled as digitalmodel joins it
        "result_plot_folder": os.path.join(result_folder, "Plot"),  # noqa: PTH118 - spelled as digitalmodel joins it
        "fe_folder": _lookup(cfg, "Analysis.fe_folder") or _result_folder(root, None),
    }


def _result_folder(root: str, asked: str | None) -> str:
    if asked is not None and os.path.isabs(asked):  # noqa: PTH117
        return str(asked)
    return str((Path(root) / ("results" if asked is None else asked)).resolve())


def _files(cfg: AttributeDict) -> tuple[Path, ...]:
    management = cfg["file_management"]
    if management.get("flag"):
        folder = input_directory(cfg)
        management["input_files"] = find_input_files(cfg)
        cfg["Analysis"]["file_management_input_directory"] = folder
        cfg["Analysis"]["file_management_output_directory"] = Path(cfg["Analysis"]["result_folder"])
        where = describe_search(cfg, folder)
    else:
        where = "file_management.flag is off and file_management.input_files.sim lists no file."
    files = _lookup(cfg, "file_management.input_files.sim")
    if not files:
        raise SourceError(f"{origin(cfg)}{where}")
    return tuple(Path(file).absolute() for file in files)


def _other_letters(yaml_name: str, asked: Mapping[str, Any]) -> Iterator[str]:
    """Say where digitalmodel itself would read other letters: it opens a YAML in the encoding of the system."""
    encoding = locale.getencoding()
    foreign = next((text for text in _texts(asked) if not text.isascii()), None)
    if foreign is None or sys.flags.utf8_mode or codecs.lookup(encoding).name == "utf-8" or _text(yaml_name).isascii():
        return
    yield (
        f"the YAML is read as UTF-8, which {foreign!r} needs; digitalmodel by itself reads it as {encoding}, "
        f"{foreign.encode().decode(encoding, 'replace')!r}. With PYTHONUTF8=1 both are the same"
    )


def _texts(asked: Any) -> Iterator[str]:
    if isinstance(asked, str):
        yield asked
    elif isinstance(asked, Mapping):
        yield from (text for pair in asked.items() for part in pair for text in _texts(part))
    elif isinstance(asked, list):
        yield from (text for part in asked for text in _texts(part))


def _notes(cfg: Mapping[str, Any]) -> tuple[str, ...]:
    notes = []
    beyond = asked_beyond_post_process(cfg)
    if beyond:
        notes.append(f"{', '.join(beyond)}: models are not run or changed here, only post-processed")
    outputs = cfg["orcaflex"]["postprocess"]
    if not any(isinstance(section, Mapping) and section.get("flag") for section in outputs.values()):
        notes.append("no output is asked for: every flag below orcaflex.postprocess is off")
    return tuple(notes)
