"""Reading the next files before they are asked for.

    offered tasks ── plan order ──> ReadAhead (one thread) ──> page cache, or copies in the staging folder
                                          └── Task.read_from ──> worker

Covers one reader thread that walks ahead of the workers, small files together, and copies of files from slow storage.
Files that are over in milliseconds are not read ahead: that costs more than it saves. Does not cover which file comes
next: the plan's order is a good guess, and a wrong one costs nothing but the reading.

It never delays a file: one that starts is dropped at once, whether it has been read or not, and a copy that is not
complete is not used. Inputs are only read. Copies keep their file's name and modification time, lie in a folder of
their own, and are deleted when their file is done.
"""

from __future__ import annotations

import itertools
import os
import shutil
import stat
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from orcabatch.engine.logs import logger
from orcabatch.engine.unlocked import UNLOCKED
from orcabatch.own_thread import OwnThread
from orcabatch.sleep import awake_s
from orcabatch.win32 import as_opened, new_folder, without_boxes

if TYPE_CHECKING:
    from orcabatch.engine.contract import Task

_log = logger(__name__)

PIECE_BYTES = 1024 * 1024
"""Between two of these it is asked whether the file is still wanted. Smaller: more turns of Python's lock per file.
Larger: a file that has started is read twice for longer."""
TOGETHER_BYTES = 64 * 1024**2
"""Small files are taken together up to this size, beyond the number of files that was asked for. More: the
first of them may have left the page cache before they start. Less: small files start faster than they are read."""
TOGETHER_FILES = 64
"""But no more of them than this: each costs an opening, however small it is."""
LOOK_THROUGH = 4 * TOGETHER_FILES
"""Of the tasks in plan order so many are looked at, those that have started out of turn included."""
SHORT_S = 0.003
"""Files that take less than this, the reading included, are not read ahead. More: what a disk or share makes them wait
stays. Less: reading a file ahead, a quarter of a millisecond of CPU, is what a batch of short ones is busy with."""
LAST_FILES = 8
"""How many files tell, the last ones: fewer, and one that met a busy moment decides; more, and it is seen late where
short ones are followed by long ones."""
ENDING_S = 2.0
"""How long the thread may take to end. Shorter: a copy that it is about to make stays. Longer: the end of a run waits
for a share that is gone."""
ROOM_FOR_COPIES = 2
"""A file is copied where this many times its size is free: the folder is others' too, and must not be filled."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What was done ahead.

    Attributes:
        files: read or copied to their end before they were started.
        dropped: started before that.
        read_bytes: read ahead, those of dropped files included.
    """

    files: int = 0
    dropped: int = 0
    read_bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Read:
    """A file that was read: its copy, if there is one, and the seconds that it took."""

    copy: Path | None
    seconds: float


class _DroppedError(Exception):
    """The file was started, or is no longer among the next ones."""


