"""Looking at files from a thread that may be left behind: a share that is gone does not answer, and does not say no.

Covers one look at a time, and places that did not answer: they are not asked again. Does not cover what is looked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from orcabatch.console import awaited, awaited_end
from orcabatch.own_thread import OwnThread
from orcabatch.sleep import awake_s

T = TypeVar("T")

SILENT_S = 10.0
"""How long a place may take to answer. Shorter: a share that wakes up counts as gone, and what is computed from it is
done again by the next run. Longer: one that is gone holds up who asks, once."""


class Lookout:
    """Looks at files on a thread of its own; on the caller's where the system gives none.

    Args:
        silent: told, once for each, which folder does not answer.
    """

    def __init__(self, silent: Callable[[Path], None]) -> None:
        self._tell = silent
        self._silent: set[Path] = set()
        self._eye: _Eye | None = None

    def at(self, file: Path, look: Callable[[Path], T], otherwise: T) -> T:
        """What the look at the file says; `otherwise` where its folder does not answer."""
        if file.parent in self._silent:
            return otherwise
        try:
            self._eye = self._eye or _Eye()
        except RuntimeError:  # no thread
            return look(file)
        try:
            seen: T = self._eye.look(look, file)
        except Empty:
            self._eye.close()
            self._eye = None
            self._silent.add(file.parent)
            self._tell(file.parent)
            return otherwise
        return seen

    def close(self) -> None:
        """Look no more."""
        if self._eye is not None:
            self._eye.close()
            awaited_end(self._eye.thread)
            self._eye = None


class _Eye:
    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[Callable[[Path], Any], Path] | None] = SimpleQueue()
        self._seen: SimpleQueue[Any] = SimpleQueue()
        self.thread = OwnThread(self._live, "orcabatch-lookout")
        self.thread.start()

    def look(self, look: Callable[[Path], Any], file: Path) -> Any:
        """What it sees.

        Raises:
            Empty: it does not come back.
        """
        self._asked.put((look, file))
        seen = awaited(lambda piece_s: self._seen.get(timeout=piece_s), awake_s() + SILENT_S)
        if isinstance(seen, BaseException):
            raise seen
        return seen

    def close(self) -> None:
        """Let it end, when it comes back."""
        self._asked.put(None)

    def _live(self) -> None:
        while (asked := self._asked.get()) is not None:
            look, file = asked
            try:
                seen = look(file)
            except BaseException as error:  # noqa: BLE001 - raised again, where it was asked for
                seen = error
            self._seen.put(seen)
