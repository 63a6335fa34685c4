"""What a call knows from earlier ones, asked directly."""

from __future__ import annotations

import itertools
import os
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import batch_functions
from capabilities import needs
from orcabatch.batch import input_files
from orcabatch.batch.cache_keys import changed, environment, fingerprint_of
from orcabatch.batch.functions import FunctionBatch
from orcabatch.batch.history import _measured
from orcabatch.batch.job import BatchJob
from orcabatch.batch.result_cache import NO_BINDING, ResultCache
from orcabatch.batch.shared_files import Ended, shared_files
from orcabatch.engine.contract import Note, Task
from orcabatch.engine.surroundings import Initializer
from orcabatch.orcaflex.binding import Binding, BindingKind
from orcabatch.orcaflex.work import MISMATCH
from orcabatch.outcome import FileOutcome, Phase, Status
from orcabatch.settings import parse_settings
from orcabatch.store.ledger import Entry, schema
from orcabatch.store.values import decode, encode

REAL = Binding(None, BindingKind.REAL, "11.4", "11.4b")


def memory(files, binding=REAL, version="1", **more):
    batch = FunctionBatch.over(files, batch_functions.largest_tension, None, version)
    settings = parse_settings({})
    own = {batch.name: settings}
    return ResultCache([batch], shared_files([batch]), binding, settings, own, **more)


@pytest.fixture
def files(tmp_path):
    made = [tmp_path / f"{number}.sim" for number in range(3)]
    for file in made:
        file.write_bytes(file.name.encode() * 100)
    return made


def done(memory, index, *, joint=False):
    """The file is worked on and ends well."""
    memory.starting(index)
    batch = memory.batches[0]
    outcome = FileOutcome(
        batch.files[index], batch.name, Status.OK, {"tension": 0.1 * index}, index=index, size_bytes=10
    )
    memory.record([Ended(outcome, joint=joint)])


def known(memory, index):
    memory.look()  # as every run does
    return memory.answered(index, memory.batches[0].name)


def test_a_result_that_does_not_stand_is_not_kept(files, monkeypatch):
    """What it was made with has changed meanwhile: it would answer for what it is not."""
    with memory(files).opened() as first:
        monkeypatch.setattr(FunctionBatch, "stands", lambda self, position, value: position != 1)
        done(first, 1)
        done(first, 2)
    with memory(files).opened() as later:
        assert known(later, 1) is None
        assert known(later, 2) is not None


def test_what_all_files_make_together_is_not_kept_under_a_result_that_another_took_the_place_of(files, monkeypatch):
    """A file that is done again, and then not kept: what is made of all of them holds its new numbers."""
    with memory(files).opened() as cache:
        batch = cache.batches[0]
        outcomes = [FileOutcome(file, batch.name, Status.OK, index=place) for place, file in enumerate(files)]
        for index in range(3):
            done(cache, index)
        assert cache.keeps(batch, outcomes)
        monkeypatch.setattr(FunctionBatch, "concluded", lambda *_: {"outputs": []})
        monkeypatch.setattr(FunctionBatch, "stands", lambda *_: False)
        done(cache, 1)
        assert not cache.keeps(batch, outcomes)
        cache.conclude(batch, outcomes, ())
        assert cache.conclusion(batch, outcomes) is None


def test_what_was_recorded_answers_with_all_that_counts(files):
    """Status skipped, the value, and whether joint answers were used."""
    with memory(files).opened() as first:
        done(first, 1, joint=True)
    with memory(files).opened() as later:
        found = known(later, 1)
        assert found is not None
        assert (found.outcome.status, found.outcome.value, found.joint) == (Status.SKIPPED, {"tension": 0.1}, True)
        assert known(later, 0) is None


def test_what_used_a_wrong_joint_answer_is_forgotten_at_once(files):
    """Also if the run is killed before the file is done again."""
    with memory(files).opened() as first:
        done(first, 0)
        done(first, 1, joint=True)
        first.distrust([1])
    with memory(files).opened() as later:
        assert known(later, 0) is not None
        assert known(later, 1) is None


