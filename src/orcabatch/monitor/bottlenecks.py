"""From evidence to a verdict, and to an advice in words.

`bottleneck_of` answers with the specification's four, in its order: I/O, CPU, memory, balanced; and with a fifth where
OrcaFlex's DLL lets in one call at a time, since waiting there looks like waiting for a disk. `findings` goes finer (the
interpreter lock, licence seats, memory admission, latency, stragglers) and says for each what was measured and what to
change. What cores, lock and DLL are to blame for is asked where the reasons of limits ask it
(`orcabatch.engine.bounds`). Pure: evidence in, words out. Where evidence comes from: `orcabatch.monitor.performance`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from orcabatch.engine.bounds import CORES_FULL, ROOM, Bound, bound_by
from orcabatch.engine.executors import facts_of
from orcabatch.engine.limits import WaitReason
from orcabatch.engine.options import START_COST_S

# In the specification's order. CPU and memory are its own; I/O it leaves open (`io_wait_threshold` of the monitor).
IO_THRESHOLD_PERCENT = 20.0
CPU_THRESHOLD_PERCENT = 100 * CORES_FULL
MEMORY_THRESHOLD_PERCENT = 80.0

# Lower, and what any run has for a moment is a finding; higher, and what costs time goes unsaid.
MEMORY_HELD = 0.2
"""Share of the slots' time held empty by memory above which a batch is bound by it."""

SLOTS_HELD = 0.1
"""Share of the time with slots held empty, by memory or for a licence seat, above which that is said."""

SEATS_FULL = 0.3
"""Share of the time with all licence seats in use, and files waiting, above which that is said."""

ANSWERS_WAITED = 0.4
"""Share of the workers' time spent waiting for OrcaFlex's answers above which that is said."""

SLOTS_DRAINED = 0.2
"""Share of the slots' time that is empty while the last files run above which that is said."""

OTHERS_TOOK = 0.25
"""Share of the CPU in use that other programs have, on a full machine, above which that is said. Lower: every machine
has some. Higher: a batch that gets half of a machine is told of nothing, though it would be faster alone."""

SEVERAL_IN_EACH = "`threading.mode: hybrid` (or `executor: threads`) waits for several at once"


class Bottleneck(StrEnum):
    """What holds a batch back."""

    IO_BOUND = "IO_BOUND"
    CPU_BOUND = "CPU_BOUND"
    MEMORY_BOUND = "MEMORY_BOUND"
    DLL_BOUND = "DLL_BOUND"
    BALANCED = "BALANCED"


def mean(values: Sequence[float]) -> float | None:
    """Mean of the finite values; None where there is none."""
    finite = [float(value) for value in values if abs(float(value)) < float("inf")]
    return sum(finite) / len(finite) if finite else None


