"""Who understands what `run_batch` is given: a short list of readers, each asked in turn.

    YAMLs | cfg mapping | .sim files with a function  ── claims, read ──>  ReadBatch, ...  ──>  Request

Another post-process package is a module with a `READER` in it and a line in `READERS`. What else the house has to know
of a package (whose versions and code decide a result, words for its keys, the column that names a row's file) is asked
of its reader too.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.batch.named_files import named_files
from orcabatch.batch.request import together
from orcabatch.errors import ArgumentError, SettingsError, SourceError
from orcabatch.orcaflex.sim_files import out_of_reach
from orcabatch.store.paths import check_working_folder, what_cannot_be_read_is_said
from orcabatch.text import class_name

if TYPE_CHECKING:
    from orcabatch.batch.request import Options, ReadBatch, Request

READERS = ["orcabatch.digitalmodel.reader", "orcabatch.batch.functions"]
"""Modules with a `READER`, in the order in which they are asked; that of functions takes any list of files, is last.

Names, so that none is imported before it is asked.
"""

Given = MutableMapping[str, Any] | list[Path]
"""What `run_batch` is given: a configuration in memory, or names of files."""


class BatchReader(ABC):
    """Reads one kind of thing that `run_batch` is given.

    Attributes:
        suffixes: of the files that it reads, for the command line.
        packages: distributions whose versions decide what a result is, beside `orcabatch.versions.DECISIVE`.
        code: packages of modules whose code decides what a result is, our own: an edited clone has no new version.
        row_key: columns of its tables of which the first that is filled names a row, for comparing tables.
        sections: keys at the top of its YAML, which the command line's KEY=VALUE may change: `read` merges
            `Options.overrides` over it. None: there, but for those in `performance`, they are refused.
        reasons: why a file is done again, by the key of `Batch.determinants` that changed; `{first}` is the first file.
    """

    suffixes: frozenset[str] = frozenset()
    packages: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    row_key: tuple[str, ...] = ()
    sections: frozenset[str] = frozenset()
    reasons: Mapping[str, str] = {}

    @abstractmethod
    def claims(self, given: Given) -> bool:
        """Whether it reads this. Imports nothing heavy."""

    @abstractmethod
    def read(self, given: Given, options: Options) -> Sequence[ReadBatch]:
        """The batches that it describes.

        Raises:
            TypeError, SourceError, SettingsError, OutputError: as `read_request`.
        """


def readers() -> list[BatchReader]:
    """All that are known, in the order in which they are asked."""
    return [import_module(name).READER for name in READERS]


def row_keys() -> list[tuple[str, ...]]:
    """The columns that name the rows of tables, whichever package wrote them."""
    return [reader.row_key for reader in readers() if reader.row_key]


@what_cannot_be_read_is_said()
def read_request(source: Any, options: Options) -> Request:
    """Make out what is asked for.

    Raises:
        TypeError: a mixture of kinds, or files without a function; says so.
        SourceError: nothing to run, a folder or pattern without files, or not a YAML; or what it is cannot be read.
        SettingsError: keys or values are wrong, or nobody takes them; lists all of them.
        OutputError: a result folder cannot be used.
    """
    said: list[str] = []
    if isinstance(source, MutableMapping):
        given: Given = source
    else:
        items = _items(source)
        options = replace(options, paths_as_text=all(isinstance(item, str) for item in items))
        given = named_files(map(Path, items), said.append)
    reading = next(one for one in readers() if one.claims(given))
    left = [] if reading.sections else [key for key in options.overrides if key != "performance"]
    if left:
        raise SettingsError(
            f"{', '.join(left)} would change a YAML, and none is named: with other files only performance.KEY=VALUE "
            "has an effect. Leave the rest out, or write it where these files are described."
        )
    request = together(reading.read(given, options), options)
    if request.settings.loads and (long := out_of_reach(file for batch in request.batches for file in batch.files)):
        said.append(long)
    return replace(request, notes=(*said, *request.notes))


def _items(source: Any) -> list[str | os.PathLike[str]]:
    if isinstance(source, (str, os.PathLike)):
        source = [source]
    if not isinstance(source, Iterable):
        raise ArgumentError(
            "run_batch takes a YAML file, a cfg mapping, a folder, a pattern or a list of files, not "
            f"{class_name(type(source))}."
        )
    items = list(source)
    strange = [item for item in items if not isinstance(item, (str, os.PathLike))]
    if strange:
        raise ArgumentError(
            f"run_batch was given a list that holds {class_name(type(strange[0]))} beside file names. Give a list of "
            "YAML files, or a list of .sim files with postprocess=your_function; a cfg mapping is given alone."
        )
    if not items:
        raise SourceError("run_batch was given an empty list: no files match. Check the folder and the pattern.")
    if not all(Path(item).is_absolute() for item in items):
        check_working_folder()
    return items
