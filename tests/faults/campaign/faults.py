"""Which faults there are, and which of them meet a run: data, and one pure draw by seed.

A seed gives the same case on every machine. Where a machine cannot inject a fault (a file system of a given size needs
root) the run goes without it, and the campaign counts that.
"""

from __future__ import annotations

import random
import signal
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FILES = 6
START_TIMEOUT_S = 20.0
"""Long enough for imports on a busy machine; twice as long without a byte read is below the watchdog's patience."""
TIMEOUT_S = 2.5
"""`timeout` of a case that needs one. Less: a busy machine is taken for a hang. More: a hang takes as long."""
IMPORTING_S = 10.0
"""So much more where each worker process imports digitalmodel with its first file. Less: on a busy machine no file of
it ends, and nothing is tried but that. More: a hang takes as long."""

IN_PROCESS = ("serial", "threads", "auto")
ELSEWHERE = ("processes", "hybrid", "dask")
EXECUTORS = (*IN_PROCESS, *ELSEWHERE)
OWN_THREADS = ("threads", "auto", "processes", "hybrid")
"""Where a file that hangs is given up: elsewhere it is the caller's own thread that hangs, or a worker of dask."""

BASES = ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError", "StrangeError", "MemoryError")
"""What a function or a value raises, by name; see `hostile.exception`."""


class Way(StrEnum):
    """How a fault reaches a run."""

    OUTSIDE = "outside"
    """The driver does it, at a moment."""
    FUNCTION = "function"
    """The post-process does it, with one file."""
    IMPORT = "import"
    """The module of the post-process does it, when a worker process imports it."""
    BEFORE = "before"
    """The child does it to itself before the run."""
    ORCAFLEX = "orcaflex"
    """The simulated OrcaFlex does it, with one file."""


