"""The ledger: what it keeps, what it forgets, and that nothing wrong with its file does harm."""

from __future__ import annotations

import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest

from capabilities import needs
from orcabatch.store.atomic import patiently
from orcabatch.store.ledger import (
    Entry,
    FileHistory,
    NoLedger,
    describe_ledger,
    flusher,
    has_ledger,
    ledger_file,
    location,
    network_share,
    open_ledger,
    rows,
    schema,
)
from orcabatch.store.ledger import sqlite_ledger as book_module

LARGE = 2_000_000_000


@pytest.fixture
def warned():
    return []


@pytest.fixture
def opened(tmp_path, warned):
    """Opens ledgers on one file; closes what the test left open."""
    books = []

    def use(file=None, max_bytes=LARGE):
        books.append(open_ledger(file or tmp_path / "ledger.db", max_bytes=max_bytes, warn=warned.append))
        return books[-1]

    yield use
    for book in books:
        book.close()


def entry(number, payload=None, file="a.sim", label="summary"):
    content = payload if payload is not None else f"result {number}".encode()
    return Entry(number.to_bytes(16, "big"), "result", file, label, content)


def keys(count):
    return [number.to_bytes(16, "big") for number in range(count)]


def test_what_was_committed_is_there_for_the_next_run(opened):
    """Results come back byte for byte; a key that was never given answers nothing."""
    book = opened()
    book.put(entry(1, b"\0\xff" * 1000))
    book.commit()
    again = opened()
    assert again.get((1).to_bytes(16, "big")) == b"\0\xff" * 1000
    assert again.get((2).to_bytes(16, "big")) is None
    assert again.labels("a.sim") == {"summary"}
    assert again.labels("b.sim") == frozenset()


def test_the_result_that_came_last_tells_what_it_depended_on(opened):
    """Whatever its key: of one file, by the order in which results were kept."""
    book = opened()
    assert book.latest("a.sim", "summary") is None
    for number in (2, 1):
        book.put(entry(number))
        book.commit()
    assert book.latest("a.sim", "summary") == b"result 1"
    assert book.latest("b.sim", "summary") is None


def test_what_waits_for_the_commit_answers_already(opened):
    """A result that was just put is not computed again in the same run."""
    book = opened()
    book.put(entry(1))
    assert book.get((1).to_bytes(16, "big")) == b"result 1"


def test_results_that_come_in_a_burst_share_transactions_and_none_waits_for_the_next(opened, monkeypatch):
    """The first is written at once, the rest by whoever is there first: the next one, the moment, or the end."""
    monkeypatch.setattr(book_module, "COMMITTING", 1e-9)  # as if a commit took long: the longest group
    monkeypatch.setattr(book_module, "GROUP_S", 0.3)
    book, written = opened(), []
    write = book._write
    monkeypatch.setattr(book, "_write", lambda: written.append(len(book._entries)) or write())
    for number in range(50):
        book.put(entry(number))
        book.commit_soon()
    assert written[0] == 1
    again = opened()
    assert again.get(keys(1)[0]) == b"result 0"
    waited = time.monotonic() + 10
    while again.get(keys(50)[-1]) is None:  # nothing comes after it, and nobody commits
        assert time.monotonic() < waited
    assert len(written) <= 3


def test_a_group_does_not_wait_for_a_disk_that_takes_its_time(opened, monkeypatch):
    """While the log is flushed, for seconds on a busy disk, results go into it all the same, at their moment."""
    monkeypatch.setattr(book_module, "COMMITTING", 1e-9)
    monkeypatch.setattr(book_module, "GROUP_S", 0.1)
    flushes, may_end = threading.Event(), threading.Event()
    monkeypatch.setattr(flusher.os, "fsync", lambda _: flushes.set() or may_end.wait(60))
    book, again = opened(), opened()
    try:
        book.put(entry(0))
        book.commit_soon()
        assert flushes.wait(60)
        book.put(entry(1))
        book.commit_soon()
        waited = time.monotonic() + 10
        while again.get(keys(2)[1]) is None:
            assert time.monotonic() < waited
    finally:
        may_end.set()


