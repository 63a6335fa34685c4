"""`LedgerStore`: results and facts by key, checked on reading, bounded in size; and the history of every file.

    put, add_history ──> waiting ── commit ──> one transaction ──> WAL ── flusher ──> disk
                            └── commit_soon: files that end in a burst share a transaction
    get ──> checksum ──> payload, or None

One connection, used by one run. Two runs may use one file: SQLite serialises their transactions, which last
milliseconds; what cannot be written now waits for the next commit. An error of SQLite's is one of these: somebody else
is writing (wait; not as long again while it lasts), the file cannot be used now (leave it alone, keep trying), the file
is damaged (set it aside, begin anew; a run that had the same file open follows to the new one). Each is said once. A
row that is larger than any that is written, or unpacks to more, answers nothing.
"""

from __future__ import annotations

import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.sleep import awake_s
from orcabatch.store.atomic import patiently
from orcabatch.store.ledger import rows, schema
from orcabatch.store.ledger.flusher import Flusher
from orcabatch.store.ledger.interface import Entry, FileHistory, NoLedger, Past
from orcabatch.store.ledger.location import DAMAGED, ledger_file, network_share

if TYPE_CHECKING:
    from orcabatch.store.ledger.interface import LedgerStore

BUSY_S = 10.0
"""How long a transaction waits for another run's... Shorter: results are held back, and perhaps lost, because two runs
met. Longer: a batch stands still before it is known that somebody holds the file."""
BRIEFLY_S = 0.05
"""... and once one has waited in vain, until one succeeds: the batch waits with it, at each commit. Shorter: it never
meets the moment in which the other lets go."""
KEPT_BYTES = 64_000_000
"""How much may wait in memory while the file cannot be written. Less: results are computed again by the next run. More:
it is memory that models were promised."""
EMPTY_TO = 0.8
"""Once above its size, the ledger forgets until it is this share of it. More: it has to forget again soon. Less:
results are lost for room that nobody needs yet."""
LEAST_LOOK_BYTES, LOOKS = 1_000_000, 20
"""Its size is looked at when more than both was written, so many bytes and this part of what it may have. Later: it
stands above its size by as much. Sooner: most commits look, and forget a few results at a time."""
ONE_OF = 4
"""One result may take this part of the ledger at most: more, and it would drive out most others."""
ROW_BYTES_BESIDE = 200
"""What a row takes beside its content, about."""
COMMITTING = 0.01
"""Share of the time that commits may take, where files end faster than that one by one... More: files of milliseconds
wait for them. Less: a kill costs more of what was just computed."""
GROUP_S = 1.0
"""... but no result waits longer, however slow the disk is: so much is what a kill may cost."""
RETRY_S = 0.02
"""Between two tries to open a file whose log another run is making just now, which takes moments."""

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_ROW = {sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR}
"""The last is what a file of other tables answers. What is in none of these sets says nothing against the file."""
_SHORT_READ = 522
"""Of the family of input errors, but what it says is that the file ends too early: it is damaged."""
_OLDEST = "SELECT rowid, length(payload) FROM entries WHERE kind NOT IN ('learned', 'hints') ORDER BY rowid"
_DELETE_TO = "DELETE FROM entries WHERE rowid <= ? AND kind NOT IN ('learned', 'hints')"
"""What was learned from earlier runs is small, and stays as the history does."""


def open_ledger(asked: str | os.PathLike[str] | None, *, max_bytes: int, warn: Callable[[str], None]) -> LedgerStore:
    """The ledger in `asked`, made where there is none. Never raises: what cannot be used is left out and said.

    Args:
        asked: see `orcabatch.store.ledger.location.ledger_file`.
        max_bytes: above this the oldest results are forgotten.
        warn: told, once each, what the engineer should know.
    """
    try:
        file = ledger_file(asked)
    except OSError as error:
        warn(f"The ledger is not used: {error}. {_HINT}")
        return NoLedger()
    share = network_share(file)
    if share:
        warn(
            f"The ledger is not used: {file.parent} is on a network share ({share}), where it would not be safe. "
            "Set `ledger: {path: ...}` to a folder on a local disk, so that runs resume."
        )
        return NoLedger()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        warn(f"The ledger is not used: {file.parent} cannot be made ({error.strerror or error}). {_HINT}")
        return NoLedger()
    book = SqliteLedger(file, max_bytes, warn)
    return book if book.remembers else NoLedger()


_HINT = "What cannot be kept is computed again by the next run; `ledger: {path: ...}` chooses another place."