class Harms(StrEnum):
    """Which files a fault may cost their results in the run that it meets."""

    NONE = "none"
    ITS_OWN = "its own"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is true of a fault whenever it is drawn.

    Attributes:
        way: how it reaches a run.
        harms: whose results it may cost.
        weight: how often it is drawn, beside the others.
        executors: where it can happen.
        function: it needs the campaign's own post-process; False: digitalmodel's batches can meet it too.
        timeout: the run needs a `timeout` to end.
        kills: the run itself may end without a word, by being killed.
        stops: the run may be interrupted.
        workers: worker processes may die of it, so that files are begun again.
        forgets: results may not be kept for the next run, which is said.
        harms_outputs: tables may not be written, of digitalmodel's first file too, which decides for all.
        unkept: its file's result may not be kept: it has no exact form, or the file was changed meanwhile.
        root: it needs the right to mount file systems.
        lasting: what it leaves in this process is not the run's to end: a thread that hangs, with its model.
        details: what is drawn of it besides file and moment.
    """

    way: Way
    harms: Harms
    weight: float = 1.0
    executors: tuple[str, ...] = EXECUTORS
    function: bool = True
    timeout: bool = False
    kills: bool = False
    stops: bool = False
    workers: bool = False
    forgets: bool = False
    harms_outputs: bool = False
    unkept: bool = False
    root: bool = False
    lasting: bool = False
    details: tuple[str, ...] = ("",)


def _signal(name: str) -> Kind:
    return Kind(
        Way.OUTSIDE, Harms.ANY, 1.5, function=False, stops=True, workers=True, details=("once", "twice", "thrice")
    )


_LITTLE = ("parent", "worker")
_WHERE = ("results", "state", "temporary")

KINDS: Mapping[str, Kind] = {
    "kill-tree": Kind(Way.OUTSIDE, Harms.ANY, 1.5, function=False, kills=True),
    "kill-parent": Kind(Way.OUTSIDE, Harms.ANY, 1.0, function=False, kills=True),
    "kill-worker": Kind(Way.OUTSIDE, Harms.ANY, 2.0, ELSEWHERE, function=False, workers=True),
    "kill-grandchild": Kind(Way.FUNCTION, Harms.NONE),
    "stop-worker": Kind(Way.OUTSIDE, Harms.NONE, 1.0, ELSEWHERE, function=False),
    "freeze-worker": Kind(
        Way.OUTSIDE, Harms.ANY, 1.5, ("processes", "hybrid"), function=False, timeout=True, workers=True
    ),
    "SIGINT": _signal("SIGINT"),
    "SIGTERM": _signal("SIGTERM"),
    "SIGHUP": _signal("SIGHUP"),
    "memory-limit": Kind(
        Way.OUTSIDE, Harms.ANY, 1.5, function=False, workers=True, forgets=True, harms_outputs=True, details=_LITTLE
    ),
    "descriptor-limit": Kind(
        Way.OUTSIDE, Harms.ANY, 1.5, function=False, workers=True, forgets=True, harms_outputs=True, details=_LITTLE
    ),
    "file-size-limit": Kind(
        Way.OUTSIDE, Harms.ANY, 1.0, function=False, workers=True, forgets=True, harms_outputs=True, details=_LITTLE
    ),
    "no-threads": Kind(Way.BEFORE, Harms.ANY, 1.0, function=False, forgets=True, details=("0", "1", "2", "3", "5")),
    "full-folder": Kind(
        Way.OUTSIDE, Harms.ANY, 1.5, function=False, forgets=True, harms_outputs=True, root=True, details=_WHERE
    ),
    "read-only-folder": Kind(
        Way.OUTSIDE, Harms.ANY, 1.0, function=False, forgets=True, harms_outputs=True, root=True, details=_WHERE
    ),
    "vanishing-folder": Kind(
        Way.OUTSIDE, Harms.ANY, 1.5, function=False, forgets=True, harms_outputs=True, details=(*_WHERE, "sims")
    ),
    "vanishing-input": Kind(Way.OUTSIDE, Harms.ITS_OWN, function=False, unkept=True),
    "cut-input": Kind(Way.OUTSIDE, Harms.ITS_OWN, function=False, unkept=True),
    "pipe-for-input": Kind(
        Way.OUTSIDE, Harms.ITS_OWN, 1.0, OWN_THREADS, timeout=True, lasting=True, workers=True, unkept=True
    ),
    "hanging-import": Kind(Way.IMPORT, Harms.ANY, 1.5, ("processes", "hybrid"), timeout=True, workers=True),
    "raising-import": Kind(Way.IMPORT, Harms.ANY, 1.0, ELSEWHERE, workers=True, details=BASES),
    "dying-import": Kind(Way.IMPORT, Harms.ANY, 1.0, ELSEWHERE, workers=True),
    "raises": Kind(Way.FUNCTION, Harms.ITS_OWN, 2.0, details=(*BASES, "ValueError")),
    "exits": Kind(Way.FUNCTION, Harms.ITS_OWN, 1.0, ELSEWHERE, workers=True),
    "kills-itself": Kind(Way.FUNCTION, Harms.ITS_OWN, 1.0, ELSEWHERE, workers=True),
    "packing-raises": Kind(Way.FUNCTION, Harms.ITS_OWN, 2.0, unkept=True, details=(*BASES, "ValueError")),
    "unpacking-raises": Kind(Way.FUNCTION, Harms.ITS_OWN, 2.0, unkept=True, details=(*BASES, "ValueError")),
    "unpackable": Kind(Way.FUNCTION, Harms.ITS_OWN, unkept=True),
    "oversized": Kind(Way.FUNCTION, Harms.ITS_OWN, 1.0, workers=True, details=("8", "64")),
    "oversized-where-memory-is-short": Kind(
        Way.FUNCTION, Harms.ITS_OWN, 1.5, workers=True, forgets=True, details=("8", "64", "400")
    ),
    "forks-and-keeps-pipes": Kind(Way.FUNCTION, Harms.NONE, 1.5),
    "forks-keeps-pipes-and-dies": Kind(Way.FUNCTION, Harms.ITS_OWN, 1.5, ("processes", "hybrid"), workers=True),
    "leaves-thread": Kind(Way.FUNCTION, Harms.NONE, details=("daemon", "joined")),
    "hangs": Kind(Way.FUNCTION, Harms.ITS_OWN, 1.5, OWN_THREADS, timeout=True, lasting=True, workers=True),
    "closes-descriptors": Kind(Way.FUNCTION, Harms.ITS_OWN, 1.5, ("processes", "hybrid"), workers=True),
    "closes-standard-streams": Kind(Way.FUNCTION, Harms.ITS_OWN, 1.0, ("processes", "hybrid"), workers=True),
    "writes-to-standard-output": Kind(Way.FUNCTION, Harms.NONE, 1.0, ("processes", "hybrid")),
    "leaves-no-working-folder": Kind(Way.FUNCTION, Harms.NONE),
    "recursion": Kind(Way.FUNCTION, Harms.ITS_OWN),
    "deep-value": Kind(Way.FUNCTION, Harms.ITS_OWN, unkept=True),
    "raises-half-a-letter": Kind(Way.FUNCTION, Harms.ITS_OWN),
    "load-crashes": Kind(Way.ORCAFLEX, Harms.ITS_OWN, 1.0, ELSEWHERE, function=False, workers=True),
    "load-hangs": Kind(
        Way.ORCAFLEX, Harms.ITS_OWN, 1.0, OWN_THREADS, function=False, timeout=True, lasting=True, workers=True
    ),
    "load-fails": Kind(Way.ORCAFLEX, Harms.ITS_OWN, 1.0, function=False),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a case.

    Attributes:
        kind: its name in `KINDS`.
        file: which file of the batch it is about, where it is about one.
        event: what it waits for: `begun`, or so many files `loaded`, or so many `ended`.
        count: how many.
        delay_s: how long after that.
        late: the function does it after it has computed its value, else before.
        room: what a limit leaves, in its own unit: descriptors, or pieces of memory or of a file.
        detail: one of the kind's.
    """

    kind: str
    file: int
    event: str
    count: int
    delay_s: float
    late: bool
    room: int
    detail: str

    @property
    def what(self) -> Kind:
        """What is true of it whenever it is drawn."""
        return KINDS[self.kind]

    def __str__(self) -> str:
        moment = f"{self.event} {self.count} +{self.delay_s * 1000:.0f} ms" if self.what.way is Way.OUTSIDE else ""
        return " ".join(filter(None, (self.kind, self.detail, moment)))


