"""Where digitalmodel's tables meet the disk: who writes them, and that those of one file appear together or not at all.

digitalmodel ends each table with `frame.to_csv(name)`. Here is a frame that asks, at that moment and in that thread,
whether somebody wants to do the writing (enter the phase `write`, write beside the target and rename), and else writes
as ever. The text is pandas' own, or the same made faster (`orcabatch.digitalmodel.csv_text`). `FileTables` does so
for the time series of one file. Does not cover which names are written: they are digitalmodel's.
"""

from __future__ import annotations

import gzip
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self, cast

from orcabatch.digitalmodel.csv_text import Text, write_csv
from orcabatch.digitalmodel.missing import Gap, gaps_of
from orcabatch.errors import OutputError
from orcabatch.host.files import fingerprint, hash_of_text
from orcabatch.outcome import Phase
from orcabatch.store.atomic import atomic_path, patiently, reached
from orcabatch.store.lock import NAME as LOCK
from orcabatch.store.lock import is_held_by
from orcabatch.store.write_behind import TextBehind
from orcabatch.win32 import is_folder

if TYPE_CHECKING:
    from orcabatch.engine.contract import PhaseClock

GZ = ".gz"
ToCsv = Callable[[Path | TextBehind, int, bool], Text]
"""Writes the text to a path, or to what keeps it for a while; in pieces of about so many bytes, in a buffer that is
kept or not."""
Writer = Callable[[Path, Any, ToCsv], None]
"""Called with the target, the table, and what writes its text."""

_WRITING: ContextVar[Writer | None] = ContextVar("orcabatch_digitalmodel_writer", default=None)


@contextmanager
def written_by(writer: Writer) -> Iterator[None]:
    """Let `writer` do the writing of the tables made or saved in this thread until the block ends."""
    token = _WRITING.set(writer)
    try:
        yield
    finally:
        _WRITING.reset(token)


@cache
def frame_class() -> type[Any]:
    """The frame; a DataFrame in all but its writing."""
    import pandas as pd

    class Frame(pd.DataFrame):
        """A DataFrame that lets whoever asked for it do the writing."""

        @property
        def _constructor(self) -> type[Frame]:
            return Frame

        def _constructor_from_mgr(self, mgr: Any, axes: Any) -> Frame:
            """As pandas 2.2 and later ask of subclasses; its 2.2.0 else warns of what it does itself."""
            made: Frame = cast("Any", Frame)._from_mgr(mgr, axes)
            return made

        def to_csv(self, path_or_buf: Any = None, *args: Any, **kwargs: Any) -> Any:
            writer, to_csv = _WRITING.get(), super().to_csv
            if writer is None or not isinstance(path_or_buf, (str, os.PathLike)):
                return to_csv(path_or_buf, *args, **kwargs)

            def write(target: Path | TextBehind, block_bytes: int, reuse: bool) -> Text:
                plain = not args and kwargs == {"index": False}
                made = write_csv(self, target, block_bytes=block_bytes, reuse=reuse) if plain else None
                if made is None:
                    to_csv(target.path if isinstance(target, TextBehind) else target, *args, **kwargs)
                return made or Text()

            writer(Path(path_or_buf), self, write)
            return None

    return Frame


class Pandas:
    """pandas under digitalmodel's name for it, with the frame above where somebody wants to do the writing."""

    def __init__(self, original: ModuleType) -> None:
        self.original = original

    def __getattr__(self, name: str) -> Any:
        if name == "DataFrame" and _WRITING.get() is not None:
            return frame_class()
        return getattr(self.original, name)


def capture_csv_output(module: ModuleType) -> None:
    """Let a module of digitalmodel make its tables through here; may be called again."""
    if not isinstance(vars(module)["pd"], Pandas):
        vars(module)["pd"] = Pandas(vars(module)["pd"])


