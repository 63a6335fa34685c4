"""Where digitalmodel's tables meet the disk.

digitalmodel ends each table with `frame.to_csv(name)`. Here is a frame that asks, at that moment and in that thread,
whether somebody wants to do the writing (enter the phase `write`, write beside the target and rename), and else writes
as ever. The text is pandas' own, or the same made faster (`orcabatch.digitalmodel.csv_text`). Does not cover which
names are written: they are digitalmodel's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from orcabatch.digitalmodel.csv_text import Text, write_csv
from orcabatch.store.write_behind import TextBehind

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
