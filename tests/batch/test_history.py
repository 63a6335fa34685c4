"""What one run teaches the next of its kind: the plan says it and starts from it; `plan --write` makes a YAML of it."""

from __future__ import annotations

import math
import runpy
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

import orcabatch
from batch_functions import largest_tension, name_and_tension
from orcabatch.batch.history import Ran, by_hand, recall
from orcabatch.cli import main
from orcabatch.engine.contract import RunEvent
from orcabatch.errors import SourceError
from orcabatch.host import HostResources
from orcabatch.monitor.state import RunState
from orcabatch.plan.history import Learned, Record, learn, tuned_section
from orcabatch.settings import parse_settings
from orcabatch.store.values import encode

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(files, function=largest_tension, **more):
    """A silent, fresh run over the simulated OrcaFlex."""
    asked = {"postprocess": function, "orcaflex": "simulated", "progress": False, "fresh": True, **more}
    return orcabatch.run_batch(files, **asked)


def plan(files, function=largest_tension, **more):
    """The plan of the same."""
    return orcabatch.plan_batch(files, postprocess=function, orcaflex="simulated", fresh=True, **more)


def learned_notes(made):
    """The notes that say what was learned."""
    return [note for note in made.notes if note.startswith("learned from")]


def test_a_first_plan_knows_nothing_and_the_second_says_what_the_first_run_taught(orcaflex, sims):
    """Seconds and memory of every file, and how many files it was learned from; results are not taken over."""
    assert not learned_notes(plan(sims))
    assert run(sims).ok
    again = plan(sims)
    assert len(learned_notes(again)) == 1
    assert learned_notes(again)[0].startswith(f"learned from {len(sims)} files")
    assert all(file.seconds is not None and file.skip is None for file in again.files)
    assert again.predicted_s is not None
    assert run(sims).ok


def test_another_function_and_a_switched_off_ledger_are_told_nothing(orcaflex, sims):
    """A kind of batch is what is computed; without a ledger there is no history."""
    run(sims)
    assert not learned_notes(plan(sims, name_and_tension))
    assert not learned_notes(plan(sims, performance={"ledger": {"enabled": False}}))


def test_a_file_that_was_never_run_is_foretold_from_its_kind(orcaflex, sims, tmp_path):
    """The history of the others gives it seconds before its first run."""
    run(sims)
    new = tmp_path / "new_case.sim"
    shutil.copyfile(sims[0], new)
    assert plan([*sims, new]).files[-1].seconds is not None


def test_the_next_plan_starts_below_where_the_last_run_was(plan_inputs):
    """Two thirds of it, less with few files for each, never below where a run without history starts."""
    files, host = plan_inputs
    from orcabatch.plan import make_plan

    records = [Record(file.path.name, file.size, 1.0, 1.0) for file in files]
    for limit, expected in ((3, 3), (5, 4), (9, 6), (500, 10)):
        made = make_plan(files, parse_settings(None), host, learned=learn(records, limits={"threads": limit}))
        assert made.start_limit == expected
    few = learn(records, limits={"threads": 3})
    floored = make_plan(files, parse_settings({"threading": {"min_threads": 6}}), host, learned=few)
    assert floored.start_limit == 6


def test_what_processes_bore_is_no_start_for_threads(plan_inputs):
    """A run that `auto` sent to processes ended with 40 at once; the next begins with threads, and one lock."""
    files, host = plan_inputs
    from orcabatch.plan import make_plan

    learned = learn([Record(file.path.name, file.size, 1.0, 1.0) for file in files], limits={"processes": 40})
    made = make_plan(files, parse_settings(None), host, learned=learned)
    assert made.start_limit == 4
    assert not any("at once; this one climbs there" in note for note in made.notes)
    away = make_plan(files, parse_settings({"executor": "processes"}), host, learned=learned)
    assert away.start_limit == 10
    assert any("the last run on processes ended with 40 at once" in note for note in away.notes)


@pytest.fixture
def plan_inputs():
    """Sixty small files on a large host."""
    from orcabatch.host import HostResources
    from orcabatch.plan import SizedFile

    gb = 10**9
    host = HostResources(
        logical_cpus=64, physical_cpus=32, numa_nodes=1, total_ram_bytes=256 * gb, available_ram_bytes=250 * gb
    )
    return [SizedFile(Path(f"/x/case_{i}.sim"), 50_000_000 + i) for i in range(60)], host