@dataclass(frozen=True, slots=True)
class Writing:
    """How time series are written.

    Attributes:
        block_bytes: text is made and written in pieces of about this size.
        compress: write `.csv.gz` instead of `.csv`; the same bytes inside.
        reuse: a worker keeps its buffer for the next piece and file.
        behind_bytes: how much text may wait in a process until its file has been given back; 0: none.
        start: what names are relative to: the working folder as it was when the batch began, for a configuration that
            names its result folder so. Whoever changes the working folder does not move the tables.
        held: the result folder, and the signature of the lock that the run has on it; empty: nobody asks.
    """

    block_bytes: int = 10_000_000
    compress: bool = False
    reuse: bool = True
    behind_bytes: int = 0
    start: Path = Path()
    held: tuple[Path, str] = (Path(), "")

    def check_held(self) -> None:
        """See that the run is still there: a worker on another machine, or a thread that hung, may outlive it.

        What it writes then would stand among the tables of the next run, which may compute something else.

        Raises:
            OutputError: it is not, or the folder does not answer; nothing may be written.
        """
        folder, signature = self.held
        if not signature:
            return
        with reached(folder / LOCK):
            held = is_held_by(folder, signature)
        if not held:
            raise OutputError(
                f"Nothing is written to {folder} any more: this run does not hold it, since it has ended, or somebody "
                f"has removed the file {LOCK} there. Or it is another folder on this machine than where the run was "
                "begun: a result folder has to be the same for all machines."
            )


@contextmanager
def folder_named(target: Path, stem: str = "") -> Iterator[None]:
    """Say of a table that its folder is not there, and which Label puts it there, not that a temporary file failed.

    Raises:
        OutputError: the folder of `target` is not there, or cannot be reached.
    """
    try:
        with reached(target):
            yield
    except OSError as error:  # pandas says this without its number
        if is_folder(target.parent):
            raise
        missing = f"{target} cannot be written: the folder {target.parent} is not there."
        if target.name.startswith(f"{stem}_"):  # no Label leads there: somebody has removed it
            raise OutputError(f"{missing} Make it, and run the same command again.") from error
        label = str(target).rpartition(f"{stem}_")[2].removesuffix(GZ).removesuffix(".csv") if stem else ""
        raise OutputError(
            f"{missing} What stands before a separator in a group's Label is a folder: take the separator out of the "
            f"Label{f' {label!r}' if label else ''}, or make the folder."
        ) from error