def test_the_last_flush_is_not_left_out_while_another_is_under_way(tmp_path, monkeypatch):
    """What was committed meanwhile is flushed too, before the ledger is let go of."""
    log, flushed = tmp_path / "log", []
    log.write_bytes(b"")
    flushes, may_end = threading.Event(), threading.Event()
    monkeypatch.setattr(flusher.os, "fsync", lambda _: flushed.append(flushes.set()) or may_end.wait(60))
    made = flusher.Flusher(log, lambda: True)
    made.tell()
    assert flushes.wait(60)
    made.tell()
    ending = threading.Thread(target=made.close)
    ending.start()
    while not made._flushing._ending:
        pass
    may_end.set()
    ending.join(60)
    assert len(flushed) == 2


def test_what_still_waits_for_its_group_is_written_at_the_end(opened, monkeypatch):
    """Letting go of the ledger does not wait for the moment, nor for the thread that would have written it."""
    monkeypatch.setattr(book_module, "COMMITTING", 1e-9)
    book = opened()
    for number in range(2):
        book.put(entry(number))
        book.commit_soon()
    assert opened().get(keys(2)[1]) is None
    book.close()
    assert opened().get(keys(2)[1]) == b"result 1"


def test_without_threads_each_result_is_written_as_it_comes(opened, monkeypatch):
    """A machine that has no thread left: nobody would write it at its moment, nor flush it."""
    monkeypatch.setattr(flusher.threading.Thread, "start", no_thread)
    monkeypatch.setattr(book_module, "COMMITTING", 1e-9)
    flushed = []
    monkeypatch.setattr(flusher.os, "fsync", flushed.append)
    book = opened()
    for number in range(2):
        book.put(entry(number))
        book.commit_soon()
    assert opened().get(keys(2)[1]) == b"result 1"
    assert len(flushed) == 2


def test_forgotten_keys_answer_nothing(opened):
    """Also those that were not written yet."""
    book = opened()
    book.put(entry(1))
    book.commit()
    book.put(entry(2))
    book.forget(keys(3))
    book.commit()
    assert [book.get(key) for key in keys(3)] == [None] * 3


def test_the_history_keeps_latest_and_fastest_and_outlives_results(opened):
    """Memory that was not measured does not erase what was."""
    book = opened()
    for seconds, factor in ((4.0, 1.2), (2.0, None), (3.0, None)):
        book.add_history(FileHistory("a.sim", "real:dm", 100, seconds, factor))
        book.commit()
    book.forget(keys(5))
    past = opened().past("a.sim", ["other", "real:dm"])
    assert past is not None
    assert (past.seconds, past.least_seconds, past.memory_factor, past.runs) == (3.0, 2.0, 1.2, 3)
    assert opened().past("a.sim", ["simulated:dm"]) is None


def test_above_its_size_the_oldest_results_go_and_the_history_stays(opened, tmp_path):
    """The newest results are there, the oldest are not, the file is no larger than allowed, nothing was said."""
    book = opened(max_bytes=3_000_000)
    book.put(Entry(b"learned", "learned", "", "dm", b"start with 12"))
    noise = random.Random(1)
    for number in range(100):
        book.put(entry(number, noise.randbytes(100_000)))
        book.add_history(FileHistory(f"{number}.sim", "dm", 1, 1.0))
        book.commit()
    book.close()
    assert (tmp_path / "ledger.db").stat().st_size <= 3_200_000
    again = opened(max_bytes=3_000_000)
    there = [again.get(key) is not None for key in keys(100)]
    assert there[-15:] == [True] * 15
    assert not any(there[:60])
    assert all(again.past(f"{number}.sim", ["dm"]) for number in range(100))
    assert again.get(b"learned") == b"start with 12"


def test_a_result_that_would_fill_the_ledger_alone_is_not_kept(opened):
    """It would drive out everything else; whoever gave it is told."""
    book = opened(max_bytes=4_000_000)
    assert book.most_bytes == 1_000_000
    assert not book.put(entry(1, bytes(2_000_000)))
    assert book.put(entry(2, bytes(1_000_000)))
    book.commit()
    assert [book.get(key) is not None for key in keys(3)] == [False, False, True]


