"""Faults injected into batches that run in processes of their own.

Each ends in a clear message, the right exit code, the other files' results intact, nothing left behind; and the same
command again, once the fault is mended, ends with the bytes of a run that met none. `docs/reliability.md` has the list.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from faults.harness import Project
from orcabatch import simulated
from orcabatch.errors import BatchLocked
from orcabatch.simulated import counter_totals
from orcabatch.simulated.shared import Shared
from orcabatch.store.ledger import describe_ledger
from orcabatch.store.lock import folder_lock

if TYPE_CHECKING:
    from pathlib import Path

EXECUTORS = ["serial", "threads", "processes"]
LONG_ON_PROCESSES = ["serial", "threads", pytest.param("processes", marks=pytest.mark.long)]
AT_ONCE = {"threading": {"max_threads": 2, "min_threads": 2}, "process_count": 1, "threads_per_process": 2}


@pytest.fixture(scope="module")
def untouched(server, tmp_path_factory):
    """A project, and what runs that meet no fault make of it: with digitalmodel, and with a function."""
    project = Project.made(tmp_path_factory.mktemp("untouched"), server, files=6)
    for what in (work(project, "serial", "digitalmodel"), work(project, "serial", "function")):
        child = project.run(**what)
        assert child.code == 0, child.stderr.read_text()
    project.values = child.end["values"]
    return project


@pytest.fixture
def project(untouched, server, tmp_path):
    """The same project in a place of its own; output names and bytes are the same but for the folder in them."""
    shutil.copytree(untouched.folder / "sims", tmp_path / "sims")
    shutil.copyfile(untouched.folder / "dm_fsts.yml", tmp_path / "dm_fsts.yml")
    return Project(tmp_path, server)


def same_as(untouched, project, child):
    """Whether the outputs, or the values of a function, are those of the run that met no fault."""
    if child.end.get("values") is not None:
        return child.end["values"] == untouched.values

    def moved(content):
        return content.replace(str(untouched.folder).encode(), str(project.folder).encode())

    found, expected = project.outputs(), {name: moved(content) for name, content in untouched.outputs().items()}
    assert sorted(found) == sorted(expected)
    return [name for name in expected if found[name] != expected[name]] == []


def healed(untouched, project, loads_before, what):
    """The same command again ends well, does only what was missing, and leaves nothing behind."""
    project.costs = simulated.Costs()
    again = project.run(**what)
    assert again.code == 0, again.stderr.read_text()[-3000:]
    assert same_as(untouched, project, again)
    assert project.leftovers() == []
    skipped = {line["outcome"] for line in again.said("outcome") if line["status"] == "skipped"}
    assert all(project.loads()[name] == loads_before[name] for name in skipped)
    return skipped


def work(project, executor, how="", **performance):
    """What is run: digitalmodel, or on worker processes, which take seconds to import it, a function."""
    what = {"performance": {"executor": executor, **AT_ONCE, **performance}}
    if (how or ("function" if executor == "processes" else "digitalmodel")) == "function":
        files = [str(sim) for sim in project.sims]
        what |= {"source": files, "function": "batch_functions:repeatable_tension", "arguments": {"version": "1"}}
    return what


def slow(project, seconds=0.2):
    """Give the harm time to meet files that are being loaded."""
    project.costs = simulated.Costs(load_latency_s=seconds)


def smallest(project):
    """The file that comes last: longest first is the order."""
    return min(project.sims, key=lambda sim: sim.stat().st_size)


def finished(child, count=1):
    """Wait until so many files are finished; their names."""
    said = child.until(lambda lines: sum("outcome" in line for line in lines) >= count)
    return {line["outcome"] for line in said if "outcome" in line}


@pytest.mark.parametrize(
    ("executor", "signum", "code"),
    [
        ("serial", signal.SIGINT, 130),
        ("serial", signal.SIGTERM, 143),
        ("threads", signal.SIGINT, 130),
        ("threads", signal.SIGTERM, 143),
        ("processes", signal.SIGTERM, 143),
        pytest.param("processes", signal.SIGINT, 130, marks=pytest.mark.long),
    ],
)
def test_a_signal_finishes_what_runs_and_says_how_it_ended(untouched, project, executor, signum, code):
    """Ctrl-C and a request to terminate: exit code 130 and 143, finished files kept, the next run does the rest."""
    slow(project)
    words = ["run", str(project.folder / "dm_fsts.yml"), "--orcaflex", "simulated", "--quiet"]
    words += [f"performance.executor={executor}", "performance.threading.max_threads=2", "performance.process_count=1"]
    child = project.start(cli=words)
    child.until(lambda _: sum(project.loads().values()) >= 2)
    child.signal(signum)
    assert child.wait() == code, child.stderr.read_text()[-2000:]
    loads = project.loads()
    assert 2 <= len(loads) < 6
    assert project.leftovers() == []
    skipped = healed(untouched, project, loads, work(project, "serial", "digitalmodel"))
    assert len(skipped) == len(loads)


def mounted(folder: Path, options: str) -> None:
    """A small file system on the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("a file system of a given size can only be mounted by root")