@dataclass(frozen=True, slots=True)
class Case:
    """One run and what meets it.

    Attributes:
        seed: draws it again.
        executor: one of `EXECUTORS`.
        work: `function`, or digitalmodel's batch by a `call` or by the `command`.
        faults: one, or two.
        healed_on: the executor of the run that follows.
    """

    seed: int
    executor: str
    work: str
    faults: tuple[Fault, ...]
    healed_on: str

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.work} on {self.executor}, {' and '.join(map(str, self.faults))}"

    @property
    def command(self) -> str:
        """What runs it again, alone."""
        same = draw(self.seed) == self
        named = "" if same else f" --kind {self.faults[0].kind} --executor {self.executor} --work {self.work}"
        return f"python -m tests.faults.campaign --seed {self.seed}{named}"

    def any(self, what: str) -> bool:
        """Whether it is true of one of the faults."""
        return any(getattr(fault.what, what) for fault in self.faults)

    @property
    def stops(self) -> bool:
        """Whether the run may be interrupted: by a signal, or by what Ctrl-C raises in the caller's own thread."""
        own = self.executor == "serial" and any(fault.detail == "KeyboardInterrupt" for fault in self.faults)
        return own or self.any("stops")

    @property
    def signals(self) -> frozenset[int]:
        """Which signals come, but for what Ctrl-C raises in the caller's own thread."""
        if any(fault.detail == "KeyboardInterrupt" for fault in self.faults):
            return frozenset()
        return frozenset(getattr(signal, fault.kind) for fault in self.faults if fault.what.stops)

    @property
    def leaves(self) -> bool:
        """Whether a second signal comes: the run waits no longer for what its threads have in hand."""
        return self._signals > 1

    @property
    def hurried(self) -> bool:
        """Whether so many come that the caller's own thread is torn out of what it does."""
        return self._signals > (1 if self.executor == "serial" else 2)

    @property
    def _signals(self) -> int:
        return sum(fault.what.details.index(fault.detail) + 1 for fault in self.faults if fault.what.stops)

    @property
    def spared(self) -> frozenset[int]:
        """The files that no fault may cost their results."""
        if any(fault.what.harms is Harms.ANY for fault in self.faults):
            return frozenset()
        own = {fault.file for fault in self.faults if fault.what.harms is Harms.ITS_OWN}
        return frozenset(range(FILES)) - own


def draw(seed: int, *, kind: str = "", executor: str = "", work: str = "") -> Case:
    """The case of a seed; what is named is not drawn."""
    drawn = random.Random(seed)
    work = work or drawn.choices(("function", "call", "command"), (12, 2, 2))[0]
    # Worker processes take seconds to begin, with digitalmodel many: the others run oftener in the same time.
    weights = (4, 8, 5, 2, 3, 0.4) if work == "function" else (4, 8, 0.5, 0.3, 3, 0)
    if not executor:
        executor = drawn.choices(("serial", "threads", "processes", "hybrid", "auto", "dask"), weights)[0]
    possible = {
        name: what.weight
        for name, what in KINDS.items()
        if executor in what.executors and (work == "function" or not what.function)
    }
    kinds = [kind or drawn.choices(list(possible), list(possible.values()))[0]]
    if drawn.random() < 0.25:
        kinds.append(drawn.choices(list(possible), list(possible.values()))[0])
    faults = tuple(_fault(drawn, name) for name in kinds)
    same = drawn.random() < 0.25 and work == "function" and executor != "dask"
    return Case(seed, executor, work, faults, executor if same else "serial")


def _fault(drawn: random.Random, kind: str) -> Fault:
    # A process that is short of anything before it has begun is not the run's affair.
    early = 0 if kind.endswith("-limit") else 1
    event = drawn.choices(("begun", "loaded", "ended"), (early, 5, 3))[0]
    return Fault(
        kind=kind,
        file=drawn.randrange(FILES),
        event=event,
        count=0 if event == "begun" else drawn.randint(1, FILES),
        delay_s=drawn.choice((0.0, 0.0, drawn.uniform(0.0, 0.01), drawn.uniform(0.0, 0.08))),
        late=drawn.random() < 0.5,
        room=drawn.randrange(12),
        detail=drawn.choice(KINDS[kind].details),
    )