def bottleneck_of(
    series: Mapping[str, Sequence[float]],
    io_threshold: float = IO_THRESHOLD_PERCENT,
    memory_held: float = 0.0,
    *,
    serialised: bool = False,
) -> Bottleneck:
    """The specification's rule on the five series; what was not measured binds nothing.

    A batch whose memory is watched stays below its cap, so `memory_usage` alone would never say that memory holds it
    back: slots that stay empty for want of memory say it too.

    Args:
        series: the five series by name; missing or empty ones are passed over.
        io_threshold: mean percent of I/O waiting above which a batch is bound by it.
        memory_held: share of the slots' time that was empty because nothing fitted into memory, 0 to 1.
        serialised: OrcaFlex's DLL lets in one call at a time: files wait there while they load, too.
    """
    if serialised:
        return Bottleneck.DLL_BOUND
    rules = (
        ("io_wait_time", io_threshold, Bottleneck.IO_BOUND),
        ("cpu_utilization", CPU_THRESHOLD_PERCENT, Bottleneck.CPU_BOUND),
        ("memory_usage", MEMORY_THRESHOLD_PERCENT, Bottleneck.MEMORY_BOUND),
    )
    for name, threshold, answer in rules:
        average = mean(series.get(name, ()))
        if average is not None and average > threshold:
            return answer
    return Bottleneck.MEMORY_BOUND if memory_held > MEMORY_HELD else Bottleneck.BALANCED


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured over a run; None and 0 stand for "nobody measured it".

    Attributes:
        io_wait_percent, cpu_percent, memory_percent: means of the series.
        host_cpu_percent: mean CPU use of the whole host, other programs included.
        io_threshold: percent of I/O waiting that makes the verdict.
        efficiency: busy worker seconds / (limit x wall), 0 to 1.
        cpus: CPUs the batch may use.
        wall_s: wall seconds so far.
        busy_s, cpu_s: worker seconds with a file, and CPU seconds used in them.
        extract_idle_s: seconds of extracting that used no CPU.
        lock_taken: share of the time the interpreter lock was held, 0 to 1.
        dll_waited: share of the workers' time in which they stood still in OrcaFlex's DLL for each other.
        dll_taken: seconds of calls a second that it returned, as they take alone, but for those about files.
        executor: threads, processes, ...; empty where nobody said.
        executor_why: why, where the run chose it by itself.
        threads_per_process: files that each worker process works on at once; 0 where nobody said.
        processes_save: share of the time that worker processes would have saved, where files might not go there.
        ceiling: files at once that the run looks for its count below, so that nobody need be told to; 0: it does not.
        limit: how many files might run at once (the highest).
        capacity_s: limit x wall.
        idle_s, idle_wall_s: slot seconds, and wall seconds, with empty slots, by reason (memory, seat, drain, other).
        seats: files at once that the licence seats allow; 0 where there is no limit.
        seats_full_s: wall seconds in which all of them were in use and files waited.
        longest_s: the longest file.
        files: files that were worked on.
    """

    io_wait_percent: float | None = None
    cpu_percent: float | None = None
    memory_percent: float | None = None
    host_cpu_percent: float | None = None
    io_threshold: float = IO_THRESHOLD_PERCENT
    efficiency: float | None = None
    cpus: float = 1.0
    wall_s: float = 0.0
    busy_s: float = 0.0
    cpu_s: float = 0.0
    extract_idle_s: float = 0.0
    lock_taken: float = 0.0
    dll_waited: float = 0.0
    dll_taken: float = 0.0
    executor: str = ""
    executor_why: str = ""
    threads_per_process: int = 0
    processes_save: float = 0.0
    ceiling: int = 0
    limit: int = 0
    capacity_s: float = 0.0
    idle_s: Mapping[str, float] = field(default_factory=dict)
    idle_wall_s: Mapping[str, float] = field(default_factory=dict)
    seats: int = 0
    seats_full_s: float = 0.0
    longest_s: float = 0.0
    files: int = 0

    @property
    def bound(self) -> Bound | None:
        """What all files share that was at its end."""
        return bound_by((self.cpu_percent or 0.0) / 100, self.lock_taken, self.dll_waited, self.dll_taken)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that held the batch back.

    Attributes:
        kind: io, cpu, memory, gil, dll, licence, admission, latency, others, stragglers.
        weight: how much it matters, 0 to 1, for sorting.
        evidence: what was measured, one sentence.
        advice: what to change, one sentence.
    """

    kind: str
    weight: float
    evidence: str
    advice: str


def findings(evidence: Evidence) -> list[Diagnosis]:
    """Everything worth saying about the evidence, the heaviest first."""
    found = [finding for rule in _RULES for finding in rule(evidence)]
    return sorted(found, key=lambda finding: -finding.weight)


def _io(seen: Evidence) -> Iterator[Diagnosis]:
    # A file that stands still in the DLL while it loads looks the same from outside.
    if seen.bound is Bound.DLL:
        return
    if seen.io_wait_percent is not None and seen.io_wait_percent > seen.io_threshold:
        yield Diagnosis(
            "io",
            seen.io_wait_percent / 100,
            f"workers spent {seen.io_wait_percent:.0f}% of their time waiting for input and output "
            f"(threshold {seen.io_threshold:g}%)",
            f"{_files_at_once(seen)}put the .sim files on a faster disk (`io.stage_inputs: true` copies them to "
            "`temp_directory` first)",
        )


def _files_at_once(seen: Evidence) -> str:
    """A disk that is busy wants fewer files at once, one that answers late wants more: that is found by trying."""
    if _one_in_each(seen):
        return f"each worker process waits for one file at a time: {SEVERAL_IN_EACH}, or "
    if seen.ceiling:
        return ""
    return (
        "let `mode: dynamic` find how many files at once are best (fewer where they delay each other, more where each "
        "only waits), or "
    )


def _one_in_each(seen: Evidence) -> bool:
    return _on_processes(seen) and seen.threads_per_process <= 1


def _on_threads(seen: Evidence) -> bool:
    facts = facts_of(seen.executor)
    return facts.in_process and facts.most_at_once != 1


def _on_processes(seen: Evidence) -> bool:
    facts = facts_of(seen.executor)
    return not facts.in_process and not facts.elsewhere


def _cpu(seen: Evidence) -> Iterator[Diagnosis]:
    if seen.cpu_percent is not None and seen.cpu_percent > CPU_THRESHOLD_PERCENT:
        yield Diagnosis(
            "cpu",
            seen.cpu_percent / 100,
            f"the batch used {seen.cpu_percent:.0f}% of the {seen.cpus:g} CPUs it may use",
            "this is what a well-used machine looks like: only more cores, or fewer results asked for, make it faster",
        )