@pytest.fixture
def unmounts():
    folders = []
    yield folders.append
    for folder in folders:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_full_disk_costs_what_did_not_fit(untouched, project, unmounts, executor):
    """Whole files or none; the message names file and reason; with room, the next run does only what is missing."""
    mounted(project.results, "size=160k")
    unmounts(project.results)
    child = project.run(**work(project, executor, "digitalmodel"))
    assert child.code == 1
    assert set(child.end.get("causes", {}).values()) <= {"output"}
    assert "No space left on device" in str(child.end) or "disk is full" in str(child.end)
    expected = {name: len(content) for name, content in untouched.outputs().items()}
    for name, content in project.outputs().items():
        if name.startswith("fsts_"):
            assert len(content) == expected[name], name
    assert not any("tmp" in name for name in project.leftovers())
    loads = project.loads()
    subprocess.run(["mount", "-o", "remount,size=100m", str(project.results)], check=True)
    skipped = healed(untouched, project, loads, work(project, "serial", "digitalmodel"))
    fitted = {line["outcome"] for line in child.said("outcome") if line["status"] == "ok"}
    if set(loads.values()) == {1}:  # else the first file of the list found no room, and others were done as the first
        assert skipped == fitted != set()


def test_a_read_only_result_folder_is_refused_before_anything_runs(project, unmounts):
    """Exit code 2, the folder is named, nothing was loaded."""
    mounted(project.results, "ro,size=1m")
    unmounts(project.results)
    child = project.run(**work(project, "serial"))
    assert child.code == 2
    assert str(project.results) in child.end["message"]
    assert project.loads() == {}


