"""What the engine chooses against the best it could have chosen, over a native DLL whose costs are known.

    case (costs of the DLL, work of a function) ── a fresh process (`choices_side`), idle and beside busy programs
        the default run; fixed counts of threads; the plain loop, where it takes no longer than `HOPELESS` of them

The best fixed count is found on the first rounds and compared with the default run on the others. Each ratio is made
within a round. Asserts nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.lock import busy
from benchmarks.native import answers
from orcabatch.bench.findings import Findings

SIDE = Path(__file__).with_name("choices_side.py")
HOPELESS = 3.0
"""A count that takes so many times the best of a first round is not run again."""
SHORT_S, OFTEN = 2.0, 3
"""A batch that takes less in the best of its counts' first runs is run so many times as often: beside other programs
such runs differ by half.
Shorter, or less often: what is compared is the noise. Longer, or more often: the suite takes an hour."""
MEDIAN, WORST = 1.08, 1.25
"""The aim: the default run's seconds over those of the best fixed count."""
DEFAULT, LOOP = 0, -1
"""Instead of a count: the run as it comes, and the plain loop."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of batch.

    Attributes:
        name: what limits it.
        files: how many.
        costs: of the DLL, by name (`native/small.c`).
        calls, names, python_s: what the function does with each file: calls into the DLL, rounds of names of all
            objects, seconds of Python.
        uneven: every other file has so many times the calls.
        counts: of threads that are compared.
        loop: the plain loop takes part.
    """

    name: str
    files: int
    costs: Mapping[str, float] = field(default_factory=dict)
    calls: int = 0
    names: int = 0
    python_s: float = 0.0
    uneven: int = 1
    counts: Sequence[int] = (1, 2, 4, 8)
    loop: bool = False


MANY = (4, 15, 30, 45)
CASES = (
    Case("tiny calls", 48, names=120, counts=(1, 2, 4), loop=True),
    Case("tiny calls, six long files", 6, names=1000, counts=(1, 2, 4), loop=True),
    Case("Python", 48, calls=2, python_s=0.06, counts=(1, 2, 4), loop=True),
    Case("native passes", 48, {"pass_ms": 12}, calls=10, loop=True),
    Case("one lock, many calls", 48, {"one_lock": 1, "pass_sleep_ms": 10, "load_s": 0.2}, calls=10, loop=True),
    Case("one lock, few long calls", 48, {"one_lock": 1, "pass_sleep_ms": 50, "load_s": 0.2}, calls=2),
    Case("one lock, native passes", 48, {"one_lock": 1, "pass_ms": 10, "load_s": 0.2}, calls=10),
    Case("waiting", 120, {"load_s": 0.8, "pass_sleep_ms": 200}, calls=1, counts=MANY),
    Case("waiting, many", 464, {"load_s": 1.5}, calls=1, counts=MANY),
    Case("a disk", 60, {"queue_s": 0.05, "pass_ms": 10}, calls=4),
    Case("short, mixed", 120, {"load_s": 0.1, "pass_ms": 2}, calls=2, uneven=5, counts=MANY),
    Case("waiting and passes", 60, {"load_s": 0.4, "pass_ms": 10}, calls=5, uneven=3, counts=(2, 4, 8, 16, 30)),
)


def suite(folder: Path, *, rounds: int = 3, quick: bool = False, say: Say = lambda _: None) -> Findings:
    """All cases, idle and beside two busy programs."""
    found = Findings("choices", unit="seconds of the default run over those of the best fixed count of threads")
    ratios: list[float] = []
    for programs in (0,) if quick else (0, 2):
        with busy(programs):
            for case in CASES:
                runs = compete(case, folder, rounds=max(2, rounds))
                best, ratio = compared(runs)
                ratios.append(ratio)
                found.bars.append((f"{case.name}, {programs} busy programs", ratio))
                found.rows.append(_row(case, runs, programs, best, ratio))
                say(f"  {found.rows[-1]}")
    found.notes.append(
        f"Median {statistics.median(ratios):.2f} (aim {MEDIAN}), worst {max(ratios):.2f} (aim {WORST}), {len(ratios)} "
        "cases. Executors are threads: a function of yours goes nowhere else by itself."
    )
    return found


def compete(case: Case, folder: Path, *, rounds: int) -> dict[int, list[dict[str, Any]]]:
    """Runs by count, the default among them; every other round in reverse order; short runs more `OFTEN`."""
    counts = [DEFAULT, *([LOOP] if case.loop else []), *case.counts]
    runs: dict[int, list[dict[str, Any]]] = {count: [] for count in counts}
    for number in range(rounds * OFTEN):
        fastest = min((kept[0]["wall_s"] for kept in runs.values() if kept), default=0.0)
        if number >= rounds and fastest > SHORT_S:
            break
        some = [c for c in counts if not number or c == DEFAULT or runs[c][0]["wall_s"] <= HOPELESS * fastest]
        for ran in measured(case, some if number % 2 == 0 else some[::-1], folder):
            runs[ran["at_once"]].append(ran)
    return runs


def compared(runs: Mapping[int, Sequence[Mapping[str, Any]]]) -> tuple[int, float]:
    """The best count of the first half of the rounds, and the default's time over its, on the rest: the median."""
    rounds = len(runs[DEFAULT])
    found = max(1, rounds // 2)
    fixed = {count: kept for count, kept in runs.items() if count > 0 and len(kept) == rounds}
    best = min(fixed, key=lambda count: statistics.median(ran["wall_s"] for ran in fixed[count][:found]))
    pairs = zip(runs[DEFAULT][found:], fixed[best][found:], strict=True)
    return best, statistics.median(mine["wall_s"] / theirs["wall_s"] for mine, theirs in pairs)


def measured(case: Case, counts: Sequence[int], folder: Path) -> Iterator[dict[str, Any]]:
    """One run for each count, in one fresh process, after one that imports everything."""
    work = {"calls": case.calls, "names": case.names, "python_s": case.python_s, "uneven": case.uneven}
    yield from answers(SIDE, folder, case.files, costs=dict(case.costs), work=work, runs=list(counts))


def _row(
    case: Case, runs: Mapping[int, Sequence[Mapping[str, Any]]], programs: int, best: int, ratio: float
) -> dict[str, str]:
    def seconds(count: int) -> str:
        kept = runs.get(count)
        return f"{statistics.median(ran['wall_s'] for ran in kept):.2f}" if kept else ""

    loads = [ran["load"] for kept in runs.values() for ran in kept]
    last = runs[DEFAULT][-1]
    return {
        "batch": f"{case.name}, {case.files} files",
        "busy programs": str(programs),
        "best count": str(best),
        "its s": seconds(best),
        "default s": seconds(DEFAULT),
        "ratio": f"{ratio:.2f}",
        "loop s": seconds(LOOP),
        "files at once": ", ".join(str(each["limit"]) for each in last["limits"]),
        "models": str(last["most_alive"]),
        "verdict": last["verdict"],
        "load": f"{min(loads):.1f} to {max(loads):.1f}",
    }