def _memory(seen: Evidence) -> Iterator[Diagnosis]:
    if seen.memory_percent is not None and seen.memory_percent > MEMORY_THRESHOLD_PERCENT:
        yield Diagnosis(
            "memory",
            seen.memory_percent / 100,
            f"memory in use was {seen.memory_percent:.0f}% on average, other programs included",
            "close other programs, lower `max_threads`, or run on a machine with more memory",
        )


def _admission(seen: Evidence) -> Iterator[Diagnosis]:
    share = _wall_share(seen, WaitReason.MEMORY)
    if share > SLOTS_HELD:
        empty = seen.idle_s[WaitReason.MEMORY] / seen.idle_wall_s[WaitReason.MEMORY]
        yield Diagnosis(
            "admission",
            share * _slot_share(seen, WaitReason.MEMORY),
            f"memory left {empty:.0f} of {seen.limit} slots empty for {share:.0%} of the time",
            "raise `max_usage_percent`, close other programs, or run on a machine with more memory",
        )


def _licence(seen: Evidence) -> Iterator[Diagnosis]:
    share = _wall_share(seen, WaitReason.SEAT)
    if share > SLOTS_HELD:
        empty = seen.idle_s[WaitReason.SEAT] / seen.idle_wall_s[WaitReason.SEAT]
        yield Diagnosis(
            "licence",
            share * _slot_share(seen, WaitReason.SEAT),
            f"{empty:.0f} of {seen.limit} slots waited for a licence seat for {share:.0%} of the time",
            "raise `licences.max` if you have more seats, else set `max_threads` to the seats there are"
            if seen.seats
            else "raise `licences.ramp_up` if the licence server takes more requests a second",
        )
    full = share_of(seen.seats_full_s, seen.wall_s)
    if full > SEATS_FULL and (seen.cpu_percent or 0.0) <= CPU_THRESHOLD_PERCENT:
        yield Diagnosis(
            "licence",
            full,
            f"the licence seats allow {seen.seats} at once, and all were in use for {full:.0%} of the time while files "
            "waited",
            "raise `licences.max` (and `max_threads`) if you have more seats; without more of them nothing else helps",
        )


def _lock(seen: Evidence) -> Iterator[Diagnosis]:
    # On cores that others fill, nothing that could be changed here would make it faster.
    free = _busiest(seen) <= CPU_THRESHOLD_PERCENT
    if free and seen.bound is Bound.GIL and (_on_processes(seen) or _on_threads(seen)) and seen.files != 1:
        yield Diagnosis(
            "gil",
            seen.lock_taken,
            f"Python's interpreter lock (GIL) was taken {seen.lock_taken:.0%} of the time: Python code of one process "
            "runs on one core at a time, and threads wait for each other, not for the machine",
            _instead_of_threads(seen),
        )


def _instead_of_threads(seen: Evidence) -> str:
    if _on_processes(seen):
        return "use more worker processes (`process_count`), with fewer files at once in each (`threads_per_process`)"
    if seen.cpus < 2:
        return "worker processes would not be faster on one CPU: only less work in Python helps, or another machine"
    if not seen.processes_save and seen.wall_s * seen.lock_taken * (1 - 1 / seen.cpus) < START_COST_S:
        return (
            "none for a batch as short as this, since worker processes take some seconds to start; for longer ones use "
            "`executor: processes`, or `threading.mode: hybrid`"
        )
    if not seen.processes_save:
        return "use `executor: processes`, or `threading.mode: hybrid`"
    return _what_processes_save(seen)


def _what_processes_save(seen: Evidence) -> str:
    return (
        f"`executor: processes` would take about {seen.processes_save:.0%} less time; a function of yours goes there "
        "only where you say so"
    )


def _dll(seen: Evidence) -> Iterator[Diagnosis]:
    if seen.bound is Bound.DLL:
        yield Diagnosis(
            "dll",
            max(seen.dll_waited, min(1.0, seen.dll_taken)),
            f"the DLL serialises: for {seen.dll_waited:.0%} of the workers' time calls into OrcaFlex stood still for "
            f"others of this process{_in_a_call(seen)}, with the CPUs at {seen.cpu_percent or 0.0:.0f}% and Python's "
            f"lock taken {seen.lock_taken:.0%} of the time",
            _instead_of_one_dll(seen),
        )


def _in_a_call(seen: Evidence) -> str:
    return f", and for {min(1.0, seen.dll_taken):.0%} of the time it was in one of them" if seen.dll_taken else ""


def _instead_of_one_dll(seen: Evidence) -> str:
    if seen.processes_save:
        return _what_processes_save(seen)
    if seen.executor_why:
        return f"none: the run weighed worker processes, which have a DLL each, by itself ({seen.executor_why})"
    return "more threads do not help; `executor: processes` has a DLL for each worker"


