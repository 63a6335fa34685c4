"""What must hold of a run that met faults and of the run that follows: pure, over what was observed.

    judge(case, expected, harmed, healed) -> findings, none where all is well

What the documentation promises is the measure: a fault may cost the files that `faults.Kind.harms` names, and a killed
process the files that it had in hand. Nothing else may be lost, done twice, cut off, left behind or told otherwise.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orcabatch.batch.cache_keys import AGAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from faults.campaign.faults import Case

OK = frozenset({"ok", "skipped"})
STOPPED = frozenset({129, 130, 143})
AFTER = "interrupted after its end"
TRIES = 3
"""How often a file may be begun in one run where worker processes die: with others, again, and alone."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a plain loop makes of the files.

    Attributes:
        files: names, sorted.
        leader: the one whose stop time ends every series of digitalmodel's: the first as the folder itself lists them.
        values: by file; empty for digitalmodel.
        outputs: bytes by name of the output file; empty for functions.
    """

    files: tuple[str, ...]
    leader: str
    values: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """One run, as it was seen from outside.

    Attributes:
        code: the exit code; negative: the signal that ended it.
        hung: where its threads stood when the watchdog gave up; empty: it ended by itself.
        exits: the exit code that it meant to have; None: it was ended before.
        end: how the call ended: `done`, `interrupted`, the name of an error; None: it did not say.
        error: the error's text.
        outcomes: status by file, as the caller has them in hand; None: he has nothing.
        errors, causes: what is said of files without results.
        reported: status by file, as they were handed on one by one; the last attempt counts.
        late: files that were handed on so shortly before a kill that the ledger need not have them.
        values: by file.
        warnings: of the run as a whole.
        state: of the metrics in hand.
        metrics: the metrics file, also where it was taken away once it was written; None: the run wrote none, empty: it
            cannot be read.
        report: the report; empty: there is none.
        said: whatever was written to the terminal.
        begun, done: how often the function began and ended with each file in this run.
        loads: how often each file was loaded in this run.
        outputs: bytes by name of the output file.
        temporary, locks: names of files that were left.
        processes: what still ran.
        threads, descriptors, variables: what was left in the process.
        models: models that were never destroyed, in processes that were not killed.
        idle_s: the longest time in which nothing moved.
    """

    code: int
    hung: str = ""
    exits: int | None = None
    end: str | None = None
    error: str = ""
    outcomes: Mapping[str, str] | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    causes: Mapping[str, str] = field(default_factory=dict)
    reported: Mapping[str, str] = field(default_factory=dict)
    late: frozenset[str] = frozenset()
    values: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    state: str | None = None
    metrics: Mapping[str, Any] | None = None
    report: str = ""
    said: str = ""
    begun: Mapping[str, int] = field(default_factory=dict)
    done: Mapping[str, int] = field(default_factory=dict)
    loads: Mapping[str, int] = field(default_factory=dict)
    outputs: Mapping[str, bytes] = field(default_factory=dict)
    temporary: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    threads: tuple[str, ...] = ()
    descriptors: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    models: int = 0
    idle_s: float = 0.0

    @property
    def killed(self) -> bool:
        """Whether it was ended by force."""
        return self.exits is None and self.code < 0

    @property
    def ending(self) -> str:
        """How it ended, in a word."""
        if self.hung:
            return "hung"
        return f"signal {-self.code}" if self.killed else f"exit {self.code}"

    @property
    def statuses(self) -> Mapping[str, str]:
        """Status by file: what the caller has in hand; without that, the metrics file's, and what was handed on."""
        if self.outcomes is not None:
            return self.outcomes
        told = {_name(each["file"]): each["status"] for each in (self.metrics or {}).get("files", ())}
        return {**told, **self.reported}

    @property
    def finished(self) -> frozenset[str]:
        """The files that it says have results."""
        return frozenset(name for name, status in self.statuses.items() if status in OK)


