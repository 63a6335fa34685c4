"""How much Python's lock is held, against what the monitor and the engine say of it, over a native DLL.

    rows (ms of Python / of native work per call x threads) ── a process (`lock_side`), idle and beside busy programs
        truth: CPU seconds of the process less those that the DLL itself counted, over wall seconds
        said:  mean of the monitor's samples; mean of what the engine was told, by the time that each was said of

The work of each row is counted in CPU time, so that other programs make a row longer and change nothing else. Asserts
nothing.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.native import answers
from orcabatch.bench.findings import Findings

SIDE = Path(__file__).with_name("lock_side.py")
WITHIN = 0.1
"""The aim: both within this of the truth."""
ROWS = (
    (5.0, 0.0, 1), (5.0, 0.0, 4), ("tiny", 0.0, 1), ("tiny", 0.0, 4), (5.0, 5.0, 1), (5.0, 5.0, 2), (5.0, 5.0, 8),
    (1.0, 5.0, 1), (1.0, 5.0, 4), (1.0, 5.0, 8), (0.1, 20.0, 2), (0.1, 20.0, 8), (0.1, 20.0, 30),
)  # fmt: skip
QUICK = (ROWS[2], ROWS[6], ROWS[-1])
MOST_FILES = 400
SPIN = "while True: pass"

Say = Callable[[str], None]


def row(kind: tuple[float | str, float, int], seconds: float, *, broker: bool) -> dict[str, Any]:
    """A row as its process is asked for it, of about so many seconds on an idle machine."""
    python_ms, native_ms, threads = kind
    tiny = isinstance(python_ms, str)
    passes = 1 if broker else 20  # asked jointly, a file's answers are one pass
    each_s = 0.03 if tiny else (20 * float(python_ms) + passes * native_ms) / 1e3
    files = min(MOST_FILES, max(threads, round(seconds / each_s)))
    python = 0.0 if isinstance(python_ms, str) else python_ms
    return {
        "tiny": tiny, "python_ms": python, "native_ms": native_ms, "threads": threads, "files": files, "broker": broker,
    }  # fmt: skip


@contextmanager
def busy(programs: int) -> Iterator[None]:
    """So many programs that want a core each."""
    running = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(programs)]
    try:
        yield
    finally:
        for each in running:
            each.kill()
            each.wait()


def measured(rows: Sequence[dict[str, Any]], folder: Path) -> Iterator[dict[str, Any]]:
    """Each row with what was true and what was said."""
    yield from answers(SIDE, folder, MOST_FILES, rows=rows)


def suite(folder: Path, *, quick: bool, say: Say) -> Findings:
    """The table, idle and beside two busy programs, with the broker and without."""
    found = Findings("lock", unit="share of the time that Python's lock is held")
    worst = 0.0
    for programs in (0, 2):
        with busy(programs):
            for broker in (False, True):
                rows = [row(each, 1.0 if quick else 3.0, broker=broker) for each in (QUICK if quick else ROWS)]
                for each in measured(rows, folder):
                    found.rows.append(_row(each, programs))
                    say(f"  {found.rows[-1]}")
                    worst = max(worst, *(abs(each[who] - min(1.0, each["held"])) for who in ("monitor", "engine")))
    found.notes.append(f"Farthest from the truth: {worst:.2f}; aim {WITHIN}.")
    return found


def _row(each: dict[str, Any], programs: int) -> dict[str, str]:
    kind = "tiny calls" if each["tiny"] else f"{each['python_ms']:g} / {each['native_ms']:g}"
    return {
        "ms of Python / native per call": kind,
        "threads": str(each["threads"]),
        "broker": "on" if each["broker"] else "off",
        "busy programs": str(programs),
        "wall s": f"{each['wall_s']:.1f}",
        "held": f"{each['held']:.2f}",
        "monitor": f"{each['monitor']:.2f}",
        "engine": f"{each['engine']:.2f}",
        "verdict": each["verdict"],
        "load": f"{each['load']:.1f}",
    }
