"""What a batch leaves behind so that it can be proven later: the configuration as given, and what became of its files.

    run: ProofInput.of_batch(...).to_dict() ── "proof" in the metrics JSON ──> verify --prove: read_proof_input(RESULT)

The configuration is the one *before* the run (masters not merged, periods open): the reference then settles it itself,
which proves the settling too. Covers the exact, JSON-safe form. Does not cover the proof itself
(`orcabatch.digitalmodel.prove`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from numbers import Integral
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Self

from orcabatch.errors import SourceError
from orcabatch.network import RECONNECT, amiss
from orcabatch.notice import Notice
from orcabatch.text import class_name
from orcabatch.win32 import as_opened, is_folder, is_there

if TYPE_CHECKING:
    from orcabatch.outcome import FileOutcome

SCHEMA_VERSION = 1
KEY = "proof"
"""The key under which the metrics hold a `ProofInput`."""
LOST = "$lost"
"""Tags what could not be stored exactly."""
SHARED = "$shared"
"""Where one list or section stands in several places, beside the sections of a configuration."""


@dataclass(frozen=True, slots=True)
class ProvenFile:
    """One file of a batch: its position in the input list, its name, and who processed it."""

    index: int
    file: str
    worker: str


@dataclass(frozen=True, slots=True)
class ProofInput:
    """A finished batch, as far as a proof has to know it.

    Attributes:
        name: the name of its outputs (`Analysis.file_name`).
        result_folder: where its outputs are.
        cfg: the configuration before the run, in its exact form (see `exact_form`).
        files: the files that have results, in input order.
        per_file: whether each file was given its own configuration (`consistency: per_file`), not the serial loop's.
        orcaflex: `real` or `simulated`.
        digitalmodel: version and layout of the digitalmodel it ran with.
        working_folder: what relative names in the configuration are relative to.
        schema_version: of this form.
        notices: what was done without a word, as the metrics beside it say.
        findings: what the check of the configuration said, in words.
    """

    name: str
    result_folder: str
    cfg: Mapping[str, Any]
    files: tuple[ProvenFile, ...]
    per_file: bool
    orcaflex: str
    digitalmodel: str
    working_folder: str
    schema_version: int = SCHEMA_VERSION
    notices: tuple[Notice, ...] = ()
    findings: tuple[str, ...] = ()

    @classmethod
    def of_batch(
        cls,
        cfg: Mapping[str, Any],
        outcomes: Iterable[FileOutcome],
        *,
        per_file: bool,
        orcaflex: str,
        digitalmodel: str,
    ) -> Self:
        """From the configuration as it was before the run and the batch's outcomes.

        Args:
            cfg: taken before the run (`exact_form(cfg)` is a copy that the run cannot change); see `without_masters`.
            outcomes: what became of the files.
            per_file: whether each file got its own configuration.
            orcaflex: `real` or `simulated`.
            digitalmodel: its version and layout, in words.
        """
        analysis = cfg["Analysis"]
        done = sorted((outcome for outcome in outcomes if outcome.ok), key=lambda outcome: outcome.index)
        return cls(
            name=str(analysis["file_name"]),
            result_folder=str(Path(analysis["result_folder"]).absolute()),
            cfg=exact_form(cfg),
            files=tuple(ProvenFile(outcome.index, str(outcome.file), outcome.worker) for outcome in done),
            per_file=per_file,
            orcaflex=orcaflex,
            digitalmodel=digitalmodel,
            working_folder=str(Path.cwd()),
        )

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """From what `to_dict` gave.

        Raises:
            SourceError: it was written by another version, or is something else.
        """
        if stored.get("schema_version") != SCHEMA_VERSION:
            raise SourceError(
                f"The proof data has version {stored.get('schema_version')}, this orcabatch reads {SCHEMA_VERSION}. "
                "Run the batch again with this version."
            )
        try:
            files = tuple(ProvenFile(**file) for file in stored["files"])
            findings = tuple(str(finding) for finding in stored.get("findings", ()))
            return cls(**{**stored, "files": files, "findings": findings})
        except (TypeError, KeyError, ValueError) as error:
            raise SourceError(f"The proof data is damaged ({error}). Run the batch again.") from error

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; no NaN, no infinity. Without the notices, which stand beside it."""
        plain = {**asdict(self), "cfg": dict(self.cfg), "files": [asdict(file) for file in self.files]}
        plain["findings"] = list(self.findings)
        del plain["notices"]
        return plain