def test_a_tuned_section_keeps_what_the_user_set_and_only_narrows_it():
    """Executor and read-ahead that the user wrote stay; the count is a ceiling with room above what was found."""
    learned = Learned((Record("a", 1, 1.0),), limits={"processes": 6, "threads": 2}, executor="processes", read_ahead=3)
    made, said = tuned_section(None, parse_settings(None), learned)
    assert made == {"executor": "processes", "threading": {"max_threads": 12}, "io": {"read_ahead": 3}}
    assert len(said) == 3
    own = {"executor": "threads", "threading": {"max_threads": 3}, "io": {"read_ahead": 1}}
    assert tuned_section(own, parse_settings(own), learned) == (own, [])


@pytest.fixture
def project(tmp_path, orcaflex):
    """The smaller example with its files."""
    pytest.importorskip("digitalmodel", reason="needs digitalmodel itself: install orcabatch[digitalmodel]")
    shutil.copyfile(EXAMPLES / "dm_fsts.yml", tmp_path / "dm_fsts.yml")
    runpy.run_path(str(EXAMPLES / "generate_sims.py"))["generate_sims"](
        tmp_path / "sims", lngc=0, standard=5, scale=0.3
    )
    return tmp_path


def test_plan_write_makes_the_section_alone_and_never_touches_the_users_yaml(project, capsys, monkeypatch):
    """Before a run there is nothing to write; after it there is; an existing file is never overwritten."""
    monkeypatch.chdir(project)
    source, target = project / "dm_fsts.yml", project / "tuned.yml"
    before = source.read_bytes()
    words = ["plan", str(source), "--orcaflex", "simulated", "--write", str(target)]
    assert main(words) == 2
    assert not target.exists()
    assert main(["run", str(source), "--orcaflex", "simulated", "--quiet", "--fresh"]) == 0
    capsys.readouterr()
    assert main(words) == 0
    assert "learned from 5 files" in " ".join(capsys.readouterr().out.split())
    section = yaml.safe_load(target.read_text(encoding="utf-8"))
    assert list(section) == ["performance"]
    assert "read_ahead" in section["performance"]["io"]
    assert main(["run", str(source), str(section), "--orcaflex", "simulated", "--quiet"]) == 0
    assert main(words) == 2
    assert source.read_bytes() == before


def test_plan_write_refuses_a_file_that_is_there_and_several_yamls(project):
    """Said before anything is written."""
    from orcabatch.cli.plan import _only

    source = project / "dm_fsts.yml"
    for files, target in (([source], source), ([source, source], project / "new.yml")):
        with pytest.raises(SourceError):
            _only(files, target)


def test_a_run_whose_limits_were_set_by_hand_teaches_seconds_but_no_counts(orcaflex, sims):
    """Two at once because somebody wrote so is nothing that was found out; nor are his workers."""
    assert run(sims, performance={"threading": {"max_threads": 2}, "executor": "threads"}).ok
    taught = " ".join(learned_notes(plan(sims)))
    assert taught.startswith(f"learned from {len(sims)} files")
    assert "ended with" not in taught
    assert run(sims).ok
    assert "the last run on threads ended with" in " ".join(learned_notes(plan(sims)))


def test_counts_that_a_written_limit_did_not_hold_are_learned():
    """Somebody wrote 40 and the run found 6; where it stayed at a limit that was written, it found nothing."""
    ran = Ran([], [(0.0, 6)], 10.0, "threads", by_hand=frozenset({1, 40}))
    assert ran.limit == 6
    assert replace(ran, found=[(0.0, 40)]).limit is None
    here = HostResources(64, 256 * 10**9)
    wrote = orcabatch.plan_batch(["a.sim"] * 60, postprocess=largest_tension, host=here, performance=HAND)
    assert by_hand(wrote) == (frozenset({1, 9}), True)
    assert by_hand(orcabatch.plan_batch(["a.sim"], postprocess=largest_tension, host=here)) == (frozenset(), False)