def test_what_an_earlier_run_kept_of_a_wrong_joint_answer_is_forgotten_as_well(files):
    """It was answered before the answer turned out wrong; the run is killed before the file is done again."""
    with memory(files).opened() as first:
        done(first, 1, joint=True)
    with memory(files).opened() as second:
        assert known(second, 1) is not None
        second.distrust([0, 1])
    with memory(files).opened() as later:
        assert known(later, 1) is None


def test_once_a_joint_answer_was_wrong_none_of_an_earlier_run_answers(files):
    """A file that waited for others meanwhile is done, and by the next run if this one is killed."""
    with memory(files).opened() as first:
        done(first, 0)
        done(first, 1, joint=True)
    with memory(files).opened() as second:
        second.look()
        (batch,) = second.batches
        job = BatchJob(None, {batch.name: batch}, second.shared_files, lambda _: None, second)
        job.noted(Note(2, batch.name, MISMATCH, "a variable"))
        answers = [job.answered(Task(index, file, (batch.name,), 10, 10)) for index, file in enumerate(files[:2])]
        assert list(map(len, answers)) == [1, 0]
    with memory(files).opened() as later:
        assert (known(later, 0) is None, known(later, 1) is None) == (False, True)


@pytest.mark.parametrize(
    "binding",
    [
        Binding(None, BindingKind.SIMULATED, "11.4", "11.4b"),
        Binding(None, BindingKind.REAL, "11.5", "11.4b"),
        Binding(None, BindingKind.REAL, "11.4", "11.4c"),
        NO_BINDING,
    ],
    ids=["simulated", "another OrcFxAPI", "another DLL", "foreign"],
)
def test_nothing_answers_for_another_orcaflex(files, binding):
    """Real, simulated and foreign, and every version, for itself."""
    with memory(files).opened() as first:
        done(first, 0)
    with memory(files, binding).opened() as later:
        assert known(later, 0) is None


def test_a_file_that_changed_since_it_began_is_not_kept(files):
    """Nobody knows which content the result is of; that is said."""
    said = []
    with memory(files, warn=said.append).opened() as first:
        first.starting(0)
        files[0].write_bytes(b"another")
        outcome = FileOutcome(files[0], first.batches[0].name, Status.OK, 1, index=0)
        first.record([Ended(outcome)])
    assert len(said) == 1
    assert "0.sim was changed or replaced" in said[0]
    with memory(files).opened() as later:
        assert known(later, 0) is None


@pytest.fixture
def fetched(monkeypatch):
    """The files that lie here; all others lie in the cloud only."""
    status_of, fetched = input_files.status_of, set[Path]()

    def status(file):
        now, attributes = status_of(file), 0x20 if file in fetched else 0x400020
        return SimpleNamespace(
            st_size=now.st_size, st_mtime_ns=now.st_mtime_ns, st_ino=now.st_ino, st_file_attributes=attributes
        )

    monkeypatch.setattr(input_files, "status_of", status)
    return fetched


def test_a_file_that_lies_in_the_cloud_only_is_fetched_by_its_worker(files, fetched, monkeypatch):
    """Read before that, it would hold up all others; a large one passes for a folder that does not answer."""
    read = list[Path]()
    monkeypatch.setattr(input_files, "fingerprint_of", lambda file: read.append(file) or fingerprint_of(file))
    with memory(files).opened() as first:
        first.starting(0)
        assert not read
        fetched.add(files[0])
        outcome = FileOutcome(files[0], first.batches[0].name, Status.OK, 1, index=0)
        first.record([Ended(outcome)])
        assert read == [files[0]]
    with memory(files).opened() as later:
        assert known(later, 0).outcome.value == 1


def test_a_file_from_the_cloud_that_is_replaced_as_it_is_looked_at_is_not_kept(files, fetched, monkeypatch):
    """What was computed is of the content before; what is remembered must not be the one after."""
    said = []

    def replaced(file):
        file.write_bytes(b"another")
        return fingerprint_of(file)

    with memory(files, warn=said.append).opened() as first:
        first.starting(0)
        fetched.add(files[0])
        monkeypatch.setattr(input_files, "fingerprint_of", replaced)
        first.record([Ended(FileOutcome(files[0], first.batches[0].name, Status.OK, 1, index=0))])
        monkeypatch.setattr(input_files, "fingerprint_of", fingerprint_of)
    assert "0.sim was changed or replaced" in said[0]
    with memory(files).opened() as later:
        assert known(later, 0) is None