def test_a_result_larger_than_a_row_is_refused_and_throws_nothing_away(opened, monkeypatch, warned, tmp_path):
    """However large the ledger may be: SQLite would call it an error, and that is no damage."""
    monkeypatch.setattr(schema, "ROW_BYTES", 10_000)
    book = opened()
    assert book.put(entry(1, bytes(10_000)))
    assert not book.put(entry(2, bytes(10_001)))
    book.close()
    assert [opened().get(key) for key in keys(3)] == [None, bytes(10_000), None]
    assert warned == []
    assert not (tmp_path / "ledger.db.damaged").exists()


def test_what_sqlite_finds_too_large_to_write_is_lost_alone(opened, monkeypatch, warned, tmp_path):
    """The others stay, and so does the ledger."""
    book = opened()
    book.put(entry(1))
    book.commit()
    book._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 5_000)
    book.put(entry(2, random.Random(2).randbytes(10_000)))
    book.close()
    assert [opened().get(key) for key in keys(3)] == [None, b"result 1", None]
    assert ["1 results could not be kept" in text for text in warned] == [True]
    assert not (tmp_path / "ledger.db.damaged").exists()


def test_a_row_too_large_to_read_answers_nothing_and_the_others_do(opened, monkeypatch, warned, tmp_path):
    """Somebody else wrote it: the ledger is not thrown away for it."""
    book = opened()
    book.put(entry(1, random.Random(1).randbytes(10_000)))
    book.put(entry(2))
    book.close()
    monkeypatch.setattr(schema, "_WHOLE_ROW_BYTES", 5_000)
    assert [opened().get(key) for key in keys(3)] == [None, None, b"result 2"]
    assert warned == []
    assert not (tmp_path / "ledger.db.damaged").exists()


def planted(file, packed):
    """Replace what is packed in every row, with a checksum that is right: anybody can work that out."""
    with sqlite3.connect(file) as connection:
        for key, *words in connection.execute("SELECT key, kind, file, label FROM entries").fetchall():
            values = (packed, rows._checksum(key, words, packed), key)
            connection.execute("UPDATE entries SET payload = ?, checksum = ? WHERE key = ?", values)
    connection.close()


def test_a_row_is_not_unpacked_beyond_what_a_row_holds(opened, monkeypatch, tmp_path):
    """100 MB of zeros are 100 kB when packed: reading takes the memory that an honest row may take, and no more."""
    book = opened()
    book.put(entry(1))
    book.close()
    planted(tmp_path / "ledger.db", zlib.compress(bytes(100_000_000)))
    monkeypatch.setattr(schema, "ROW_BYTES", 1_000_000)
    book = opened()
    tracemalloc.start()
    try:
        assert book.get((1).to_bytes(16, "big")) is None
        assert book.latest("a.sim", "summary") is None
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "packed",
    [b"", b"nothing packed", zlib.compress(b"result 1")[:-3], zlib.compress(b"result 1") + b"more"],
    ids=["empty", "not packed", "cut off", "more behind it"],
)
def test_what_cannot_be_unpacked_answers_nothing(opened, tmp_path, packed):
    """Although its checksum is right."""
    book = opened()
    book.put(entry(1))
    book.close()
    planted(tmp_path / "ledger.db", packed)
    assert opened().get((1).to_bytes(16, "big")) is None


def corrupted(file, statement):
    with sqlite3.connect(file) as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entries SET payload = x'00' || payload",
        "UPDATE entries SET payload = 17",
        "UPDATE entries SET payload = zeroblob(20)",
        "UPDATE entries SET key = x'00000000000000000000000000000001', file = 'b.sim'",
        "UPDATE entries SET key = x'00000000000000000000000000000001' WHERE key = x'00000000000000000000000000000002'",
        "UPDATE entries SET label = 'other'",
        "UPDATE entries SET kind = 'fact'",
    ],
)
def test_a_row_that_is_not_what_was_written_answers_nothing(opened, tmp_path, damage):
    """The checksum covers key, file, label and payload: no result of another file is ever given."""
    book = opened()
    book.put(entry(2))
    book.close()
    corrupted(tmp_path / "ledger.db", damage)
    assert opened().get((1).to_bytes(16, "big")) is None
    if "label" in damage or "kind" in damage or "payload" in damage:
        assert opened().get((2).to_bytes(16, "big")) is None