class FileTables:
    """The tables of one file: all of them appear when they are written, none where one cannot be.

    A file that fails in its last table must not leave the first ones behind: it counts as not in the list. Of a file
    that is listed twice, what stands already is left alone: else the ledger would find the tables of the other one
    changed, at every run anew.

    Text is made when digitalmodel saves a table, and never changes afterwards. Where it may wait (`behind_bytes`), the
    tables are those of an `orcabatch.engine.contract.Later` when the block ends: somebody writes or drops them.

    Attributes:
        waits: whether text waits to be written.
        counts: what was done.
        values: numbers whose text was made here, not by pandas.
    """

    def __init__(self, clock: PhaseClock, writing: Writing, *, keep_same: bool = False, stem: str = "") -> None:
        self._clock, self._writing, self._keep_same, self._open = clock, writing, keep_same, ExitStack()
        self._stem = stem
        self._texts: dict[Path, TextBehind] = {}
        self._lock = threading.Lock()
        self._begun = self._dropped = False
        self.waits = False
        self.counts: Counter[str] = Counter()
        self.values = 0
        self._gaps: dict[Path, tuple[Gap, ...]] = {}

    def routed(self) -> AbstractContextManager[None]:
        """Until this block ends, tables that are saved in this thread are of this file."""
        return written_by(self._write)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: Any) -> None:
        if raised[0] is not None:
            self._abandon(*raised)
            return
        behind = [text.kept_bytes for text in self._texts.values() if text.kept_bytes]
        self.counts.update(tables_behind=len(behind), bytes_behind=sum(behind))
        self.waits = bool(behind)
        if self._texts and not self.waits:
            self._clock.enter(Phase.WRITE)
            self._appear()

    def write(self) -> None:
        """Write what waits, and let all tables appear.

        Raises:
            OutputError, OSError: a table cannot be written; none of them is.
        """
        with self._lock:
            self._go_on()
            self._begun = True
        self._appear()

    def _appear(self) -> None:
        """All tables take their names, or none, and only while the run is there."""
        try:
            for target, text in self._texts.items():
                with folder_named(target, self._stem):
                    text.write()
            self._writing.check_held()
        except BaseException as error:
            self._abandon(type(error), error, error.__traceback__)
            raise
        self._open.close()

    def drop(self) -> None:
        """Leave nothing; of tables that are being written, none that has not appeared yet."""
        with self._lock:
            self._dropped = True
            if self._begun:
                return  # whoever writes them stops before the next one takes its name
        error = InterruptedError("the tables were not written")
        self._abandon(InterruptedError, error, None)

    def _go_on(self) -> None:
        if self._dropped:
            raise InterruptedError("the tables are not wanted any more")

    def _abandon(self, *raised: Any) -> None:
        for text in self._texts.values():
            text.drop()
        with suppress(raised[0]):
            self._open.__exit__(*raised)

    def outputs(self, record: Mapping[str, Any] | None) -> tuple[tuple[str, Path], ...]:
        """Label and path of each table; `record` is digitalmodel's, with the names that the files have."""
        groups = record["time_series"]["groups"] if record else []
        labels = {self._writing.start / group["data"]: str(group["label"]) for group in groups}
        return tuple((labels.get(path, ""), path) for path in self._texts)

    def hashes(self) -> tuple[str, ...]:
        """What each table holds, as it will be written, in the order of `outputs`: another program may write there."""
        return tuple(map(_hash, self._texts.values()))

    def gaps(self, record: Mapping[str, Any] | None) -> Iterator[Gap]:
        """Empty cells of the tables that stand; `record` knows which group each belongs to."""
        groups = {path: label for label, path in self.outputs(record)}
        for target, found in self._gaps.items():
            yield from (replace(gap, group=groups[target]) for gap in found)

    def _write(self, target: Path, frame: Any, to_csv: ToCsv) -> None:
        found = tuple(gaps_of("time_series", "", frame))
        self._clock.enter(Phase.WRITE)
        target = self._writing.start / target
        if self._writing.compress:
            target = target.with_name(f"{target.name}{GZ}")
        if target in self._texts:  # of two groups with one label the last one stands
            self._texts[target].drop()
            temporary = self._texts[target].path
        else:
            # Absolute now: whoever changes the working directory before it is written does not move the table.
            opened = atomic_path(target.absolute(), keep_same=self._keep_same, unless=self._go_on)
            temporary = self._open.enter_context(opened)
        self._gaps[target] = found
        text = self._texts[target] = TextBehind(temporary, self._writing.behind_bytes)
        with folder_named(target, self._stem):
            made = to_csv(text, self._writing.block_bytes, self._writing.reuse)
            self.counts.update(text_pieces=made.pieces, text_buffers=made.buffers)
            self.values += made.values
            if self._writing.compress:
                text.compress(_compressed)
        self._clock.enter(Phase.EXTRACT)


def _hash(text: TextBehind) -> str:
    """Of what it holds; what is on the disk, a scanner may look at just then."""
    return hash_of_text(text.kept) if text.kept else patiently(lambda: fingerprint(text.path)).head_tail_hash


def _compressed(content: bytes) -> bytes:
    """A compressed form without a time stamp, so that the same text gives the same bytes."""
    return gzip.compress(content, compresslevel=6, mtime=0)


def as_compressed(record: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Digitalmodel's record with the names that the compressed files have."""
    if record is None:
        return None
    groups = [{**group, "data": f"{group['data']}{GZ}"} for group in record["time_series"]["groups"]]
    return {**record, "time_series": {**record["time_series"], "groups": groups}}