def test_a_file_that_is_listed_twice_changed_for_the_one_that_had_begun(files):
    """The second place begins with the new content; what the first one computed of the old is not kept as of that."""
    said = []
    twice = [files[0], files[0]]
    with memory(twice, warn=said.append).opened() as first:
        first.starting(0)
        files[0].write_bytes(b"another")
        first.starting(1)
        for index in (0, 1):
            first.record([Ended(FileOutcome(files[0], first.batches[0].name, Status.OK, index, index=index))])
    assert ["0.sim was changed or replaced" in text for text in said] == [True]
    with memory(twice).opened() as later:
        assert [known(later, index).outcome.value for index in (0, 1)] == [1, 1]


def test_two_spellings_that_are_one_path_to_python_are_expected_apart(files):
    """As on Windows, where a path equals another in capitals: each is loaded for its own batch, and costs that."""

    class Alike(type(files[0])):
        def __eq__(self, other):
            return str(self).upper() == str(other).upper()

        def __hash__(self):
            return hash(str(self).upper())

    one, other = Alike(files[0]), Alike(str(files[0]).replace("0.sim", "0.SIM"))
    os.link(one, other)
    functions = (batch_functions.largest_tension, batch_functions.repeatable_tension)
    batches = [FunctionBatch.over([file], each, None, "1") for file, each in zip((one, other), functions, strict=True)]
    own = {batch.name: parse_settings({}) for batch in batches}
    cache = ResultCache(batches, shared_files(batches), REAL, parse_settings({}), own)
    with cache.opened():
        for index, batch in enumerate(batches):
            cache.starting(index)
            cache.record([Ended(timed(batch, index))])
        cache.ledger.commit()
        assert [cache.expect(file, 10).seconds for file in (one, other)] == [1.0, 2.0]
    assert [record.seconds for record in _measured([timed(batch, i) for i, batch in enumerate(batches)])] == [1.0, 2.0]


def timed(batch, index):
    """Done; it took a second more than the one before."""
    phases = {Phase.EXTRACT: index + 1.0}
    return FileOutcome(batch.files[0], batch.name, Status.OK, 1, index=index, size_bytes=10, phases=phases)


@pytest.mark.parametrize("fresh", [False, True])
def test_a_file_replaced_by_one_of_its_size_and_time_is_not_kept(files, fresh):
    """Neither size nor time tells, but it is another file; with `fresh` nobody had looked at the first one."""
    files[1].write_bytes(files[0].read_bytes()[::-1])
    status, said = files[0].stat(), []
    os.utime(files[1], ns=(status.st_atime_ns, status.st_mtime_ns))
    with memory(files, warn=said.append, fresh=fresh).opened() as first:
        first.starting(0)
        files[1].replace(files[0])
        first.record([Ended(FileOutcome(files[0], first.batches[0].name, Status.OK, 1, index=0))])
    assert "0.sim was changed or replaced" in said[0]
    with memory(files).opened() as later:
        assert known(later, 0) is None


@needs("symbolic links")
def test_a_link_in_the_place_of_a_file_is_done_again(files):
    """digitalmodel writes where a file really lies into its tables."""
    with memory(files).opened() as first:
        done(first, 0)
    place = files[0].with_name("archive")
    place.mkdir()
    files[0].rename(place / "0.sim")
    files[0].symlink_to(place / "0.sim")
    with memory(files).opened() as later:
        assert known(later, 0) is None


LOCK = threading.Lock()


def largest(model, line="Line01"):
    return line


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (partial(largest, line="Line01"), partial(largest, line="Line02"), False),
        (partial(largest), partial(batch_functions.largest_tension), False),
        (partial(partial(largest), line="Line01"), partial(partial(largest), line="Line01"), True),
        (partial(largest, line=LOCK), partial(largest, line=LOCK), False),
    ],
    ids=["other arguments", "another function", "the same", "no exact form"],
)
def test_partial_functions_answer_for_themselves_alone(files, one, other, same):
    """What `functools.partial` gives is part of what is computed."""
    first, second = (FunctionBatch.over(files, function, None, "1").determinants(0) for function in (one, other))
    assert (first is not None and first == second) == same