@pytest.mark.parametrize("nonsense", ["-1.0", "9e999", "'soon'", "x'00'"])
def test_nonsense_in_the_history_is_no_history(opened, tmp_path, nonsense):
    """The plan would count with it."""
    book = opened()
    book.add_history(FileHistory("a.sim", "dm", 1, 1.0, 1.5))
    book.close()
    corrupted(tmp_path / "ledger.db", f"UPDATE history SET seconds = {nonsense}")
    assert opened().past("a.sim", ["dm"]) is None


def filled(file, count=60):
    """A ledger with some pages, closed."""
    book = open_ledger(file, max_bytes=LARGE, warn=pytest.fail)
    noise = random.Random(0)
    for number in range(count):
        book.put(entry(number, noise.randbytes(noise.randint(10, 9000)), file=f"{number % 7}.sim"))
        book.add_history(FileHistory(f"{number}.sim", "dm", 1, 1.0, 1.5))
    book.close()
    return file.read_bytes()


FUZZ = textwrap.dedent(
    """
    import random, sys
    from pathlib import Path
    from orcabatch.store.ledger import Entry, FileHistory, describe_ledger, open_ledger
    folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    good, truth = (folder / "good.db").read_bytes(), {}
    noise = random.Random(0)
    for number in range(60):
        truth[number.to_bytes(16, "big")] = noise.randbytes(noise.randint(10, 9000))
    wrong = 0
    for seed in range(first, first + count):
        draw, data = random.Random(seed), bytearray(good)
        kind = draw.randrange(4)
        if kind == 0:
            del data[draw.randrange(len(data)):]
        elif kind == 1:
            begin = draw.randrange(len(data))
            data[begin:begin + draw.randint(1, 5000)] = draw.randbytes(draw.randint(0, 5000))
        else:
            for _ in range(draw.choice([1, 10, 200])):
                place = draw.randrange(draw.choice([100, 4096, len(data)]))
                data[place] = draw.randrange(256)
        for old in folder.glob("fuzzed.db*"):
            old.unlink()
        (folder / "fuzzed.db").write_bytes(data)
        describe_ledger(folder / "fuzzed.db")
        book = open_ledger(folder / "fuzzed.db", max_bytes=200_000, warn=lambda text: None)
        for key, value in truth.items():
            found = book.get(key)
            wrong += found is not None and found != value
            book.past(f"{key[-1]}.sim", ["dm"])
        book.labels("1.sim")
        latest = book.latest("1.sim", "dm")
        wrong += latest is not None and latest not in truth.values()
        book.put(Entry(b"new", "result", "n", "l", b"new"))
        book.add_history(FileHistory("n", "l", 1, 1.0))
        book.commit()
        wrong += book.remembers and book.get(b"new") not in (b"new", None)
        book.forget([b"new"])
        book.close()
    print("wrong answers:", wrong)
    """
)


def test_a_fuzzed_ledger_never_crashes_nor_answers_wrong(tmp_path):
    """200 files, truncated, overwritten and bit-flipped, in a process of their own: it ends well."""
    filled(tmp_path / "good.db")
    ran = subprocess.run(
        [sys.executable, "-c", FUZZ, str(tmp_path), "0", "200"],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "wrong answers: 0\n"), ran.stderr[-3000:]


def test_a_file_that_is_no_ledger_is_set_aside_with_a_warning(opened, warned, tmp_path):
    """The run goes on with a new one; the old one is kept beside it."""
    (tmp_path / "ledger.db").write_bytes(b"a shopping list\n" * 1000)
    book = opened()
    assert book.remembers
    book.put(entry(1))
    book.commit()
    assert opened().get((1).to_bytes(16, "big")) == b"result 1"
    assert len(warned) == 1
    assert "ledger.db.damaged" in warned[0]
    assert (tmp_path / "ledger.db.damaged").read_bytes().startswith(b"a shopping list")


def test_a_damaged_ledger_that_a_scanner_looks_at_is_set_aside_later(opened, warned, tmp_path, monkeypatch):
    """On Windows what somebody has open for a moment cannot be renamed: that costs the run no ledger."""
    replace, waits = os.replace, list[float]()

    def scanned(source, target):
        if not waits:
            raise PermissionError(13, "The process cannot access the file", str(source))
        replace(source, target)

    (tmp_path / "ledger.db").write_bytes(b"a shopping list\n" * 1000)
    monkeypatch.setattr(os, "replace", scanned)
    monkeypatch.setattr(patiently, "__defaults__", (waits.append,))
    assert opened().remembers
    assert (len(waits), len(warned), "is kept as ledger.db.damaged" in warned[0]) == (1, 1, True)


