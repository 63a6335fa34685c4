"""A digitalmodel batch as the ledger keeps it: what its results depend on, and its results as plain values.

Results depend on the configuration as given (masters not merged: merging is digitalmodel's own, and its sources stand
in the key), without what changes nothing: start time and time stamps, the list of files, the `performance:` section.
Folders and files go by their place, however they are spelled, but where a spelling stands in a table: in linked
statistics, and nobody knows where else in those of an untested clone.
Does not know the ledger (`orcabatch.batch.result_cache`).
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel.missing import Gap
from orcabatch.digitalmodel.outputs import flagged
from orcabatch.digitalmodel.postprocess import FileResult
from orcabatch.digitalmodel.proof_input import LOST, SHARED, json_safe
from orcabatch.digitalmodel.serial_order import Variant
from orcabatch.digitalmodel.source_code import find_source_code
from orcabatch.host.files import hash_of
from orcabatch.store.atomic import patiently
from orcabatch.store.frames import cells_of
from orcabatch.store.paths import place_of
from orcabatch.store.values import Damaged, NotStorable, checked, checked_texts, decode, encode
from orcabatch.text import class_name
from orcabatch.win32 import as_opened, is_there

if TYPE_CHECKING:
    from orcabatch.digitalmodel.installed import Installation

LEFT_OUT = ("file_management", "performance")
STAMPED = ("start_time", "file_name")
"""What the start time gets into: the names of outputs, never their content."""
PLACES = frozenset({
    "analysis_root_folder", "log_folder", "CustomInputFile", "DefaultInputFile", "result_folder", "result_data_folder",
    "result_plot_folder", "fe_folder", "file_management_input_directory", "file_management_output_directory",
})  # fmt: skip
"""What of `Analysis` is a path; spelled as the command line or the script spells it."""
SHOWING_PATHS = "linked_statistics"
"""The output in whose tables paths stand as they were given."""
NUMBERS = (float, int)
STAMP = "{name}"
"""Stands for the batch's name, which may hold its start time, in the names of its common outputs."""


@dataclass(frozen=True, slots=True)
class Determinants:
    """What the results of a batch depend on, besides the `.sim` files and the versions of packages.

    Attributes:
        configuration: hash of the configuration as given; None where it holds what has no exact form.
        merged: hash of the merged one, where merging looked into files; else None. Whether it does is decided by the
            configuration and digitalmodel's sources: results of a batch that looked never answer for one that did not.
        digitalmodel: its package and sources; None where the batch depends on more than can be told.
        has_pool: see `Installation.has_pool`.
        with_masters: whether there are masters to be merged.
        shows_paths: whether tables may hold paths as they are spelled.
    """

    configuration: str | None
    merged: str | None
    digitalmodel: str | None
    has_pool: bool
    with_masters: bool
    shows_paths: bool = True

    @classmethod
    def of_batch(
        cls, asked: Mapping[str, Any], merged: Mapping[str, Any], installation: Installation | None, *, looked: bool
    ) -> Determinants:
        """From the configuration as given (`exact_form`) and as merged; without an installation, from the sources only.

        Args:
            asked: the configuration as given, in its exact form.
            merged: with its masters merged, and whatever else digitalmodel does to it before the first file.
            installation: the digitalmodel that was imported; None: only planned, so nothing was merged.
            looked: whether merging looked into `.sim` files.
        """
        with_masters = any(key.endswith("_settings_master") for key in asked)
        found = find_source_code() if installation is None else installation
        shows_paths = found is None or not found.tested or flagged(asked, SHOWING_PATHS)
        configuration = configuration_hash(asked, spelled=shows_paths)
        if installation is None:
            source = None if found is None else f"{found.package} {found.digest}"
            return cls(configuration, None, source, found is not None and found.has_pool, with_masters, shows_paths)
        source = (
            None if installation.missing or installation.edited else f"{installation.package} {installation.digest}"
        )
        learnt = configuration_hash(json_safe(merged), spelled=shows_paths) if looked else None
        return cls(configuration, learnt, source, installation.has_pool, with_masters, shows_paths)

    def shown(self, item: Any, start: Path) -> list[str]:
        """What results may say of a file: its name as it is spelled, or what summaries make of that.

        Args:
            item: its name in the list.
            start: what names are relative to.
        """
        return [str(item)] if self.shows_paths else _as_summaries_name(start / item)

    def of_file(
        self, shown: list[str], variant: Variant | None, folder: Path, *, compressed: bool
    ) -> dict[str, Any] | None:
        """All that determines one file's result; None where it cannot be told.

        Args:
            shown: of the file, as it stands in the configuration's list.
            variant: how the file is done; None: not known yet.
            folder: where its output files are written.
            compressed: whether they are compressed.
        """
        if variant is None or self.configuration is None or self.digitalmodel is None:
            return None
        return {
            "configuration": self.configuration,
            "merged": self.merged,
            "item": shown,
            "settled": [variant.settled, variant.stop_time],
            "output": [str(folder) if self.shows_paths else place_of(folder), compressed],
            "digitalmodel": self.digitalmodel,
        }