def test_the_initializer_is_part_of_what_computes(files):
    """Another one, other arguments or none: another result; arguments without an exact form: none is kept."""

    def of(initializer):
        return FunctionBatch.over(files, largest, None, "1").set_up_by(initializer).determinants(0)

    known = [of(None), of(Initializer(print)), of(Initializer(print, (1,))), of(Initializer(largest, (1,)))]
    assert all(one != other for one, other in itertools.combinations(known, 2))
    assert of(Initializer(print, (1,))) == known[2]
    assert of(Initializer(print, (LOCK,))) is None
    assert changed(known[2], known[0], "a.sim") == "another initializer"


def test_a_result_whose_output_vanished_before_it_was_recorded_is_not_kept(files, monkeypatch):
    """Else a file that is not there would later stand as it was written: not there."""
    gone = files[0].with_name("vanished.csv")
    monkeypatch.setattr(FunctionBatch, "outputs_of", lambda self, value: (("", gone),))
    with memory(files).opened() as first:
        done(first, 0)
    with memory(files).opened() as later:
        assert known(later, 0) is None


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED, Status.SKIPPED])
def test_only_results_are_kept(files, status):
    """A failure is tried again, a skipped file is there already."""
    with memory(files).opened() as first:
        first.starting(0)
        first.record([Ended(FileOutcome(files[0], first.batches[0].name, status, 1, index=0))])
    with memory(files).opened() as later:
        assert known(later, 0) is None


def test_what_changed_is_said_in_words():
    """Every kind of change has its own; several stand together."""
    before = {"file": [1], "configuration": "a", "settled": [False, None], **environment(REAL)}
    assert changed(before, before, "first.sim") == "its output files were changed or removed"
    assert changed(before, {**before, "file": [2]}, "first.sim") == "the .sim file changed"
    assert "first.sim" in changed(before, {**before, "settled": [True, 3.0]}, "first.sim")
    other = {**before, "configuration": "b", "version of numpy": "0"}
    assert changed(before, other, "") == "the configuration changed, another version of numpy"
    used = [before | {"uses": {"helper": value, "LINES": b"1"}} for value in (b"1", b"2")]
    assert changed(*used, "") == "what the function uses changed (helper)"
    assert changed(before, used[0], "") == "what the function uses changed"
    assert changed("nonsense", before, "") == ""


def test_results_too_large_for_a_row_are_not_kept_and_that_is_said_once(files, monkeypatch):
    """The others are; nothing of the ledger is thrown away."""
    monkeypatch.setattr(schema, "ROW_BYTES", 3_000)
    said = []
    with memory(files, warn=said.append).opened() as first:
        for index, value in enumerate((1.0, bytes(5_000), bytes(6_000))):
            first.starting(index)
            first.record([Ended(FileOutcome(files[index], first.batches[0].name, Status.OK, value, index=index))])
    assert len(set(said)) == 1
    assert "larger than 3 kB are not kept" in said[0]
    with memory(files, warn=said.append).opened() as later:
        assert [known(later, index) is not None for index in range(3)] == [True, False, False]
    assert len(set(said)) == 1


STRANGE = [None, -1, 2**70, float("nan"), "text", "../../above.csv", b"\0", [], {}, [[1]], {"a": None}, np.zeros(3)]


def places(value, path=()):
    """Where there is something in a nested value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


def put_in(value, path, strange):
    """The value with something strange in that place."""
    if not path:
        return strange
    key, *rest = path
    if isinstance(value, dict):
        return {**value, key: put_in(value[key], rest, strange)}
    return [put_in(item, rest, strange) if place == key else item for place, item in enumerate(value)]


def test_nothing_that_a_row_can_hold_ends_a_run(files):
    """A row with the right checksum may hold anything that can be stored: it is a result of that shape, or none."""
    with memory(files).opened() as first:
        done(first, 0)
        key = first._keys[first.batches[0].name, 0]
        honest = decode(first.ledger.get(key))
        for path in places(honest):
            for strange in STRANGE:
                content = encode(put_in(honest, path, strange))
                first.ledger.put(Entry(key, "result", str(files[0]), first.batches[0].label, content))
                found = first.answered(0, first.batches[0].name)
                assert found is None or isinstance(found.outcome, FileOutcome)
                if path and path[0] in {"warnings", "size", "joint", "outputs"} and isinstance(strange, np.ndarray):
                    assert found is None