@pytest.mark.parametrize("executor", LONG_ON_PROCESSES)
def test_a_result_folder_that_vanishes_costs_what_was_not_written(untouched, project, executor):
    """The run ends with a message that names it; the next run finds nothing to trust and does it all."""
    slow(project)
    child = project.start(**work(project, executor, "digitalmodel"))
    finished(child, 2)
    gone = project.results.rename(project.folder / "gone")  # in one step: the run still writes into it
    shutil.rmtree(gone)
    assert child.wait() in {1, 2}
    assert str(project.results) in str(child.end)
    healed(untouched, project, project.loads(), work(project, "serial", "digitalmodel"))


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("left", [0.0, 0.5], ids=["deleted", "truncated"])
def test_an_input_that_goes_bad_while_the_batch_runs_fails_alone(untouched, project, executor, left):
    """It is named with what to do; the others are there; put back, it is the only one that is done."""
    slow(project)
    victim, what = smallest(project), work(project, executor)
    content, times = victim.read_bytes(), victim.stat()
    child = project.start(**what)
    finished(child)
    victim.unlink()
    if left:
        victim.write_bytes(content[: int(left * len(content))])
    assert child.wait() == 1
    assert child.end["causes"] == {victim.name: "input"}
    assert victim.name in str(child.end["errors"])
    loads = project.loads()
    victim.write_bytes(content)
    os.utime(victim, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert len(healed(untouched, project, loads, what)) == 5


def test_an_input_that_is_replaced_while_it_is_loaded_is_not_remembered(untouched, project):
    """Its result may be of either content: that is said, and the next run does it again."""
    victim = smallest(project)
    child = held_up(project)
    victim.write_bytes(victim.read_bytes())
    let_go(project)
    assert child.wait() == 0
    assert any(victim.name in warning and "replaced" in warning for warning in child.end["warnings"])
    loads = project.loads()
    skipped = healed(untouched, project, loads, work(project, "serial"))
    assert victim.name not in skipped
    assert project.loads()[victim.name] == loads[victim.name] + 1


def licence(project):
    """What the processes of this project know about their licence."""
    return Shared(project.folder / "counters")


def asked_of_the_licence(project):
    """How often OrcaFlex was asked for what needs a licence, a model or a load of one, refused or not."""
    calls = counter_totals._slots_and_calls(project.folder / "counters")[1]
    return calls["C_CreateModel2"] + calls["C_LoadSimulationW"]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_licence_that_is_lost_and_comes_back_costs_nothing(untouched, project, executor):
    """The server goes while files run: they are refused until it is back, and then all files end well."""
    slow(project, 0.6)
    child = project.start(**work(project, executor, licences={"wait": "120s"}))
    finished(child)
    licence(project).lose_licence(3600.0)
    before = asked_of_the_licence(project)
    child.until(lambda _: asked_of_the_licence(project) > before)
    assert len(finished(child)) < 6
    licence(project).lose_licence(0.0)
    assert child.wait() == 0, child.stderr.read_text()[-2000:]
    assert same_as(untouched, project, child)
    assert project.leftovers() == []


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_licence_that_does_not_come_back_costs_what_was_not_done(untouched, project, executor):
    """After `licences.wait` the files that are left fail with that reason; with a licence, they alone are done."""
    slow(project, 0.6)
    what = work(project, executor, licences={"wait": "1s"}, retries=0)
    child = project.start(**what)
    finished(child)
    licence(project).lose_licence(3600.0)
    assert child.wait() == 1
    assert set(child.end["causes"].values()) == {"licence"}
    assert all("licence" in error for error in child.end["errors"].values())
    licence(project).lose_licence(0.0)
    assert len(healed(untouched, project, project.loads(), what)) == 6 - len(child.end["causes"])


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_file_that_hangs_is_given_up_and_the_others_are_there(untouched, project, executor):
    """After its timeout it is reported; the process ends all the same; the next run does this file only.

    Not on the serial executor, where it is the caller's own thread that hangs.
    """
    victim = project.sims[1]
    project.costs = simulated.Costs(hang_loads={victim.name: None})
    child = project.run(**work(project, executor, "function", timeout="8s", retries=0))
    assert child.code == 1
    assert set(child.end["errors"]) == {victim.name}
    assert child.end["causes"][victim.name] == "timeout"
    project.gone()
    assert len(healed(untouched, project, project.loads(), work(project, "serial", "function"))) == 5


def test_a_file_that_kills_its_worker_process_fails_alone(untouched, project):
    """SIGKILL of a worker while it loads one file, whoever tries: the others are there."""
    victim = project.sims[1]
    project.costs = simulated.Costs(crash_loads={victim.name: 10})
    child = project.run(**work(project, "processes", retries=1))
    assert child.code == 1
    assert child.end["causes"] == {victim.name: "crash"}
    assert len(healed(untouched, project, project.loads(), work(project, "serial", "function"))) == 5


def test_memory_that_is_refused_fails_the_file_that_asked_for_it(project):
    """One file takes two gigabytes that the system does not give: it fails as out of memory, the others are there."""
    victim = project.sims[1]
    content = victim.read_bytes()
    simulated.write_sim(victim, simulated.SimSpec(size_bytes=2_000_000, memory_factor=1000.0))
    what = work(project, "serial", "function")
    child = project.run(before=["faults.harm:little_memory"], **what)
    assert child.code == 1, child.stderr.read_text()[-2000:]
    assert child.end["causes"] == {victim.name: "memory"}
    victim.write_bytes(content)
    again = project.run(**what)
    assert again.code == 0
    assert set(project.loads().values()) == {1}


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_a_clock_that_jumps_changes_nothing(untouched, project, executor):
    """Days forward and back with every look: the same bytes, and the next run skips everything."""
    what = work(project, executor)
    child = project.run(before=["faults.harm:jumping_clock"], **what)
    assert child.code == 0, child.stderr.read_text()[-2000:]
    assert same_as(untouched, project, child)
    assert len(healed(untouched, project, project.loads(), what)) == 6


DAMAGES = {
    "truncated": lambda data, draw: data[: draw.randrange(len(data))],
    "emptied": lambda data, draw: b"",
    "overwritten": lambda data, draw: draw.randbytes(len(data)),
    "fuzzed": lambda data, draw: bytes(byte if draw.random() > 0.02 else draw.randrange(256) for byte in data),
}


def test_a_damaged_ledger_costs_time_and_nothing_else(untouched, project):
    """Truncated, emptied, overwritten, fuzzed, one after the other: the same outputs, and all is remembered anew."""
    what = work(project, "serial")
    assert project.run(**what).code == 0
    for name, damage in DAMAGES.items():
        project.ledger.write_bytes(damage(project.ledger.read_bytes(), random.Random(7)))
        child = project.run(**what)
        assert child.code == 0, f"{name}: {child.stderr.read_text()[-2000:]}"
        assert same_as(untouched, project, child), name
        assert describe_ledger(project.ledger).results == 6, name
    assert len(healed(untouched, project, project.loads(), what)) == 6


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_ledger_that_is_damaged_while_the_batch_runs_costs_nothing_now(untouched, project, damage):
    """Also with its log still open: the run ends well, the outputs are the same, and so are the next run's."""
    slow(project)
    child = project.start(**work(project, "threads"))
    finished(child, 2)
    with project.ledger.open("r+b") as ledger:
        data = DAMAGES[damage](ledger.read(), random.Random(3))
        ledger.seek(0)
        ledger.truncate(len(data))
        ledger.write(data)
    assert child.wait() == 0, child.stderr.read_text()[-2000:]
    assert same_as(untouched, project, child)
    healed(untouched, project, project.loads(), work(project, "serial"))


def test_a_ledger_whose_disk_is_full_is_said_and_the_results_are_there(untouched, project, unmounts):
    """The run goes on without being remembered; with room, the next one remembers."""
    folder = project.folder / "state" / "orcabatch"
    mounted(folder, "size=64k")
    unmounts(folder)
    (folder / "filler").write_bytes(bytes(40_000))
    what = work(project, "serial")
    child = project.run(**what)
    assert child.code == 0, child.stderr.read_text()[-2000:]
    assert any("ledger" in warning for warning in child.end["warnings"])
    assert same_as(untouched, project, child)
    (folder / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=100m", str(folder)], check=True)
    assert project.run(**what).code == 0
    assert len(healed(untouched, project, project.loads(), what)) == 6


def test_metrics_that_cannot_be_written_cost_the_metrics(untouched, project):
    """A folder stands where the file should be: said in one warning, exit code 0, all results there."""
    (project.results / "performance_metrics.json").mkdir(parents=True)
    child = project.run(**work(project, "serial"))
    assert child.code == 0
    assert any("metrics are not written" in warning for warning in child.end["warnings"])
    assert same_as(untouched, project, child)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_inputs_are_never_written_nor_touched(untouched, project, unmounts, executor):
    """Through a read-only mount, and with the same bytes and times afterwards; the folder holds nothing new."""
    sims = project.folder / "sims"
    before = {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in sims.iterdir()
    }
    made = subprocess.run(["mount", "--bind", str(sims), str(sims)], capture_output=True, check=False)
    if not made.returncode:
        unmounts(sims)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(sims)], check=True)
        with pytest.raises(OSError, match="Read-only"):
            (sims / "probe").touch()
    child = project.run(**work(project, executor))
    assert child.code == 0, child.stderr.read_text()[-2000:]
    assert same_as(untouched, project, child)
    after = {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in sims.iterdir()
    }
    assert after == before