def without_masters(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration whose masters digitalmodel's router has merged already: merging them twice changes columns."""
    return {key: value for key, value in cfg.items() if not key.endswith("_settings_master")}


def exact_form(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration, JSON-safe, with the places where one object stands in several (YAML anchors, under `SHARED`).

    digitalmodel changes periods, names and columns in place, so these tell apart what reads the same. One that is in
    this form already stays as it is.
    """
    places: dict[int, list[list[Any]]] = {}
    _find_places(cfg, [], places)
    shared = [found for found in places.values() if len(found) > 1]
    return {**json_safe(cfg), **({SHARED: shared} if shared else {})}


def _find_places(value: Any, at: list[Any], places: dict[int, list[list[Any]]]) -> None:
    """Note where each list and section stands; what is inside one goes by its first place."""
    if not isinstance(value, (Mapping, list)):
        return
    places.setdefault(id(value), []).append(at)
    if len(places[id(value)]) == 1:
        keyed = value.items() if isinstance(value, Mapping) else enumerate(value)
        inner = [(json_safe(key), item) for key, item in keyed]
        for key, item in sorted(inner, key=lambda pair: repr(pair[0])):  # which is the first is not the order's affair
            _find_places(item, [*at, key], places)


def json_safe(value: Any) -> Any:
    """`value` in a form that JSON can hold exactly; `reference_run.restored` turns it back.

    Paths, dates, tuples, non-finite numbers and mappings whose keys are no texts are tagged. A value that is
    JSON-safe already stays as it is. A value without an exact form leaves its type (`$lost`): the batch goes on, and
    a proof refuses.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: json_safe(item) for key, item in value.items()}
        return {"$items": [[json_safe(key), json_safe(item)] for key, item in value.items()]}
    if isinstance(value, list):
        return [json_safe(item) for item in value]
    return _tagged(value)


def _tagged(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
    if isinstance(value, tuple):
        return {"$tuple": [json_safe(item) for item in value]}
    if isinstance(value, PurePath):
        return {"$path": str(value)}
    if isinstance(value, datetime):
        return {"$datetime": value.isoformat()}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    return {LOST: class_name(type(value))}


def read_proof_input(result: str | Path) -> ProofInput:
    """What a batch left in `result`, its result folder or its metrics file.

    A folder is looked at itself, also where it was copied or moved since; a metrics file says where the results are.

    Raises:
        SourceError: there is none, or the folder holds several batches.
    """
    place = Path(result)
    if not is_there(place):
        raise SourceError(amiss(place, f"{place} does not exist. Give a batch's result folder or its metrics file."))
    candidates = [place]
    if is_folder(place):
        candidates = [place / each.name for each in sorted(as_opened(place).glob("*.json"))]
    unread = list[str]()
    found = {file: content for file in candidates if (content := _content(file, unread)) is not None}
    if unread and not found:
        raise SourceError(f"{'; '.join(unread)}. {RECONNECT.capitalize()}.")
    if not found:
        raise SourceError(
            f"{place} holds no batch that can be proven: no metrics file with a {KEY!r} section. "
            "Run the batch with `monitoring.export_metrics: true` (the default)."
        )
    if len(found) > 1:
        raise SourceError(f"{place} holds several batches. Name one: {', '.join(file.name for file in found)}.")
    content = next(iter(found.values()))
    batch = replace(ProofInput.from_dict(content[KEY]), notices=tuple(_notices(content)))
    return replace(batch, result_folder=str(place.absolute())) if is_folder(place) else batch


def _content(file: Path, unread: list[str]) -> Mapping[str, Any] | None:
    """The metrics of a batch that can be proven; `unread` takes why the file cannot be read."""
    try:
        content = json.loads(as_opened(file).read_text(encoding="utf-8"))
    except OSError as error:
        unread.append(f"{file} cannot be read: {error.strerror or error}")
        return None
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get(KEY), dict) else None


def _notices(content: Mapping[str, Any]) -> Iterator[Notice]:
    """What the metrics say was done without a word.

    Raises:
        SourceError: they are damaged.
    """
    try:
        for plain in content.get("notices", ()):
            yield Notice.from_dict(plain)
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"The metrics' notices are damaged ({error}). Run the batch again.") from error