def judge(case: Case, expected: Expected, harmed: Observed, healed: Observed) -> list[str]:
    """Everything that is not as it must be."""
    return [
        *(f"harmed run: {finding}" for finding in _of_harmed(case, expected, harmed)),
        *(f"next run: {finding}" for finding in _of_healed(case, expected, harmed, healed)),
    ]


def _of_harmed(case: Case, expected: Expected, run: Observed) -> Iterator[str]:
    if run.hung:
        yield f"hangs\n{run.hung}"
        return
    if run.killed:
        if not case.any("kills") and not _before_or_after(case, run):
            yield f"was ended by signal {-run.code}: {run.said[-1500:]}"
    else:
        yield from _truthful(case, run)
        yield from _clean(case, run)
    yield from _partial(expected, run)
    yield from _lost(case, expected, run)
    yield from _again(case, run)
    if run.processes:
        yield f"left processes: {', '.join(run.processes)}"


def _before_or_after(case: Case, run: Observed) -> bool:
    """Whether a signal came when no run listened to it: it ends the process, as it does any other."""
    return case.stops and (run.end is not None or bool(run.metrics) or not run.loads)


def _of_healed(case: Case, expected: Expected, before: Observed, run: Observed) -> Iterator[str]:
    if run.hung:
        yield f"hangs\n{run.hung}"
        return
    if run.code or run.exits is None:
        yield f"ends with {run.code}: {run.error} {run.errors} {run.said[-1500:]}"
        return
    yield from _truthful(case, run)
    yield from _clean(None, run)
    if run.processes:
        yield f"left processes: {', '.join(run.processes)}"
    lost = set(expected.files) - run.finished
    if lost:
        yield f"has no results of {', '.join(sorted(lost))}"
    if dict(run.outputs) != dict(expected.outputs):
        yield f"outputs differ from a plain loop's: {_differing(run.outputs, expected.outputs)}"
    wrong = [name for name, value in expected.values.items() if run.values.get(name) != value]
    if wrong:
        yield f"values differ from a plain loop's: {', '.join(wrong)}"
    yield from _twice(case, expected, before, run)


def _twice(case: Case, expected: Expected, before: Observed, run: Observed) -> Iterator[str]:
    """What was finished is not done again, what is skipped was finished, and nothing is done twice."""
    may_be_forgotten = _not_kept(case, expected, before)
    said = [line for line in (*run.warnings, *run.said.splitlines()) if AGAIN in line]
    for name, status in run.statuses.items():
        work = run.loads.get(name, 0)
        if status == "skipped" and work:
            yield f"{name} is said to be skipped and was loaded"
        if status == "ok" and work != 1:
            yield f"{name} was loaded {work} times"
        if status == "skipped" and not before.loads.get(name):
            yield f"{name} is skipped and was never loaded"
        if status == "ok" and name in before.finished - may_be_forgotten:
            yield f"{name} was finished and is done again: {' '.join(said) or 'nothing says why'}"
        if case.work == "function" and run.done.get(name, 0) != (status == "ok"):
            yield f"the function ran {run.done.get(name, 0)} times for {name}, which is {status}"


def _not_kept(case: Case, expected: Expected, before: Observed) -> frozenset[str]:
    """What the next run may do again: all of it where nothing could be kept, and what is not kept of one file.

    All of it as well where digitalmodel's leader failed: what the next file decided in its place holds no longer.
    """
    if case.any("forgets") or (case.work != "function" and before.statuses.get(expected.leader) == "failed"):
        return frozenset(expected.files)
    own = frozenset(expected.files[fault.file] for fault in case.faults if fault.what.unkept)
    return own | before.late if before.killed else own


def _truthful(case: Case, run: Observed) -> Iterator[str]:
    """Exit code, what the caller has in hand, metrics and report tell the same."""
    if run.exits is None or run.exits != run.code:
        yield f"ends with {run.code}, a traceback: {run.said[-2500:]}"
        return
    # A second Ctrl-C in the middle of a call of the simulated DLL, which is Python: the real one has no such place.
    simulated = case.hurried and "on calling ctypes callback" in run.said
    if "Traceback (most recent call last)" in run.said and not simulated:
        yield f"shows a traceback: {run.said[-2500:]}"
    yield from _code(case, run)
    yield from _metrics(run)
    yield from _in_hand(run)