class ReadAhead:
    """Walks ahead of the workers. All calls come from the dispatcher's thread.

    Args:
        depth: how many files to be ahead; small ones count together. 0: one, where copies are made, else nothing is
            read ahead.
        stage_in: where copies go; None: files are read, not copied.
        say: told, once, where files are not read ahead and why.

    Attributes:
        is_wanted: whether anything is read ahead.
    """

    def __init__(self, depth: int, stage_in: Path | None = None, say: Callable[[str], None] = _log.warning) -> None:
        self.is_wanted = bool(depth or stage_in)
        self._depth = max(1, depth)
        self._stage_in = stage_in
        self._say = say
        self._folder: Path | None = None
        self._order: deque[Task] = deque()
        self._waiting: dict[int, Task] = {}
        self._changed = threading.Condition()
        self._wished: dict[int, Task] = {}
        self._done: dict[int, _Read] = {}
        self._began_s: float | None = None
        self._took: deque[float] = deque(maxlen=LAST_FILES)
        self._closed = not self.is_wanted
        self._thread: threading.Thread | None = None
        self._buffer: memoryview | None = None  # the thread's own, as are the two that follow
        self._files = self._read_bytes = 0
        self._dropped = 0  # written by the dispatcher alone

    @property
    def counts(self) -> Counts:
        """What was done ahead so far."""
        return Counts(self._files, self._dropped, self._read_bytes)

    def offered(self, task: Task) -> None:
        """The task waits from now on."""
        if not self._closed:
            self._order.append(task)
            self._waiting[task.index] = task

    def started(self, task: Task) -> Task:
        """The task starts now; it reads from its copy where there is a complete one."""
        self._waiting.pop(task.index, None)
        self._began_s = awake_s() if self._began_s is None else self._began_s
        with self._changed:
            self._dropped += self._wished.pop(task.index, None) is not None and task.index not in self._done
            read = self._done.get(task.index)
        return task if read is None or read.copy is None else replace(task, read_from=read.copy)

    def ended(self, index: int, took_s: float | None = None) -> None:
        """Nobody reads the task's copy any more; it took its worker so long, where that is known."""
        with self._changed:
            read = self._done.pop(index, None)
            if took_s is not None:
                self._took.append(took_s + (read.seconds if read else 0.0))
        if read is not None and read.copy is not None:
            _remove(read.copy.parent)

    def walk(self) -> None:
        """Look at what comes next; starts the thread at the first call that finds something."""
        if self._closed or self._pays_in_s() is None:
            return
        wished = {task.index: task for task in self._upcoming()}
        with self._changed:
            self._wished = wished
            self._changed.notify()
        if wished and self._thread is None:
            self._begin()

    def _begin(self) -> None:
        thread = OwnThread(self._run, "orcabatch-read-ahead")
        try:
            thread.start()
        except RuntimeError as error:
            self._closed = True
            self._say(f"files are not read ahead: {error}")
            return
        self._thread = thread

    def close(self) -> None:
        """End the thread and remove all copies."""
        with self._changed:
            self._closed = True
            self._wished = {}
            self._changed.notify()
        if self._thread is not None:
            # It may hang in a share that is gone. Nothing of it is needed any more.
            self._thread.join(ENDING_S)
        if self._folder is not None:
            _remove(self._folder)

    # --- what comes next ---

    def _pays_in_s(self) -> float | None:
        """When reading ahead begins to pay; None: not as long as files are as short as the last ones."""
        if self._stage_in is not None or self._began_s is None:
            return 0.0
        if not self._took:  # the first files are under way: those that are short are over in a moment
            return max(0.0, self._began_s + SHORT_S - awake_s())
        return 0.0 if median(self._took) >= SHORT_S else None

    def _upcoming(self) -> Iterator[Task]:
        while self._order and self._order[0].index not in self._waiting:
            self._order.popleft()
        size = count = 0
        for task in itertools.islice(self._order, LOOK_THROUGH):
            if task.index not in self._waiting:
                continue
            if count >= self._depth and (size + task.size_bytes > TOGETHER_BYTES or count >= TOGETHER_FILES):
                return
            size, count = size + task.size_bytes, count + 1
            yield task

    # --- on the thread ---

    def _run(self) -> None:
        while (task := self._next()) is not None:
            began_s = awake_s()
            try:
                with without_boxes():
                    path = self._fetch(task)
            except _DroppedError:
                continue
            # The worker will meet it too, and say so; a full disk only means no copy.
            except (OSError, MemoryError) as error:
                _log.info("%s was not read ahead: %s", task.file, error)
                path = None
            self._keep(task, path, awake_s() - began_s)

    def _keep(self, task: Task, path: Path | None, took_s: float) -> None:
        with self._changed:
            kept = task.index in self._wished
            if kept:
                self._done[task.index] = _Read(path, took_s)
                self._files += 1
        if not kept and path is not None:
            _remove(path.parent)

    def _next(self) -> Task | None:
        with self._changed:
            while not self._closed:
                pays_in_s = self._pays_in_s()
                for index, task in self._wished.items() if pays_in_s == 0.0 else ():
                    if index not in self._done:
                        return task
                self._changed.wait(pays_in_s or None)
        return None

    def _pieces(self, task: Task) -> Iterator[memoryview]:
        """The file in pieces.

        Raises:
            _DroppedError: it is no longer wished for.
            OSError: it cannot be read.
        """
        # Opening a named pipe waits for somebody to write to it, who never comes.
        opened = as_opened(task.file)
        if not stat.S_ISREG(opened.stat().st_mode):
            raise OSError("it is no ordinary file")
        buffer = self._buffer = self._buffer or memoryview(bytearray(PIECE_BYTES))
        with opened.open("rb", buffering=0) as file:
            if sys.platform == "linux":
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
            while count := _read_into(file, buffer):
                self._read_bytes += count
                yield buffer[:count]
                if task.index not in self._wished:
                    raise _DroppedError

    def _fetch(self, task: Task) -> Path | None:
        """Read the file, or copy it; the copy, if there is one."""
        if self._stage_in is None:
            for _ in self._pieces(task):
                pass
            return None
        if self._folder is None:
            self._folder = new_folder(self._stage_in, "run-")
        if shutil.disk_usage(self._folder).free < ROOM_FOR_COPIES * task.size_bytes:
            return None
        folder = self._folder / str(task.index)
        folder.mkdir(exist_ok=True)
        target = folder / task.file.name
        try:
            with target.open("wb") as copy:
                for piece in self._pieces(task):
                    copy.write(piece)
            # Not its mode: Windows refuses to delete a copy that is as write-protected as its original.
            status = as_opened(task.file).stat()
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        except BaseException:  # half a copy is of no use, and takes up the disk
            _remove(folder)
            raise
        return target


def _read_into(file: Any, buffer: memoryview) -> int:
    with UNLOCKED.here():  # what the system copies meanwhile is a core's work, and nobody's Python
        return int(file.readinto(buffer) or 0)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
