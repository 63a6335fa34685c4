"""The proof's machinery: references from digitalmodel itself, runs through orcabatch, comparison byte by byte."""

from __future__ import annotations

import copy
import json
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orcabatch.digitalmodel.batch import Conclusion, DigitalModelBatch
from orcabatch.engine.contract import Note, Task
from orcabatch.orcaflex.work import OrcaFlexRecipe, TaskPayload
from orcabatch.outcome import FileOutcome, Phase, Status
from orcabatch.settings import Settings, parse_settings

REFERENCE = Path(__file__).parents[1] / "digitalmodel" / "reference.py"
SIMULATED_ONLY = ("orcabatch", "orcabatch.simulated")


class Reference:
    """A process that runs digitalmodel's serial loop and has never imported orcabatch."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        self._process = subprocess.Popen(
            [sys.executable, str(REFERENCE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, cfg: Mapping[str, Any]) -> dict[str, Any]:
        """Digitalmodel's run over this configuration: its error as text, and its configuration afterwards."""
        self._count += 1
        job = self._folder / f"job{self._count}.pickle"
        job.write_bytes(pickle.dumps({"cfg": dict(cfg)}))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(str(job)), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        for name in answer["modules"]:
            assert name in SIMULATED_ONLY or name.startswith("orcabatch.simulated."), f"the reference imported {name}"
        return answer

    def close(self) -> None:
        self._process.communicate()


@dataclass
class Clock:
    """A phase clock that only remembers what it was told."""

    entered: list[Phase] = field(default_factory=list)

    def enter(self, phase: Phase) -> None:
        self.entered.append(phase)


def settings(**section: Any) -> Settings:
    """The `performance:` section with these keys."""
    return parse_settings(section)


def with_output(cfg: Mapping[str, Any], folder: Path, files: Sequence[Any] | None = None) -> dict[str, Any]:
    """A copy of the configuration that writes to `folder`, over other files where they are given."""
    folder.mkdir(parents=True, exist_ok=True)
    own: dict[str, Any] = copy.deepcopy(dict(cfg))
    own["Analysis"]["result_folder"] = str(folder)
    if files is not None:
        own["file_management"]["input_files"]["sim"] = list(files)
    return own


def contents(folder: Path) -> dict[str, bytes]:
    """The result files of a folder; the list of failed files is not one of digitalmodel's."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("_failed_files.csv")}


def assert_identical(ours: Path, theirs: Path) -> None:
    """The same files with the same bytes; nothing temporary left behind."""
    ours_by_name, theirs_by_name = contents(ours), contents(theirs)
    assert sorted(ours_by_name) == sorted(theirs_by_name)
    for name, expected in theirs_by_name.items():
        assert ours_by_name[name] == expected, name


@dataclass
class Run:
    """A finished run through orcabatch."""

    batch: DigitalModelBatch
    outcomes: list[FileOutcome]
    conclusion: Conclusion
    started: list[int]

    @property
    def stand(self) -> list[int]:
        return [i for i, outcome in enumerate(self.outcomes) if outcome.ok]


def run(cfg: Any, threads: int, **changes: Any) -> Run:
    """Run a batch on threads: a dispatcher reduced to the contract between job and worker."""
    batch = DigitalModelBatch.from_cfg(cfg, settings=settings(**changes))
    dispatcher = Dispatcher(batch, threads)
    outcomes = dispatcher.run()
    return Run(batch, outcomes, batch.conclude(outcomes), dispatcher.started)


class Dispatcher:
    """Starts whatever is ready, on any free thread; outcomes and notes come back through one queue."""

    def __init__(self, batch: DigitalModelBatch, threads: int) -> None:
        self.batch, self.threads = batch, min(threads, max(len(batch.files), 1))
        self.recipe = OrcaFlexRecipe({batch.name: batch.postprocess}, orcaflex="simulated", broker=None)
        self.inbox: queue.Queue[Callable[[], Any]] = queue.Queue()
        self.work: queue.Queue[Task | None] = queue.Queue()
        self.waiting = list(range(len(batch.files)))
        self.outcomes: dict[int, FileOutcome] = {}
        self.started: list[int] = []
        self.running = 0

    def run(self) -> list[FileOutcome]:
        workers = [threading.Thread(target=self._work) for _ in range(self.threads)]
        for worker in workers:
            worker.start()
        try:
            self._dispatch()
        finally:
            for _ in workers:
                self.work.put(None)
            for worker in workers:
                worker.join()
        return [self.outcomes[i] for i in range(len(self.batch.files))]

    def _dispatch(self) -> None:
        while self.waiting or self.running:
            for i in [i for i in self.waiting if self.running < self.threads and self.batch.ready(i)]:
                if self.running < self.threads and self.batch.ready(i):
                    self.waiting.remove(i)
                    self.running += 1
                    self.started.append(i)
                    self.work.put(self._task(i))
            assert self.running, "everything waits"
            self.waiting += self.inbox.get(timeout=100)()

    def _task(self, i: int) -> Task:
        file = self.batch.files[i]
        return Task(i, file, (self.batch.name,), 0, 0, payload=TaskPayload({self.batch.name: self.batch.payload(i)}))

    def _work(self) -> None:
        worker = self.recipe.open_worker(self._note)
        try:
            while (task := self.work.get()) is not None:
                outcome = self._outcome(worker, task)
                self.inbox.put(lambda outcome=outcome: self._ended(outcome))
        finally:
            worker.close()

    def _outcome(self, worker: Any, task: Task) -> FileOutcome:
        phase, clock, name = Phase.LOAD, Clock(), self.batch.name
        try:
            try:
                worker.load(task)
                phase = Phase.EXTRACT
                extracted = worker.extract(task, name, clock)
            finally:
                worker.release(task)
            phase = Phase.WRITE
            if extracted.later is not None:
                extracted.later.write()
        except Exception as error:  # noqa: BLE001 - a worker may raise anything
            failure = self.recipe.explain(error, task, phase)
            said = {
                "error": str(failure),
                "traceback": failure.traceback,
                "cause": failure.cause,
                "failed_phase": phase,
            }
            return FileOutcome(task.file, name, Status.FAILED, index=task.index, **said)
        return FileOutcome(task.file, name, Status.OK, extracted.value, warnings=extracted.warnings, index=task.index)

    def _note(self, note: Note) -> None:
        self.inbox.put(lambda: self.batch.noted(note.index, note.subject, note.content))

    def _ended(self, outcome: FileOutcome) -> tuple[int, ...]:
        self.running -= 1
        self.outcomes[outcome.index] = outcome
        return self.batch.finished(outcome.index, outcome)