def _code(case: Case, run: Observed) -> Iterator[str]:
    """The exit code tells how the files ended."""
    statuses = set((run.outcomes or {}).values())
    if run.code in STOPPED and not case.stops:
        yield f"says that it was interrupted ({run.code}), and nobody did"
    if run.code in STOPPED and case.signals and run.code - 128 not in case.signals:
        yield f"says that it was stopped by signal {run.code - 128}, and got {sorted(case.signals)}"
    if run.code == 2 and run.finished:
        yield f"says that nothing could run, and {len(run.finished)} files have results: {run.error} {run.said[-500:]}"
    if run.code not in {0, 1, 2, *STOPPED}:
        yield f"ends with an unknown exit code: {run.code}"
    if run.code == 0 and not statuses <= OK:
        yield f"ends with 0 and has files without results: {run.outcomes}"
    if run.end == "done" and run.code and statuses <= OK:
        yield f"ends with {run.code} though all files have results"


def _in_hand(run: Observed) -> Iterator[str]:
    """The result tells what was handed on, and why files have no results; so does the report."""
    for name, status in run.reported.items():
        if run.outcomes is not None and run.outcomes.get(name) != status:
            yield f"{name} was handed on as {status} and is {run.outcomes.get(name)} in the result"
    for name, error in run.errors.items():
        if not error or error == "None":
            yield f"{name} has no results, and nothing says why"
        elif run.report and name.removesuffix(".sim") not in run.report:
            yield f"the report does not name {name}, which has no results"


def _metrics(run: Observed) -> Iterator[str]:
    """The metrics file tells the same, or that it is missing is said."""
    if run.metrics:
        yield from _state(run, run.metrics["state"])
        yield from _counts(run, run.metrics)
    elif run.metrics is not None:
        yield "the metrics file is cut off"
    elif run.code in {0, 1} and run.end != "BatchError" and "metrics" not in " ".join((*run.warnings, run.said)):
        yield "there are no metrics, and nothing says so"


def _state(run: Observed, state: str) -> Iterator[str]:
    stopped = run.code in STOPPED
    # A signal that came when everything was done ends the script, not the run: nothing may be missing then.
    after = stopped and state == "finished" and (AFTER in run.error or AFTER in run.said or run.outcomes is None)
    if after and "cancelled" in run.statuses.values():
        yield "is said to be interrupted after its end, and has files that were cancelled"
    if stopped != (state == "interrupted") and state != "failed" and not after:
        yield f"the metrics say {state}, the exit code {run.code}"
    if run.code == 0 and state != "finished":
        yield f"the metrics say {state}, the exit code 0"
    if run.state is not None and run.state != state:
        yield f"the metrics file says {state}, the result {run.state}"


def _counts(run: Observed, metrics: Mapping[str, Any]) -> Iterator[str]:
    told = {_name(each["file"]): each["status"] for each in metrics["files"]}
    counted = Counter(told.values())
    if any(metrics["summary"][status] != counted[status] for status in ("ok", "failed", "skipped", "cancelled")):
        yield f"the metrics' summary {metrics['summary']} is not the sum of its files {dict(counted)}"
    if run.code == 0 and not set(counted) <= OK:
        yield f"ends with 0, and the metrics count {dict(counted)}"
    # A report that was asked for is made of the metrics, when all else is done: where it fails, that is said, with a 1.
    reported = "the report is not written" not in run.said
    if run.code == 1 and set(counted) <= OK and metrics["state"] == "finished" and reported:
        yield "ends with 1, and all is well in the metrics"
    if run.outcomes is not None and told != dict(run.outcomes):
        yield f"the metrics say {told}, the result {dict(run.outcomes)}"