def held_up(project):
    """A run that waits in its last file until `let_go`."""
    victim = smallest(project)
    project.costs = simulated.Costs(hang_loads={victim.name: None})
    child = project.start(**work(project, "threads"))
    finished(child, 5)
    return child


def let_go(project):
    (project.folder / "counters" / f"hang-{smallest(project).name}.released").touch()


def test_a_second_batch_on_the_same_result_folder_is_refused(untouched, project):
    """While the first runs, the second ends at once with code 2 and names it; the first is not disturbed."""
    first = held_up(project)
    second = project.run(**work(project, "serial"))
    assert second.code == 2
    assert second.end["end"] == "BatchLocked"
    assert f"process {first.pid}" in second.end["message"]
    let_go(project)
    assert first.wait() == 0
    assert same_as(untouched, project, first)
    assert project.leftovers() == []


def test_a_lock_that_a_killed_batch_left_is_taken_over(untouched, project):
    """And its temporary files go; the same command needs no clean-up by hand."""
    slow(project)
    child = project.start(**work(project, "threads"))
    finished(child)
    child.until(lambda _: bool(project.kept()))  # its group may wait a moment for the next file
    child.kill_tree()
    (project.results / ".orcabatch-0123456789.tmp").write_bytes(b"half a table")
    assert project.leftovers() != []
    assert healed(untouched, project, project.loads(), work(project, "serial"))