class _Trouble(Enum):
    """What an error of SQLite's means."""

    BUSY = "another run is writing to it"
    UNUSABLE = "it cannot be read or written"
    ROW = "a row is larger than any that is written"
    DAMAGED = "it is damaged"


class SqliteLedger:
    """The ledger over SQLite. Use `open_ledger`."""

    def __init__(self, file: Path, max_bytes: int, warn: Callable[[str], None]) -> None:
        self._file, self._max_bytes, self._warn = file, max_bytes, warn
        self._guard = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._flusher: Flusher | None = None
        self._entries: dict[bytes, Entry] = {}
        self._gone: set[bytes] = set()
        self._runs: list[FileHistory] = []
        self._waiting_bytes, self._written_bytes, self._lost = 0, 0, 0
        self._said: set[str] = set()
        self._identity: tuple[int, int] | None = None
        self._brief = False
        self._group_ends = 0.0
        self._guarded(self._open)
        if self.remembers:
            self._make_room()

    @property
    def remembers(self) -> bool:
        """Whether the file is open."""
        return self._connection is not None

    # --- reading

    def get(self, key: bytes) -> bytes | None:
        """What was kept under the key; None where nothing was, or it is damaged."""
        with self._guard:
            # What waits is newer than what the file has.
            waiting = self._entries.get(key)
            if waiting is not None or key in self._gone:
                return None if waiting is None else waiting.payload
            row = self._guarded(lambda: self._one(rows.GET, key))
        return None if row is None else rows.payload_of(key, row)

    def labels(self, file: str) -> frozenset[str]:
        """What was computed for the file at some time."""
        query = "SELECT DISTINCT label FROM entries WHERE file = ? AND kind = 'result'"
        with self._guard:
            found = self._guarded(lambda: self._all(query, file)) or []
        return frozenset(str(row[0]) for row in found)

    def latest(self, file: str, label: str) -> bytes | None:
        """The result that was kept last for the file, whatever it depended on."""
        with self._guard:
            row = self._guarded(lambda: self._one(rows.LATEST, file, label))
        return None if row is None else rows.payload_of(row[0], row[1:])

    def past(self, file: str, labels: Sequence[str]) -> Past | None:
        """What the history tells about the file, for the first of the labels that it knows."""
        with self._guard:
            for label in labels:
                row = self._guarded(partial(self._one, rows.PAST, file, label))
                past = None if row is None else rows.past_of(row)
                if past is not None:
                    return past
        return None

    # --- writing

    @property
    def most_bytes(self) -> int:
        """A row's largest content; less in a small ledger, which one result must not fill alone."""
        return min(schema.ROW_BYTES, self._max_bytes // ONE_OF)

    def put(self, entry: Entry) -> bool:
        """Keep it with the next commit; False where it is larger than `most_bytes`, and nothing is kept."""
        if len(entry.payload) > self.most_bytes:
            return False
        with self._guard:
            self._waiting_bytes += len(entry.payload)
            self._entries[entry.key] = entry
        return True

    def add_history(self, run: FileHistory) -> None:
        """Add a run to the history with the next commit; one that nobody can have measured is left out."""
        if math.isfinite(run.seconds):
            with self._guard:
                self._runs.append(run)

    def forget(self, keys: Iterable[bytes]) -> None:
        """Do not answer these keys again; the file forgets them now, or with the next commit that it can take."""
        gone = set(keys)
        if not gone:
            return  # what else waits is not worth a wait for who holds the file
        with self._guard:
            for key in gone:
                self._entries.pop(key, None)
            self._gone |= gone
            self.commit()

    def commit(self) -> None:
        """Write what waits, in one transaction; what cannot be written now waits for the next one."""
        with self._guard:
            if not (self._entries or self._gone or self._runs):
                return
            # In a file that was set aside nobody would find it.
            self._follow()
            connection, done = self._connection, self._guarded(self._write)
            # It was found damaged and a new one begun meanwhile: what waits belongs there.
            if done is None and self._connection is not connection:
                done = self._guarded(self._write)
            # A file that cannot be written must not fill the memory that models need; what is lost is computed again.
            if done is None and self._waiting_bytes > KEPT_BYTES:
                self._lost += len(self._entries)
                self._drop_waiting()
            elif done and self._written_bytes > max(LEAST_LOOK_BYTES, self._max_bytes // LOOKS):
                self._make_room()

    def commit_soon(self) -> None:
        """Write what waits within a second: at once, or together with what comes in the next moments."""
        with self._guard:
            now, before = awake_s(), time.thread_time()
            if now < self._group_ends and self._flusher is not None and self._flusher.commit_at(self._group_ends):
                return
            self.commit()
            # In CPU time: on a busy machine a commit lasts longer, and results need not wait longer for that.
            self._group_ends = awake_s() + min(GROUP_S, (time.thread_time() - before) / COMMITTING)

    def _commit_group(self) -> bool:
        """By the flusher's thread, which does not wait for who holds the ledger: he may be waiting for its end."""
        if not self._guard.acquire(blocking=False):
            return False
        try:
            self.commit()
        finally:
            self._guard.release()
        return True

    def close(self) -> None:
        """Write what waits, let go of the file."""
        with self._guard:
            # The last chance for what waits is worth the whole wait.
            self._wait_briefly(False)
            self.commit()
            if self._gone:
                self._say(
                    f"{len(self._gone)} results that do not hold any more could not be taken out of the ledger "
                    f"{self._file}: give the next run `fresh` (--fresh), which computes all files again."
                )
            self._lost += len(self._entries)
            if self._lost:
                self._say(
                    f"{self._lost} results could not be kept in the ledger {self._file}: the next run does them again."
                )
            self._make_room()
            self._disconnect()

    # --- the file

    def _open(self) -> bool:
        self._identity = _identity(self._file)
        self._connection = _connected(self._file)
        # What stood there before counts: a file that another run put there since is noticed by `_replaced`.
        self._identity, self._brief = self._identity or _identity(self._file), False
        self._flusher = Flusher(self._file.with_name(f"{self._file.name}-wal"), self._commit_group)
        return True

    def _disconnect(self) -> None:
        if self._flusher is not None:
            self._flusher.close()
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = self._flusher = None

    def _guarded(self, action: Callable[[], Any]) -> Any:
        """Do it; None where the ledger cannot do it, which is said."""
        if self._connection is None and action != self._open:
            return None
        try:
            return action()
        except schema.NewerLedger as error:
            self._say(f"The ledger {self._file} was made by a newer orcabatch (version {error}). {_HINT}")
        except (sqlite3.Error, sqlite3.Warning, ArithmeticError, MemoryError, OSError, ValueError) as error:
            self._roll_back()
            trouble = _trouble(error)
            if trouble is _Trouble.ROW and self._connection is not None:
                return None  # it answers nothing, as any row that is not what was written
            # While opening there is no row to leave out: then the file as a whole is of no use.
            if trouble in {_Trouble.ROW, _Trouble.DAMAGED}:
                self._set_aside(error)
            elif trouble is _Trouble.BUSY and self._connection is not None:
                if not self._brief:
                    self._wait_briefly(True)
                    self._say(
                        f"The ledger {self._file} has been held by another program for {BUSY_S:g} s: results wait in "
                        "memory until it lets go. Close what has the file open, or they are computed again by the next "
                        "run."
                    )
            elif trouble is _Trouble.UNUSABLE or self._connection is None:
                self._say(f"The ledger {self._file} cannot be used now: {trouble.value} ({error}). {_HINT}")
        return None

    def _roll_back(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

    def _wait_briefly(self, brief: bool) -> None:
        if brief is not self._brief and self._connection is not None:
            self._connection.execute(f"PRAGMA busy_timeout = {1000 * (BRIEFLY_S if brief else BUSY_S):.0f}")
            self._brief = brief

    def _make_room(self) -> None:
        """Bound the file, unless somebody else is writing to it: it can be done another time."""
        before = self._brief
        self._wait_briefly(True)
        self._guarded(self._bound)
        self._wait_briefly(before)

    def _follow(self) -> None:
        """Go over to the file that is there now, where another run has set aside the one that this run had open."""
        if self._connection is not None and self._replaced():
            self._disconnect()
            self._go_over()

    def _replaced(self) -> bool:
        return _identity(self._file) != self._identity

    def _go_over(self) -> None:
        self._say(
            f"The ledger {self._file} was moved or removed while this run used it, as another run does with a damaged "
            "one: results go to the one that is there now."
        )
        self._guarded(self._open)

    def _set_aside(self, error: Exception) -> None:
        """Begin anew beside the damaged file; only the latest damaged one is kept."""
        self._disconnect()
        # Another run was faster: what stands there now is the new one that it has begun.
        if self._replaced():
            self._go_over()
            return
        aside = self._file.with_name(f"{self._file.name}{DAMAGED}")
        try:
            patiently(lambda: os.replace(self._file, aside))  # noqa: PTH105 - also over an older one, on every platform
            # The log belongs to the damaged file: SQLite would play it into the new one of that name.
            for suffix in ("-wal", "-shm"):
                patiently(partial(self._file.with_name(f"{self._file.name}{suffix}").unlink, missing_ok=True))
        except OSError as failed:
            self._say(f"The ledger {self._file} is damaged ({error}) and cannot be moved away ({failed}). {_HINT}")
            return
        self._say(
            f"The ledger {self._file} was damaged ({error}). It is kept as {aside.name} and a new one is begun: "
            "results of earlier runs are computed again."
        )
        try:
            self._open()
        except (sqlite3.Error, schema.NewerLedger, UnicodeDecodeError) as failed:
            self._say(f"No new ledger can be begun at {self._file} ({failed}). {_HINT}")

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._warn(text)

    # --- statements; each may raise sqlite3.Error

    def _cursor(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.ProgrammingError("it is closed")
        return self._connection

    def _one(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        with closing(self._cursor().execute(query, rows.sqlite_values(values))) as answer:
            row: tuple[Any, ...] | None = answer.fetchone()
            return row

    def _all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(self._cursor().execute(query, rows.sqlite_values(values))) as answer:
            return list(answer)

    def _write(self) -> bool:
        now, connection = time.time(), self._cursor()
        # The lock is taken at once: whoever has to wait for it does so before the first row.
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("DELETE FROM entries WHERE key = ?", [(key,) for key in self._gone])
        connection.executemany(rows.PUT, [rows.entry_row(entry, now) for entry in self._entries.values()])
        connection.executemany(rows.ADD, [rows.history_row(run, now) for run in self._runs])
        # Written, so nobody holds the file any more.
        connection.execute("COMMIT")
        self._wait_briefly(False)
        self._written_bytes += self._waiting_bytes
        self._gone.clear()
        self._drop_waiting()
        self._flush()
        return True

    def _drop_waiting(self) -> None:
        self._entries.clear()
        self._runs.clear()
        self._waiting_bytes = 0

    def _flush(self) -> None:
        if self._flusher is not None:
            self._flusher.tell()

    def _bound(self) -> bool:
        """Forget the oldest results until the file is small enough, and give the room back."""
        self._written_bytes = 0
        connection = self._cursor()
        page = int(connection.execute("PRAGMA page_size").fetchone()[0])
        while (used := self._used_pages() * page) > self._max_bytes:
            goal = int(self._max_bytes * EMPTY_TO)
            # What is left may not be forgotten, or is the history, which stays.
            if not self._forget_oldest(used - goal):
                break
        connection.executescript("PRAGMA incremental_vacuum")  # execute() would free one page only
        return True

    def _used_pages(self) -> int:
        connection = self._cursor()
        total = int(connection.execute("PRAGMA page_count").fetchone()[0])
        return total - int(connection.execute("PRAGMA freelist_count").fetchone()[0])

    def _forget_oldest(self, bytes_: int) -> int:
        """Forget about so many bytes of results, in the order in which they came; returns how many results."""
        freed, last = 0, None
        with closing(self._cursor().execute(_OLDEST)) as oldest:
            for row, length in oldest:
                freed, last = freed + int(length or 0) + ROW_BYTES_BESIDE, row
                if freed >= bytes_:
                    break
        if last is None:
            return 0
        with closing(self._cursor().execute(_DELETE_TO, (last,))) as deleted:
            return deleted.rowcount


def _connected(file: Path) -> sqlite3.Connection:
    """A connection to the file, brought up to date.

    Making the log is the one step that SQLite does not wait with while another run does the same; so it is tried again.
    """
    until = awake_s() + BUSY_S
    while True:
        connection = sqlite3.connect(file, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            schema.configure(connection)
            schema.prepare(connection)
            connection.execute("SELECT key FROM entries LIMIT 1").fetchone()
        except BaseException as error:
            connection.close()
            if _trouble(error) is not _Trouble.BUSY or awake_s() > until:
                raise
            time.sleep(RETRY_S)
        else:
            return connection


def _identity(file: Path) -> tuple[int, int] | None:
    """Which file this is, wherever it is moved; None where there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _trouble(error: BaseException) -> _Trouble:
    # What cannot be spelled for SQLite, or not be reached, is no damage.
    if isinstance(error, ValueError | OSError | MemoryError) and not isinstance(error, UnicodeDecodeError):
        return _Trouble.UNUSABLE
    if isinstance(error, OverflowError):
        return _Trouble.ROW
    # Without a code it is Python that could not read what stands there. The low byte is an extended code's family.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    if code & 0xFF in _BUSY:
        return _Trouble.BUSY
    if code & 0xFF in _ROW:
        return _Trouble.ROW
    return _Trouble.DAMAGED if code & 0xFF in _DAMAGED or code == _SHORT_READ else _Trouble.UNUSABLE
