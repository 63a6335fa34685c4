"""Having the checks done, each in a child process with a timeout: a crash and a hang are findings, not an end.

examine(files) ── checks that may be done ──> children (`child`) ──> one Finding for each assumption
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from orcabatch.console import awaited, awaited_end, exit_code_text, no_python, own_python
from orcabatch.doctor.assumptions import ASSUMPTIONS, Assumption, Verdict
from orcabatch.doctor.child import MARK
from orcabatch.errors import SettingsError
from orcabatch.orcaflex.binding import library_of_children
from orcabatch.own_thread import OwnThread
from orcabatch.sleep import awake_s
from orcabatch.win32 import without_window

TIMEOUT_S = 120.0
"""For one check. A large file on a slow share takes longer to load: there, `--timeout`."""
_LEAVES_S = 10.0
"""How long a child may take to end, and what it said last to arrive. Shorter: one that gives a large file's memory back
is killed. Longer: one that hangs in the DLL is waited for in vain."""
_WORDS = 300
COMMAND = ["-c", "from orcabatch.doctor.child import main; main()"]
"""What Python is started with."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What is to be examined, and how far it may go.

    Attributes:
        files: the user's files; the first is asked.
        orcaflex: real or simulated.
        seats: licence seats that may be held at once.
        everything: also what could disturb the DLL or colleagues.
        timeout_s: for one check.
    """

    files: tuple[Path, ...]
    orcaflex: str = "real"
    seats: int = 1
    everything: bool = False
    timeout_s: float = TIMEOUT_S

    def hindrance(self, assumption: Assumption) -> str:
        """Why its check is not done; empty where it is."""
        asked = ["--all"] if assumption.disturbs and not self.everything else []
        asked += [f"--seats {assumption.seats}"] if assumption.seats > self.seats else []
        return f"not asked: that needs {' '.join(asked)}" if asked else ""


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one assumption.

    Attributes:
        name: of the assumption.
        verdict, said, figures: see `Answer`.
        seconds: that the check took.
    """

    name: str
    verdict: Verdict
    said: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


def examine(asked: Examination, tell: Callable[[str], None] = lambda _: None) -> list[Found]:
    """One finding for each assumption, in their order. `tell`: hears the name of each check as it begins.

    Raises:
        SettingsError: this program is no Python that a child process could run.
    """
    if why := no_python():
        raise SettingsError(f"OrcaFlex is asked in child processes: {why}")
    found: dict[str, Found] = {}
    for names in _sittings(asked):
        waiting = list(names)
        while waiting:
            for each in _child(asked, waiting, tell):
                found[each.name] = each
            done = [name for name in waiting if name in found]
            waiting = [name for name in waiting if name not in found] if done else []
        if found["file_loads"].verdict is not Verdict.HOLDS:
            break
    return [found.get(each.name) or _not_done(asked, each) for each in ASSUMPTIONS]


def _sittings(asked: Examination) -> Iterator[list[str]]:
    """Which checks share a child: those that ask one loaded model, those with own models, each that disturbs."""
    wanted = [each for each in ASSUMPTIONS if not asked.hindrance(each)]
    yield [each.name for each in wanted if each.loaded]
    yield [each.name for each in wanted if not each.loaded and not each.disturbs]
    yield from ([each.name] for each in wanted if each.disturbs)


def _not_done(asked: Examination, assumption: Assumption) -> Found:
    said = asked.hindrance(assumption) or "not asked: the file does not load"
    return Found(assumption.name, Verdict.UNTOLD, said)


def _child(asked: Examination, names: Sequence[str], tell: Callable[[str], None]) -> Iterator[Found]:
    """What a child finds until it ends, however it does: the check that it had begun by then is its last."""
    begun, since = names[0], awake_s()
    with _Child(asked, names) as child:
        while True:
            try:
                said = child.hears(since + asked.timeout_s)
            except queue.Empty:
                child.kill()
                words = f"no answer within {asked.timeout_s:g} s; the process was ended"
                yield Found(begun, Verdict.BROKEN, words, {"timeout_s": asked.timeout_s}, asked.timeout_s)
                return
            if said is None:
                break
            if "begins" in said:
                begun, since = said["begins"], awake_s()
                tell(begun)
                continue
            seconds = awake_s() - since
            yield Found(begun, Verdict(said["verdict"]), said["said"], said["figures"], seconds)
            if begun == names[-1]:
                return  # all was said; what it cannot tear down is of no use to anybody
        words, code = child.how_it_ended()
        yield Found(begun, Verdict.BROKEN, words, {"exit_code": code}, awake_s() - since)


class _Child:
    """A child process that was asked; it is gone at the end of the block."""

    def __init__(self, asked: Examination, names: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            own_python(*COMMAND),
            # Whatever the code page here.
            env={**os.environ, **library_of_children(), "PYTHONIOENCODING": "utf-8:backslashreplace"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            creationflags=without_window(),
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._words: list[str] = []
        streams = ((self._process.stdout, self._lines.put), (self._process.stderr, self._words.append))
        self._readers = [OwnThread(_read, "orcabatch-doctor-reads", each) for each in streams]
        try:
            for reader in self._readers:
                reader.start()
        except RuntimeError:
            self.kill()
            raise
        files = [str(file) for file in asked.files]
        question = {"orcaflex": asked.orcaflex, "files": files, "seats": asked.seats, "names": list(names)}
        if self._process.stdin is not None:
            with suppress(OSError):  # it is gone already; how it ended says more
                self._process.stdin.write(json.dumps(question))
                self._process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        try:
            if raised[0] is None:  # else, as after Ctrl-C, nobody waits for what it has to give back
                self._await_end()
        finally:
            self.kill()
        self._await_end()  # it may hang in a driver; it ends when that lets it go
        for reader, stream in zip(self._readers, (self._process.stdout, self._process.stderr), strict=True):
            # Else something that it started holds the pipe open.
            if awaited_end(reader, awake_s() + _LEAVES_S) and stream is not None:
                stream.close()

    def _await_end(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            awaited(self._process.wait, awake_s() + _LEAVES_S)

    def kill(self) -> None:
        """End it now."""
        with suppress(PermissionError):  # on Windows: it is ending already, and hangs in a driver
            self._process.kill()

    def hears(self, until: float) -> dict[str, Any] | None:
        """What it says next; None: it is done or gone. Raises queue.Empty once that time is over."""
        while (line := awaited(lambda piece_s: self._lines.get(timeout=piece_s), until)) is not None:
            if line.startswith(MARK):
                said: dict[str, Any] = json.loads(line.removeprefix(MARK))
                return said
        return None

    def how_it_ended(self) -> tuple[str, int]:
        """In words, and the exit code."""
        self._await_end()
        awaited_end(self._readers[1], awake_s() + (_LEAVES_S if self._process.returncode is not None else 0))
        code = self._process.returncode
        if code is None:
            return f"the process closed its output in the middle, and did not end within {_LEAVES_S:g} s", 0
        last = " ".join(line.strip() for line in self._words if line and line.strip())
        named = f"exit code {exit_code_text(code)}" if code >= 0 else f"signal {-code}"
        return f"the process ended in the middle ({named}){f': {last[:_WORDS]}' if last else ''}", code


def _read(stream: IO[str], put: Callable[[Any], None]) -> None:
    with suppress(ValueError):  # closed meanwhile
        for line in stream:
            put(line.rstrip("\n"))
    put(None)