def test_this_process_may_not_write_where_a_batch_does(project):
    """The lock is the same one, whoever asks."""
    child = held_up(project)
    with pytest.raises(BatchLocked), folder_lock(project.results, "test"):
        pytest.fail("it was let in")
    let_go(project)
    assert child.wait() == 0


def test_two_batches_on_one_ledger_work(untouched, project, server, tmp_path):
    """At the same time, over the same files, into different folders: both end well and remember."""
    slow(project, 0.1)
    other = tmp_path / "other.yml"
    text = (project.folder / "dm_fsts.yml").read_text()
    other.write_text(text.replace("results/fsts", "results/other"))
    what = work(project, "threads")
    one, two = project.start(**what), project.start(**what, source=str(other))
    assert (one.wait(), two.wait()) == (0, 0)
    assert same_as(untouched, project, one)
    loads = sum(project.loads().values())
    assert project.run(**what).code == 0
    assert project.run(**what, source=str(other)).code == 0
    assert sum(project.loads().values()) == loads


MIGRATE = """
import os, signal, sqlite3, sys
from orcabatch.store.ledger import schema
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
schema.prepare(connection, steps=(*schema.STEPS, ("CREATE TABLE newest (a)", "DELETE FROM entries", "SELECT die()")))
"""


def test_a_ledger_migration_that_is_killed_loses_nothing(untouched, project):
    """A newer version dies in the middle of its migration: this one finds everything as it was."""
    what = work(project, "serial")
    assert project.run(**what).code == 0
    killed = subprocess.run([sys.executable, "-c", MIGRATE, str(project.ledger)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(healed(untouched, project, project.loads(), what)) == 6