@pytest.mark.parametrize(
    ("moves", "executor", "expected"),
    [
        ([(80.0, "processes", 12)], "processes", 12),
        ([(20.0, "processes", 30), (90.0, "threads", 2)], "threads", 2),
        ([(20.0, "processes", 30), (90.0, "threads", 30), (98.0, "threads", 2)], "threads", 30),
        ([(99.0, "threads", 7)], "threads", 2),
    ],
    ids=["there", "and back", "the same at once", "only said"],
)
def test_a_count_is_learned_of_the_workers_that_had_it(moves, executor, expected):
    """`auto` sends files to processes in the middle: what threads held for longer is not what those bore."""
    state = RunState()
    state.apply(RunEvent("run_started", 0.0, data={"executor": "threads", "limit": 4}))
    state.apply(RunEvent("limit", 5.0, data={"limit": 2}))
    for at_s, workers, limit in moves:
        state.apply(RunEvent("executor", at_s, data={"executor": workers}))
        state.apply(RunEvent("limit", at_s, data={"limit": limit}))
    plan = orcabatch.plan_batch(["a.sim"], postprocess=largest_tension)
    ran = Ran.of([], plan, SimpleNamespace(state=state, wall_s=100.0))
    assert (ran.executor, ran.limit) == (executor, expected)


def test_a_count_that_memory_set_is_not_learned_as_a_good_one():
    """Two at once because another program took the memory: what was found before that stands, or nothing."""
    plan = orcabatch.plan_batch(["a.sim"], postprocess=largest_tension)
    state = RunState()
    state.apply(RunEvent("run_started", 0.0, data={"executor": "threads", "limit": 4}))
    state.apply(RunEvent("limit", 51.0, data={"limit": 12, "reason": "more", "found": True}))
    state.apply(RunEvent("limit", 60.0, data={"limit": 2, "reason": "memory", "found": False}))
    seen = SimpleNamespace(state=state, wall_s=100.0)
    assert Ran.of([], plan, seen).limit == 12
    seen.wall_s = 200.0
    assert Ran.of([], plan, seen).limit is None


HAND = {"executor": "threads", "threading": {"max_threads": 9}}


COLUMNS = {"files": "a.sim", "sizes": np.array([9]), "seconds": np.array([1.0]), "factors": np.array([1.5])}
STRANGE_COLUMNS = [np.array(one) for one in ([math.nan], [math.inf], [-1], [[0.0, 0.0]], [1j], ["x"])]
STRANGE = [None, -1, 2**70, float("nan"), float("inf"), "text", b"\0", [], {}, [[1]], ["a", 0, 0.0, -1.0], np.zeros(3)]


@pytest.mark.parametrize("place", ["limits", "executor", "read_ahead", "processes_save", "records", "column", "all"])
def test_a_strange_lesson_teaches_nothing_that_a_plan_could_not_follow(place):
    """Anybody may have written it, with the right checksum: what is no lesson is none."""
    counts = {"limits": {"threads": 4}, "read_ahead": 2, "processes_save": 0.0}
    honest = {"records": COLUMNS, "executor": "threads", **counts}
    ledger = Lessons()
    cache = SimpleNamespace(ledger=ledger, batches=[], binding=SimpleNamespace(kind="simulated"))
    host = SimpleNamespace(logical_cpus=2, total_ram_bytes=1)
    ledger.content = encode(honest)
    assert recall(cache, host).records == (Record("a.sim", 9, 1.0, 1.5),)
    if place == "all":
        all_strange = STRANGE
    elif place == "column":
        columns = [COLUMNS | {name: strange} for name in COLUMNS for strange in (*STRANGE, *STRANGE_COLUMNS)]
        all_strange = [honest | {"records": each} for each in columns]
    else:
        strange_limits = [{"threads": strange} for strange in STRANGE] + [{1: 1}]
        all_strange = [honest | {place: strange} for strange in (*STRANGE, *strange_limits)]
    for each in all_strange:
        ledger.content = encode(each)
        found = recall(cache, host)
        assert all(record.usable for record in found.records)
        assert all(limit >= 1 for limit in found.limits.values())
        assert found.read_ahead is None or 1 <= found.read_ahead <= 4
        assert found.start(10, "threads") >= 1


class Lessons:
    """A ledger that knows one lesson."""

    remembers = True
    content = b""

    def get(self, key):
        return self.content