def test_an_older_ledger_is_brought_up_to_date_and_keeps_its_results(opened, tmp_path):
    """Version 1 had no history."""
    old_version(tmp_path / "ledger.db")
    book = opened()
    assert book.get((1).to_bytes(16, "big")) == b"result 1"
    book.add_history(FileHistory("a.sim", "dm", 1, 1.0))
    book.commit()
    assert book.past("a.sim", ["dm"]) is not None
    assert describe_ledger(tmp_path / "ledger.db").version == schema.VERSION


def old_version(file):
    book = open_ledger(file, max_bytes=LARGE, warn=pytest.fail)
    book.put(entry(1))
    book.close()
    corrupted(file, "DROP TABLE history")
    corrupted(file, "PRAGMA user_version = 1")


INTERRUPTED = textwrap.dedent(
    """
    import os, signal, sqlite3, sys
    from orcabatch.store.ledger import schema
    connection = sqlite3.connect(sys.argv[1], isolation_level=None)
    connection.create_function("die", 0, lambda: os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM)))
    schema.prepare(connection, steps=(*schema.STEPS, ("CREATE TABLE newest (a)", "SELECT die()")))
    """
)


@needs("SIGKILL")
def test_a_migration_that_is_killed_leaves_the_version_before(opened, tmp_path, warned):
    """It is one transaction; the next run does it again."""
    old_version(tmp_path / "ledger.db")
    killed = subprocess.run([sys.executable, "-c", INTERRUPTED, str(tmp_path / "ledger.db")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert describe_ledger(tmp_path / "ledger.db").version == 1
    assert opened().get((1).to_bytes(16, "big")) == b"result 1"
    assert describe_ledger(tmp_path / "ledger.db").version == schema.VERSION
    assert warned == []


def test_a_newer_ledger_is_left_alone(opened, tmp_path, warned):
    """An older orcabatch neither uses nor changes it, and says so."""
    opened().close()
    corrupted(tmp_path / "ledger.db", f"PRAGMA user_version = {schema.VERSION + 1}")
    before = (tmp_path / "ledger.db").read_bytes()
    assert isinstance(opened(), NoLedger)
    assert (tmp_path / "ledger.db").read_bytes() == before
    assert "newer orcabatch" in warned[0]
    assert "newer" in describe_ledger(tmp_path / "ledger.db").problem


WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from orcabatch.store.ledger import Entry, open_ledger
    me, count = int(sys.argv[2]), int(sys.argv[3])
    book = open_ledger(Path(sys.argv[1]), max_bytes=10**9, warn=lambda text: sys.exit(text))
    for number in range(count):
        book.put(Entry(f"{me} {number}".encode(), "result", f"{me}", "dm", f"{me} {number}".encode() * 50))
        book.commit()
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()
    book.close()
    """
)


def writers(file, count, who):
    command = [sys.executable, "-c", WRITER, str(file)]
    return [subprocess.Popen([*command, str(me), str(count)], stdout=subprocess.PIPE, text=True) for me in who]


def test_four_runs_on_one_new_ledger_lose_nothing(opened, tmp_path):
    """Four processes make it and write 150 results each at once."""
    running = writers(tmp_path / "ledger.db", 150, range(4))
    for process in running:
        process.communicate()
    assert [process.returncode for process in running] == [0] * 4
    book = opened()
    for me in range(4):
        for number in range(150):
            assert book.get(f"{me} {number}".encode()) == f"{me} {number}".encode() * 50


@needs("SIGKILL")
def test_whatever_was_committed_survives_a_kill(opened, tmp_path):
    """Ten writers killed in the middle: every result that one had reported is there."""
    reported = {}
    for round_ in range(10):
        process = writers(tmp_path / "ledger.db", 100_000, [round_])[0]
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(20 + 7 * round_)]
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0]
        reported[round_] = len(lines) + rest.count("\n")
    book = opened()
    for round_, count in reported.items():
        for number in range(count):
            assert book.get(f"{round_} {number}".encode()) is not None, (round_, number)


def test_while_another_run_holds_it_results_wait_and_are_written_later(opened, tmp_path, monkeypatch):
    """The run neither ends nor loses them."""
    monkeypatch.setattr("orcabatch.store.ledger.sqlite_ledger.BUSY_S", 0.01)
    book = opened()
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    book.put(entry(1))
    book.commit()
    assert opened().get((1).to_bytes(16, "big")) is None
    other.execute("ROLLBACK")
    other.close()
    book.commit()
    assert opened().get((1).to_bytes(16, "big")) == b"result 1"


def test_what_is_forgotten_while_another_run_holds_it_answers_never_again(opened, tmp_path, monkeypatch, warned):
    """It turned out wrong: a later run would take it for the file's result."""
    monkeypatch.setattr("orcabatch.store.ledger.sqlite_ledger.BUSY_S", 0.01)
    book = opened()
    for number in range(2):
        book.put(entry(number))
    book.commit()
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    book.forget(keys(2))
    assert [book.get(key) for key in keys(2)] == [None] * 2
    book.put(entry(1))
    other.execute("ROLLBACK")
    book.close()
    assert [opened().get(key) for key in keys(2)] == [None, b"result 1"]
    assert len(warned) == 1

    other.execute("BEGIN IMMEDIATE")
    book = opened()
    book.forget(keys(2))
    book.close()
    other.close()
    assert "2 results that do not hold any more could not be taken out of the ledger" in warned[-1]


def test_a_run_waits_for_a_held_ledger_once_and_says_so_at_once(opened, tmp_path, monkeypatch, warned):
    """A program that holds it would else cost the full patience for every file; the end waits again, for all."""
    monkeypatch.setattr("orcabatch.store.ledger.sqlite_ledger.BUSY_S", 0.2)
    book, waited = opened(), []
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for number in range(6):
        book.put(entry(number))
        book.commit()
        waited.append(book._connection.execute("PRAGMA busy_timeout").fetchone()[0])
    assert waited == [50] * 6
    assert len(warned) == 1
    assert "has been held by another program for 0.2 s" in warned[0]
    other.execute("ROLLBACK")
    other.close()
    book.commit()
    assert book._connection.execute("PRAGMA busy_timeout").fetchone()[0] == 200
    assert all(opened().get(key) is not None for key in keys(6))


@pytest.fixture
def held(tmp_path, opened):
    """A ledger with room to give back, held by another program."""
    book = opened()
    book.put(entry(9, random.Random(9).randbytes(100_000)))
    book.commit()
    book.forget(keys(10))
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def test_opening_a_held_ledger_waits_for_nothing_and_closing_it_once(opened, held, monkeypatch, warned):
    """Making room can be done another time: only results are worth the full patience."""
    monkeypatch.setattr(book_module, "BUSY_S", 0.2)
    waits = full_waits(monkeypatch)
    book = opened()
    assert (waits, warned) == ([], [])
    for number in range(4):
        book.put(entry(number))
        book.commit()
    assert waits == ["_write"]
    assert len(warned) == 1
    book.close()
    assert waits == ["_write"] * 2
    assert "4 results could not be kept" in warned[1]


def test_a_held_ledger_with_nothing_to_write_is_opened_and_closed_at_once(opened, held, monkeypatch, warned):
    """A plan only reads."""
    monkeypatch.setattr(book_module, "BUSY_S", 0.2)
    waits = full_waits(monkeypatch)
    opened().close()
    assert (waits, warned) == ([], [])


def test_to_forget_nothing_is_no_commit(opened, held, monkeypatch, warned):
    """What waits may wait for its group: whoever had nothing to forget does not wait for who holds the ledger."""
    monkeypatch.setattr(book_module, "BUSY_S", 0.2)
    waits, book = full_waits(monkeypatch), opened()
    book.put(entry(1))
    book.forget(key for key in [])
    assert (waits, warned) == ([], [])


def full_waits(monkeypatch):
    """Collects the names of what waited for the ledger with the full patience, and in vain."""
    found, guarded = [], book_module.SqliteLedger._guarded

    def watched(self, action):
        patient = not self._brief
        result = guarded(self, action)
        if patient and self._brief:
            found.append(action.__name__)
        return result

    monkeypatch.setattr(book_module.SqliteLedger, "_guarded", watched)
    return found


@pytest.fixture
def another_run(tmp_path, opened):
    """Does what another run does that found the ledger damaged, and keeps a result in the new one."""

    def sets_it_aside():
        (tmp_path / "ledger.db").rename(tmp_path / "ledger.db.damaged")
        for suffix in ("-wal", "-shm"):
            (tmp_path / f"ledger.db{suffix}").unlink(missing_ok=True)
        another = opened()
        another.put(entry(1))
        another.commit()

    return sets_it_aside


def test_a_run_follows_to_the_ledger_that_another_one_began_anew(opened, another_run, warned):
    """What it had open was set aside as damaged: nothing more goes there, and the new one is not moved away."""
    book = opened()
    another_run()
    book.put(entry(2))
    book.commit()
    assert [opened().get(key) for key in keys(3)] == [None, b"result 1", b"result 2"]
    assert len(warned) == 1
    assert "results go to the one that is there now" in warned[0]


def test_a_run_that_is_letting_go_of_a_damaged_ledger_does_not_move_the_new_one(
    opened, another_run, monkeypatch, warned
):
    """Another run sets it aside meanwhile: letting go takes as long as the last flush."""
    book = opened()
    monkeypatch.setattr(book._flusher, "close", after(another_run, book._flusher.close))
    monkeypatch.setattr(book, "_one", broken())
    assert book.get(b"key") is None
    monkeypatch.undo()
    book.put(entry(2))
    book.commit()
    assert [opened().get(key) for key in keys(3)] == [None, b"result 1", b"result 2"]
    assert ["results go to the one that is there now" in text for text in warned] == [True]


def test_two_runs_that_open_a_damaged_ledger_at_once_share_the_new_one(opened, another_run, tmp_path, monkeypatch):
    """The second to notice has never had it open, and still does not move the first one's away."""
    (tmp_path / "ledger.db").write_bytes(b"a shopping list\n" * 1000)
    connected = book_module._connected

    def late(file):
        monkeypatch.setattr(book_module, "_connected", connected)
        another_run()
        raise sqlite3.DatabaseError("file is not a database")

    monkeypatch.setattr(book_module, "_connected", late)
    assert opened().get((1).to_bytes(16, "big")) == b"result 1"
    assert (tmp_path / "ledger.db.damaged").read_bytes().startswith(b"a shopping list")


def test_what_waits_when_damage_is_found_is_written_to_the_new_one(opened, monkeypatch, warned):
    """Also by the last commit, after which there is no other."""
    book = opened()
    book.put(entry(2))
    monkeypatch.setattr(book, "_write", broken(then=book._write))
    book.close()
    assert opened().get((2).to_bytes(16, "big")) == b"result 2"
    assert ["a new one is begun" in text for text in warned] == [True]


def no_thread(thread):
    """As a machine answers whose threads are used up."""
    raise RuntimeError("can't start new thread")


def broken(then=None):
    """Finds the file damaged, once."""
    calls = []

    def call(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise sqlite3.DatabaseError("database disk image is malformed")
        return then(*arguments)

    return call


def after(first, second):
    def both():
        first()
        second()

    return both


def test_a_folder_that_cannot_be_made_leaves_the_ledger_out(opened, tmp_path, warned):
    """A file stands where the folder should be: the run goes on without."""
    (tmp_path / "file").touch()
    assert not opened(tmp_path / "file" / "ledger.db").remembers
    assert "cannot be made" in warned[0]


def test_a_network_share_is_not_used(opened, tmp_path, warned, monkeypatch):
    """SQLite's log is not safe there."""
    monkeypatch.setattr("orcabatch.store.ledger.sqlite_ledger.network_share", lambda path: "cifs")
    assert not opened().remembers
    assert "network share (cifs)" in warned[0]
    assert not (tmp_path / "ledger.db").exists()


def test_network_shares_are_told_by_their_mount(monkeypatch):
    """The innermost mount counts; Windows says `remote`; a UNC path needs no mount."""
    from types import SimpleNamespace

    import psutil

    mounts = [("/", "ext4", "rw"), ("/home", "nfs4", "rw"), ("/home/me/disk", "xfs", "rw"), ("/z", "NTFS", "rw,remote")]
    partitions = [
        SimpleNamespace(device=place, mountpoint=place, fstype=kind, opts=options) for place, kind, options in mounts
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: partitions)
    found = [bool(network_share(Path(p))) for p in ("/srv/a", "/home/me/a", "/home/me/disk/a", "/z/a", "//server/a")]
    assert found == [False, True, False, True, True]


def test_the_ledger_is_in_the_users_state_folder_unless_he_says_otherwise(tmp_path, monkeypatch):
    """A path that ends like a database is the file, another one the folder."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert ledger_file() == tmp_path / "orcabatch" / "ledger.db"
    assert ledger_file(tmp_path / "mine.sqlite") == tmp_path / "mine.sqlite"
    assert ledger_file(tmp_path / "folder") == tmp_path / "folder" / "ledger.db"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert ledger_file() == tmp_path / "local" / "orcabatch" / "ledger.db"


@pytest.mark.parametrize("asked", [None, "~/ledger.db", "~nobody-of-that-name/runs"])
@pytest.mark.parametrize("system", ["win32", "linux", "darwin"])
def test_an_account_without_a_home_folder_does_without_a_ledger(monkeypatch, system, asked):
    """As a service or a container may have none: that is said with the remedy, and ends nothing."""

    def unknown(*_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(Path, "home", unknown)
    monkeypatch.setattr(Path, "expanduser", unknown)
    for name in ("LOCALAPPDATA", "XDG_STATE_HOME"):
        monkeypatch.delenv(name)
    said = []
    assert not open_ledger(asked, max_bytes=LARGE, warn=said.append).remembers
    assert "The ledger is not used: this account has no home folder" in said[0]
    assert "`ledger: {path: ...}`" in said[0]
    assert "no home folder" in describe_ledger(asked).problem
    assert not has_ledger(asked)


def test_a_description_counts_and_changes_nothing(tmp_path):
    """For `orcabatch doctor`; a ledger that is not there is not made."""
    assert not describe_ledger(tmp_path / "none.db").exists
    assert not (tmp_path / "none.db").exists()
    filled(tmp_path / "ledger.db")
    before = (tmp_path / "ledger.db").read_bytes()
    said = describe_ledger(tmp_path / "ledger.db")
    assert (said.exists, said.results, said.files, said.version) == (True, 60, 60, schema.VERSION)
    assert (said.problem, said.damaged) == ("", None)
    assert (tmp_path / "ledger.db").read_bytes() == before


def failing_with(code):
    """An error of SQLite's with this code."""
    error = sqlite3.OperationalError("locking protocol")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize("code", [sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_INTERRUPT])
def test_an_error_that_says_nothing_against_the_file_leaves_it_where_it_is(opened, monkeypatch, tmp_path, code):
    """Descriptors that a function closed, say: what earlier runs left is there for the next."""
    book = opened()
    book.put(entry(1))
    book.commit()
    monkeypatch.setattr(book, "_one", lambda *_: (_ for _ in ()).throw(failing_with(code)))
    assert book.get((2).to_bytes(16, "big")) is None
    monkeypatch.undo()
    assert not (tmp_path / "ledger.db.damaged").exists()
    assert opened().get((1).to_bytes(16, "big")) == b"result 1"


def test_a_time_that_nobody_measured_costs_no_result(opened):
    """A clock that gives no number: the file has no history, its result is kept, and the ledger is whole."""
    book = opened()
    book.put(entry(1))
    book.add_history(FileHistory("a.sim", "summary", 10, math.nan, 1.0))
    book.commit()
    assert opened().get((1).to_bytes(16, "big")) == b"result 1"
    assert opened().past("a.sim", ["summary"]) is None


@pytest.fixture(scope="module")
def where_a_module_remembers() -> Path:
    return location.state_folder()


def test_no_test_sees_what_the_user_ran_nor_does_what_a_module_makes_once(where_a_module_remembers, tmp_path_factory):
    """A doctor's verdicts of the user's made each batch of a module ask for the DLL's version once more."""
    for folder in (where_a_module_remembers, location.state_folder()):
        assert folder.is_relative_to(tmp_path_factory.getbasetemp())
    assert where_a_module_remembers != location.state_folder()