def _as_summaries_name(item: Path) -> list[str]:
    """What summaries say of a file: where it really lies, and what it is called in the list."""
    try:
        place = item.resolve()
    except OSError:  # Windows raises for a share that went; whoever loads the file says so, of that file alone
        place = item.absolute()
    return [str(place), item.stem]


def _placed(value: Any) -> Any:
    """A path of a configuration (JSON-safe) as its place; anything else as it is."""
    path = value.get("$path") if isinstance(value, Mapping) else value
    return place_of(path) if isinstance(path, str) else value


def configuration_hash(asked: Mapping[str, Any], *, spelled: bool = True) -> str | None:
    """One hash over what of a configuration (JSON-safe) decides results; None where it holds what has no exact form.

    Args:
        asked: the configuration.
        spelled: whether the spelling of its folders counts.
    """
    kept = {key: value for key, value in asked.items() if key not in LEFT_OUT}
    kept["Analysis"] = {
        key: value if spelled or key not in PLACES else _placed(value)
        for key, value in asked["Analysis"].items()
        if key not in STAMPED
    }
    text = json.dumps(kept, sort_keys=True)
    return None if f'"{LOST}"' in text else hashlib.sha256(text.encode()).hexdigest()


class Frames(Mapping[str, Any]):
    """Stored frames by group label, read when somebody looks at them: a finished batch is handed out without pandas."""

    def __init__(self, stored: Mapping[str, bytes]) -> None:
        self._stored = {checked(label, str): checked(content, bytes) for label, content in stored.items()}
        self._read: dict[str, Any] = {}

    def __getitem__(self, label: str) -> Any:
        if label not in self._read:
            frame = decode(self._stored[label])
            if class_name(type(frame)) != "DataFrame":
                raise Damaged("no table")
            self._read[label] = frame
        return self._read[label]

    def cells(self) -> dict[str, Any]:
        """What is in them, to be summed up without pandas: each as `cells_of` gives it."""
        return {label: decode(content, cells_of) for label, content in self._stored.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def __deepcopy__(self, memo: Any) -> dict[str, Any]:
        """digitalmodel's fold begins with a copy of the first file's frames, and changes it."""
        return copy.deepcopy(dict(self), memo)


def _packed_frames(frames: Mapping[str, Any] | None) -> dict[str, bytes] | None:
    return None if frames is None else {label: encode(frame) for label, frame in frames.items()}


def packed(result: FileResult, folder: Path) -> dict[str, Any]:
    """A file's result as plain values and frames.

    Raises:
        NotStorable: it wrote outside the batch's result folder.
    """
    if any(path.parent != folder for _, path in result.outputs):
        raise NotStorable("an output outside the result folder has no name there")
    return {
        "summary": _packed_frames(result.summary),
        "linked": _packed_frames(result.linked),
        "outputs": [[label, path.name] for label, path in result.outputs],
        "record": result.record,
        "run_status": result.run_status,
        "stop_time": result.stop_time,
        "settled": [result.settled.settled, result.settled.stop_time],
        "simulated_to": result.simulated_to,
        "complete": result.complete,
        "gaps": [list(astuple(gap)) for gap in result.gaps],
        "shows_active": result.shows_active,
        "log": list(result.log),
    }


def unpacked(stored: Any, folder: Path) -> FileResult:
    """The result that `packed` was given, of a batch with this result folder.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    settled, stop_time = checked(checked(stored, dict)["settled"], list)
    return FileResult(
        summary=_unpacked_frames(stored["summary"]),
        linked=_unpacked_frames(stored["linked"]),
        outputs=tuple((checked(label, str), folder / _name(name)) for label, name in checked(stored["outputs"], list)),
        record=checked(stored["record"], dict, NoneType),
        run_status=checked(stored["run_status"], str),
        stop_time=checked(stored["stop_time"], *NUMBERS),
        settled=Variant(checked(settled, bool), checked(stop_time, *NUMBERS, NoneType)),
        simulated_to=checked(stored["simulated_to"], *NUMBERS, NoneType),
        complete=checked(stored["complete"], bool),
        gaps=tuple(_gap(*gap) for gap in checked(stored["gaps"], list)),
        shows_active=checked(stored.get("shows_active"), bool, NoneType),  # not in results of before it was asked
        log=checked_texts(stored["log"]),
    )


def respelled(result: FileResult, item: Any, folder: str) -> FileResult:
    """The result of a tested digitalmodel as it is for a file and folder that are spelled like this.

    Raises:
        KeyError, TypeError: its record is something else.
    """
    if result.record is None:
        return result
    record, series = result.record, result.record["time_series"]
    groups = [{**group, "data": os.path.join(folder, Path(group["data"]).name)} for group in series["groups"]]  # noqa: PTH118 - spelled as digitalmodel joins it
    return replace(result, record={**record, "time_series": {**series, "groups": groups}, "file_name": item})


def _unpacked_frames(stored: Any) -> Frames | None:
    return None if stored is None else Frames(checked(stored, dict))


def _gap(output: Any, group: Any, column: Any, missing: Any, rows: Any) -> Gap:
    for name in (output, group, column):
        checked(name, str, *NUMBERS, NoneType)  # a label is whatever the YAML says
    return Gap(output, group, column, checked(missing, int), checked(rows, int))


def common_outputs(outputs: Mapping[Path, str | None], folder: Path, name: str) -> list[list[Any]] | None:
    """The common outputs of a batch, with its name taken out of theirs: name and bytes.

    None where one is in another folder, or is not what was written any more.

    Args:
        outputs: each with the `full_hash` of what was written, where that is known.
        folder: of the batch.
        name: of the batch.
    """
    found = []
    for path, written in outputs.items():
        if path.parent != folder or not is_there(path):
            return None
        content = patiently(as_opened(path).read_bytes)
        if written not in {None, hash_of(content)}:
            return None
        stem = path.name.removeprefix(name)
        found.append([stem if stem == path.name else STAMP + stem, content])
    return found


def kept_of_cfg(left: Mapping[str, Any], asked: Mapping[str, Any], consistency: str) -> list[Any] | None:
    """What a run changed in its configuration; None where that has no exact form, or is one object in several places.

    Args:
        left: the configuration afterwards.
        asked: the one before (JSON-safe).
        consistency: see `DigitalModelBatch.consistency`; it decides what is left.
    """
    if SHARED in asked:
        return None
    changed = {key: value for key, value in left.items() if key not in asked or _text(value) != json.dumps(asked[key])}
    try:
        return [_whole_hash(asked, consistency), encode(changed)]
    except NotStorable:
        return None


def found_in_cfg(kept: Any, given: Mapping[str, Any], asked: Mapping[str, Any], consistency: str) -> dict[str, Any]:
    """What `kept_of_cfg` kept, for the very same configuration.

    Raises:
        KeyError, TypeError, ValueError: it is something else, or of another configuration.
    """
    whole, content = checked(kept, list)
    changed: dict[str, Any] = checked(decode(checked(content, bytes)), dict)
    if whole != _whole_hash(asked, consistency):
        raise Damaged("of another configuration")
    encode([given[key] for key in changed if key in given])  # else plain values would replace the caller's own
    return changed


def _whole_hash(asked: Mapping[str, Any], consistency: str) -> str:
    """Of all that a caller may see afterwards: folders as they are spelled, the list of files, the order of keys."""
    analysis = {key: value for key, value in asked["Analysis"].items() if key != STAMPED[0]}
    kept = {key: value for key, value in asked.items() if key != "performance"}
    return hashlib.sha256(json.dumps([consistency, {**kept, "Analysis": analysis}]).encode()).hexdigest()


def _text(value: Any) -> str:
    return json.dumps(json_safe(value))


def output_name(kept: Any, name: str) -> str:
    """The name of a common output in a batch of this name.

    Raises:
        Damaged: it is no file's name, or leads out of the folder.
    """
    own = _name(kept)
    return name + own.removeprefix(STAMP) if own.startswith(STAMP) else own


def _name(kept: Any) -> str:
    """A file's name that leads nowhere else."""
    name: str = checked(kept, str)
    if Path(name).name != name or name == "..":
        raise Damaged("no name of an output")
    return name
