"""SIGKILL of a whole batch at random moments, each followed by the same command again.

    python tests/faults/kills.py --kills 200 --on threads
    python tests/faults/kills.py --kills 200 --on processes [--digitalmodel]

A batch is killed up to `PER_BATCH` times in a row, then left to finish; then the next one begins from nothing. After
every kill and at every end the rules of `Watch` must hold. The script prints what it counted.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.harness import Child, Project, Server, moment
from orcabatch.store.ledger.sqlite_ledger import GROUP_S

PER_BATCH = 8
AT_ONCE = 4
LINES = 24
"""About how many lines a run says."""
TURN_S = 1.0
"""So much later than its moment a result may be committed: a busy machine gives the thread that does it no turn."""
FUNCTION = "batch_functions:largest_tension"


@dataclass
class Watch:
    """What must hold, whenever a batch is killed.

    - what was reported as finished a second before is in the ledger, mostly also what was reported just now;
    - no file that is there is loaded again (nothing lost, nothing done twice);
    - every output file that is there is whole: the bytes of the uninterrupted run;
    - a file that was finished is reported as skipped by the next run;
    - no more files are loaded again than were being worked on when the batch was killed, or had ended in the moments
      before, whose results share a commit (`late`).
    """

    project: Project
    expected: dict[str, bytes]
    values: Any
    kills: int = 0
    batches: int = 0
    looked_at: int = 0
    again: int = 0
    late: int = 0
    finished_before_kill: int = 0
    _finished: dict[str, int] = field(default_factory=dict)
    _base: dict[str, int] = field(default_factory=dict)

    def begin(self) -> None:
        """A new batch, from nothing."""
        shutil.rmtree(self.project.folder / "state", ignore_errors=True)
        for path in self.project.results.glob("*"):
            path.unlink() if path.is_file() else shutil.rmtree(path)
        self._base, self._finished = self.project.loads(), {}

    def loads(self) -> dict[str, int]:
        """Loads of each file since this batch began."""
        return {name: count - self._base.get(name, 0) for name, count in self.project.loads().items()}

    def killed(self, child: Child, at: float) -> None:
        """After a kill at that time."""
        self.project.gone()
        self.kills += 1
        self._check(child, at)
        self.finished_before_kill += len(self._finished)

    def ended(self, child: Child) -> None:
        """After a run that was left alone."""
        assert child.wait() == 0, child.stderr.read_text()[-3000:]
        self._check(child)
        self.batches += 1
        assert set(self._finished) == {sim.name for sim in self.project.sims}
        assert self.project.outputs() == self.expected
        assert child.end["values"] == self.values
        assert self.project.leftovers() == []
        again = sum(self.loads().values()) - len(self.project.sims)
        self.again += again
        assert self.again <= self.kills * AT_ONCE + self.late

    def _check(self, child: Child, killed_at: float = math.inf) -> None:
        loads, kept = self.loads(), self.project.kept()
        for name, count in self._finished.items():
            assert loads[name] == count, f"{name} was finished and was loaded again"
        for line in child.said("outcome"):
            if line["outcome"] in self._finished:
                assert line["status"] == "skipped", f"{line['outcome']} was finished, and done again"
            else:
                assert line["status"] in {"ok", "skipped"}, line  # kept, and killed before it could be reported
            if line["at"] < killed_at - GROUP_S - TURN_S:
                assert line["outcome"] in kept, f"{line['outcome']} was finished, and is not in the ledger"
        said = [line["outcome"] for line in child.said("outcome")]
        self.late += len(set(said) - kept)
        self._finished |= {name: loads[name] for name in said if name in kept}
        for name, content in self.project.outputs().items():
            assert content == self.expected[name], f"{name} is not whole"
            self.looked_at += 1


def job(executor: str, *, digitalmodel: bool, project: Project) -> dict[str, Any]:
    """What is run."""
    performance = {
        "executor": executor,
        "process_count": 2,
        "threads_per_process": 2,
        "threading": {"max_threads": AT_ONCE, "min_threads": AT_ONCE},
    }
    if digitalmodel:
        return {"performance": performance}
    return {
        "performance": performance,
        "source": [str(sim) for sim in project.sims],
        "function": FUNCTION,
        "arguments": {"version": "1"},
    }


def kill_and_resume(project: Project, kills: int, what: dict[str, Any], seed: int) -> Watch:
    """Kill `kills` times; every chain of kills ends with a run that is left alone."""
    fresh = {**what.get("arguments", {}), "fresh": True}
    reference = project.run(
        **{**what, "arguments": fresh, "performance": {**what["performance"], "executor": "serial"}}
    )
    assert reference.wait() == 0, reference.stderr.read_text()[-3000:]
    watch = Watch(project, project.outputs(), reference.end["values"])
    draw = random.Random(seed)
    while watch.kills < kills:
        watch.begin()
        for _ in range(min(PER_BATCH, kills - watch.kills)):
            child = project.start(**what)
            moment(draw, child, LINES)
            killed_at = time.time()
            child.kill_tree()
            if child.code == 0:
                break  # it was faster
            watch.killed(child, killed_at)
        watch.ended(project.run(**what))
    return watch


def main() -> None:
    """The script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--on", choices=["threads", "processes"], default="threads")
    parser.add_argument("--digitalmodel", action=argparse.BooleanOptionalAction, default=None)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    digitalmodel = asked.digitalmodel if asked.digitalmodel is not None else asked.on == "threads"
    begun, server = time.perf_counter(), Server()
    with tempfile.TemporaryDirectory() as folder:
        project = Project.made(Path(folder), server, load_latency_s=0.1)
        what = job(asked.on, digitalmodel=digitalmodel, project=project)
        watch = kill_and_resume(project, asked.kills, what, asked.seed)
        files = len(project.sims)
    server.close()
    sys.stdout.write(
        f"{watch.kills} kills of {watch.batches} batches of {files} files on {asked.on} "
        f"({'digitalmodel' if digitalmodel else 'a function'}) in {time.perf_counter() - begun:.0f} s: "
        f"{watch.finished_before_kill} finished files met a kill: 0 lost, 0 done twice; "
        f"{watch.looked_at} output files looked at: 0 partial; {watch.again} files in flight loaded again "
        f"(at most {watch.kills * AT_ONCE + watch.late}); every batch's outputs equal to the serial run's.\n"
    )


if __name__ == "__main__":
    main()