def _latency(seen: Evidence) -> Iterator[Diagnosis]:
    share = seen.extract_idle_s / seen.busy_s if seen.busy_s > 0 else 0.0
    if share > ANSWERS_WAITED and seen.bound is None and _busiest(seen) < 100 * ROOM:
        yield Diagnosis(
            "latency",
            share,
            f"{share:.0%} of the workers' time went into waiting for answers while extracting, with the CPUs at "
            f"{seen.cpu_percent or 0.0:.0f}%",
            f"{_more_at_once(seen)}keep `broker.enabled: true` so that fewer questions are asked",
        )


def _more_at_once(seen: Evidence) -> str:
    if _one_in_each(seen):
        return f"run more files at once: {SEVERAL_IN_EACH}, and "
    if seen.ceiling > seen.limit:
        return ""  # the run looked for more, and stayed below what it may have
    return "run more files at once (raise `max_threads` and `thread_allocation`), and "


def _others(seen: Evidence) -> Iterator[Diagnosis]:
    host, own = seen.host_cpu_percent or 0.0, seen.cpu_percent or 0.0
    if seen.cpu_percent is not None and host > CPU_THRESHOLD_PERCENT and own < (1 - OTHERS_TOOK) * host:
        yield Diagnosis(
            "others",
            (host - own) / 100,
            f"the CPUs were {host:.0f}% in use, but by this batch only {own:.0f}%: other programs had the rest",
            "run the batch when the machine is free, or set `max_threads` lower",
        )


def _stragglers(seen: Evidence) -> Iterator[Diagnosis]:
    share = _slot_share(seen, "drain")
    if share > SLOTS_DRAINED and seen.limit > 1 and seen.files > 1:
        yield Diagnosis(
            "stragglers",
            share,
            f"{share:.0%} of the slots' time was empty while the last files ran; the longest file alone took "
            f"{seen.longest_s:.1f} of {seen.wall_s:.1f} s",
            "more workers do not help: the batch has too few files, or one that is too long; run it together with "
            "another batch in one call",
        )


def _busiest(seen: Evidence) -> float:
    """CPU in use, percent: of this batch's CPUs by itself, or of the whole host by everybody."""
    return max(seen.cpu_percent or 0.0, seen.host_cpu_percent or 0.0)


def _wall_share(seen: Evidence, reason: str) -> float:
    return share_of(seen.idle_wall_s.get(reason, 0.0), seen.wall_s)


def _slot_share(seen: Evidence, reason: str) -> float:
    return share_of(seen.idle_s.get(reason, 0.0), seen.capacity_s)


def share_of(part: float, whole: float) -> float:
    """A share of a whole, 0 to 1; 0 where there is no whole."""
    return part / whole if whole > 0 else 0.0


_RULES = (_io, _cpu, _memory, _admission, _licence, _lock, _dll, _latency, _others, _stragglers)

_KINDS = {
    Bottleneck.IO_BOUND: {"io"},
    Bottleneck.CPU_BOUND: {"cpu"},
    Bottleneck.MEMORY_BOUND: {"memory", "admission"},
    Bottleneck.DLL_BOUND: {"dll"},
    Bottleneck.BALANCED: set(),
}


def ordered(answer: Bottleneck, evidence: Evidence) -> list[Diagnosis]:
    """The findings with the one that made the verdict first."""
    found = findings(evidence)
    return sorted(found, key=lambda finding: finding.kind not in _KINDS[answer])


def explanation(answer: Bottleneck, evidence: Evidence) -> str:
    """The verdict, its evidence and its advice as text of a few lines."""
    found = ordered(answer, evidence)
    lines = [f"{answer}: {_reason(answer, evidence)}"]
    lines += [f"- {finding.evidence}. Advice: {finding.advice}." for finding in found]
    return "\n".join(lines)


def _reason(answer: Bottleneck, seen: Evidence) -> str:
    measured = {
        "I/O waiting": seen.io_wait_percent,
        "CPU": seen.cpu_percent,
        "memory": seen.memory_percent,
    }
    known = ", ".join(f"{name} {value:.0f}%" for name, value in measured.items() if value is not None)
    if not known:
        return "nothing was measured yet."
    if answer is Bottleneck.DLL_BOUND:
        return f"calls into OrcaFlex wait for each other, which looks like waiting for files ({known})."
    if answer is Bottleneck.BALANCED:
        return f"none of the limits was passed ({known})."
    if answer is Bottleneck.MEMORY_BOUND and (seen.memory_percent or 0.0) <= MEMORY_THRESHOLD_PERCENT:
        return f"{known} on average, and memory that was set aside or in use kept files waiting."
    return f"{known} on average; the first limit passed in the order DLL, I/O, CPU, memory decides."