def _clean(case: Case | None, run: Observed) -> Iterator[str]:
    """Nothing is left behind by a run that ended."""
    # Where a folder has become read-only, what stood in it cannot be removed.
    kept = case is not None and any(fault.kind == "read-only-folder" for fault in case.faults)
    if (run.temporary or run.locks) and not kept:
        yield f"left temporary files: {', '.join((*run.temporary, *run.locks))}"
    if case is not None and case.executor == "dask":
        return  # dask.distributed keeps a thread, a pipe and its settings for the next cluster
    if run.variables:
        yield f"left variables: {', '.join(run.variables)}"
    lasting = case is not None and (case.any("lasting") or case.leaves)
    if run.threads and not lasting:
        yield f"left threads: {', '.join(run.threads)}"
    # What a third signal tears the caller's own thread out of may be the reading of a counter, between open and close.
    torn = case is not None and case.hurried
    descriptors = [name for name in run.descriptors if not (torn and name.endswith("/statm"))]
    # A thread cannot be killed: one that was left has its file, and its own counters, as long as it works on it.
    if descriptors and not (lasting and any("worker" in name for name in run.threads)):
        yield f"left descriptors: {', '.join(descriptors)}"
    if run.models and not (case is not None and (lasting or case.any("workers"))):
        yield f"left {run.models} models"


def _partial(expected: Expected, run: Observed) -> Iterator[str]:
    """An output is whole or not there; what all files decide together may be of those that there are."""
    for name, content in run.outputs.items():
        whole = expected.outputs.get(name)
        if whole is None or content == whole or _common(name, expected):
            continue
        if not (_led_by_another(expected, run) and _as_far(content, whole)):
            yield f"{name} is not whole: {len(content)} bytes of {len(whole)}"


def _led_by_another(expected: Expected, run: Observed) -> bool:
    """Whether the file whose stop time ends every series has no results: the next one's does."""
    return run.statuses.get(expected.leader) not in OK


def _as_far(content: bytes, whole: bytes) -> bool:
    """Whether it is the same series to another whole row."""
    return content.endswith(b"\n") and (whole.startswith(content) or content.startswith(whole))


def _common(name: str, expected: Expected) -> bool:
    """Whether the table is of all files together."""
    return not any(file.removesuffix(".sim") in name for file in expected.files)


def _lost(case: Case, expected: Expected, run: Observed) -> Iterator[str]:
    """A file that no fault concerns has its results, and every file ended somehow."""
    if run.killed or run.code == 2:
        return
    missing = set(expected.files) - set(run.statuses)
    if missing and run.end in {"done", "BatchError"}:
        yield f"nothing is said of {', '.join(sorted(missing))}"
    if run.code in STOPPED:
        return
    for index in sorted(case.spared):
        name = expected.files[index]
        if name not in run.finished and "timeout" not in run.causes.get(name, ""):
            yield f"{name} has no results, and no fault was about it: {run.errors.get(name)}"
    others = {expected.files[fault.file] for fault in case.faults if fault.what.unkept}
    for name, value in run.values.items():
        if expected.values and name not in others and value != expected.values[name]:
            yield f"the value of {name} is another than a plain loop's"


def _again(case: Case, run: Observed) -> Iterator[str]:
    """A file is loaded once in a run, and again only where what had it died."""
    most = TRIES if case.any("workers") or case.executor == "auto" else 1
    if case.work != "function" and case.any("harms_outputs"):
        most += len(run.loads)  # each file whose table cannot be written may have decided for all others
    for name, count in run.loads.items():
        if count > most:
            yield f"{name} was loaded {count} times in one run"
    for name in run.finished:
        if run.statuses[name] == "ok" and case.work == "function" and not run.done.get(name):
            yield f"{name} is said to be ok, and the function never ended for it"


def _differing(found: Mapping[str, bytes], expected: Mapping[str, bytes]) -> str:
    names = sorted({*found, *expected})
    return ", ".join(name for name in names if found.get(name) != expected.get(name))


def _name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]
