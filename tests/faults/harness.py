"""Projects to harm, processes that are harmed, and what must hold afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import yaml

from orcabatch import simulated
from orcabatch.store.atomic import TEMPORARY_PREFIX

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
PATIENCE_S = 120.0


class Server:
    """The process that forks batches."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._answer() == "ready"

    def start(self, job: dict[str, Any]) -> int:
        """The id of a new process that does the job."""
        return int(self._ask(job))

    def wait(self, pid: int) -> int:
        """The exit code of one of them; negative: the signal that ended it."""
        return int(self._ask({"wait": pid}))

    def close(self) -> None:
        self._process.communicate()

    def _ask(self, question: dict[str, Any]) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@dataclass
class Child:
    """A batch that runs in a process of its own."""

    server: Server
    pid: int
    stdout: Path
    stderr: Path
    code: int | None = None
    _read: int = 0

    def lines(self) -> list[dict[str, Any]]:
        """All it has said so far; a line that a kill cut off is left out."""
        text = self.stdout.read_bytes()
        return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]

    def until(self, condition: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Wait until what it said meets the condition, or it has ended."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            ended = not alive(self.pid)
            said = self.lines()
            if condition(said) or ended:
                return said
            os.sched_yield()
            _pause(0.005)
        raise AssertionError(f"it never came: {self.stderr.read_text()[-2000:]}")

    def said(self, *keys: str) -> list[dict[str, Any]]:
        """The lines with one of these keys."""
        return [line for line in self.lines() if any(key in line for key in keys)]

    def signal(self, signum: int) -> None:
        os.kill(self.pid, signum)

    def kill_tree(self) -> None:
        """SIGKILL for the process and all below it, at once, as a power cut."""
        tree = _tree(self.pid)
        for process in tree:
            _signal(process, signal.SIGSTOP)
        for process in {*tree, *_tree(self.pid)}:
            _signal(process, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        if self.code is None:
            deadline = time.monotonic() + PATIENCE_S
            while alive(self.pid):
                assert time.monotonic() < deadline, f"it does not end: {self.stderr.read_text()[-2000:]}"
                _pause(0.02)
            self.code = self.server.wait(self.pid)
        return self.code

    @property
    def end(self) -> dict[str, Any]:
        """How it says that it ended."""
        self.wait()
        ends = self.said("end")
        assert ends, self.stderr.read_text()[-3000:]
        return ends[-1]


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and is not waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _tree(pid: int) -> set[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return {root, *root.children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


def _signal(process: psutil.Process, signum: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signum)


def _pause(seconds: float) -> None:
    """Between two looks at a condition: 200 looks per second are enough."""
    time.sleep(seconds)


@dataclass
class Project:
    """Simulated files with a digitalmodel YAML over them, a state folder and counters of their own.

    Attributes:
        values: what a function made of the files, where that was asked.
    """

    folder: Path
    server: Server
    costs: simulated.Costs = field(default_factory=simulated.Costs)
    runs: int = 0
    values: Any = None

    @classmethod
    def made(cls, folder: Path, server: Server, *, files: int = 12, **costs: Any) -> Project:
        """The smaller example batch with that many files."""
        folder.mkdir(parents=True, exist_ok=True)
        generate = runpy.run_path(str(EXAMPLES / "generate_sims.py"))["generate_sims"]
        generate(folder / "sims", lngc=0, standard=files, scale=0.1)
        shutil.copyfile(EXAMPLES / "dm_fsts.yml", folder / "dm_fsts.yml")
        return cls(folder, server, simulated.Costs(**costs))

    @property
    def sims(self) -> list[Path]:
        return sorted((self.folder / "sims").glob("*.sim"))

    @property
    def results(self) -> Path:
        return self.folder / "results" / "fsts"

    @property
    def environ(self) -> dict[str, str]:
        return {
            "XDG_STATE_HOME": str(self.folder / "state"),
            "ORCABATCH_SIMULATED_COUNTERS": str(self.folder / "counters"),
            **self.costs.to_env(),
        }

    @property
    def ledger(self) -> Path:
        return self.folder / "state" / "orcabatch" / "ledger.db"

    def change(self, **sections: Any) -> None:
        """Change the YAML at its top level."""
        target = self.folder / "dm_fsts.yml"
        target.write_text(yaml.safe_dump({**yaml.safe_load(target.read_text()), **sections}, sort_keys=False))

    def start(self, *, performance: dict[str, Any] | None = None, **job: Any) -> Child:
        """Begin to run the YAML, or what `source` and `function` say."""
        self.runs += 1
        arguments = {"performance": performance or {}, **job.pop("arguments", {})}
        out, err = (self.folder / f"run{self.runs}.{kind}" for kind in ("out", "err"))
        out.touch()
        err.touch()
        full = {"source": str(self.folder / "dm_fsts.yml"), "arguments": arguments, "environ": self.environ, **job}
        full |= {"folder": str(self.folder), "stdout": str(out), "stderr": str(err)}
        return Child(self.server, self.server.start(full), out, err)

    def run(self, **job: Any) -> Child:
        """Run it to its end."""
        child = self.start(**job)
        child.wait()
        return child

    def loads(self) -> dict[str, int]:
        """How often each file was loaded, by all processes so far."""
        found: dict[str, int] = {}
        for path in (self.folder / "counters").glob("*.loads"):
            for line in path.read_bytes().splitlines():
                if line.endswith(b"]"):
                    name = Path(json.loads(line)[0]).name
                    found[name] = found.get(name, 0) + 1
        return found

    def kept(self) -> set[str]:
        """Names of the files whose results are in the ledger."""
        ledgers = [sqlite3.connect(path) for path in (self.folder / "state").rglob("*.db")]
        query = "SELECT file FROM entries WHERE kind = 'result'"
        found = {Path(file).name for ledger in ledgers for (file,) in ledger.execute(query)}
        for ledger in ledgers:
            ledger.close()
        return found

    def outputs(self) -> dict[str, bytes]:
        """The result files: all but metrics and logs."""
        return {path.name: path.read_bytes() for path in sorted(self.results.glob("*.csv"))}

    def leftovers(self) -> list[str]:
        """What a run must not leave behind: temporary files, locks, other processes."""
        found = [path.name for path in self.results.rglob("*") if path.name.startswith(TEMPORARY_PREFIX)]
        found += [path.name for path in self.results.rglob("*.lock")]
        return found + [f"process {process.pid}" for process in self._processes()]

    def _processes(self) -> Iterator[psutil.Process]:
        """Processes that have this project's state folder in their environment."""
        for process in psutil.process_iter():
            try:
                if process.environ().get("XDG_STATE_HOME") == self.environ["XDG_STATE_HOME"]:
                    yield process
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue

    def gone(self) -> None:
        """Wait until no process of this project lives; worker processes notice the death of their parent themselves."""
        deadline = time.monotonic() + PATIENCE_S
        while list(self._processes()):
            assert time.monotonic() < deadline, "a process outlived its batch"
            _pause(0.01)


def moment(draw: random.Random, child: Child, lines: int) -> None:
    """Wait for a random moment of a run that says about so many lines: a line, and up to a quarter of a second more."""
    wanted = draw.randrange(lines)
    child.until(lambda said: len(said) > wanted)
    deadline = time.monotonic() + draw.uniform(0.0, 0.25)
    child_pid = child.pid
    while time.monotonic() < deadline and alive(child_pid):
        os.sched_yield()
