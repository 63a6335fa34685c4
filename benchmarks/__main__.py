"""`python -m benchmarks SUITE`, in a checkout: what the engine's tuned numbers were chosen by.

Suites: virtual (every fixed count, the lower bound, regret, with history), prediction, validation (the virtual host
against real runs), broker (what asking OrcaFlex once saves), travel (what goes to worker processes), hybrid (threads,
processes and both together), behind (tables written beside the work on the next files), lock (how much Python's lock is
held over a native DLL, and what is said of it; needs a C compiler), choices (the default run against fixed counts over
that DLL), tuning (what each tuned number
trades: below and above its value in virtual time), and replay METRICS (a run of yours again in virtual time, at other
counts). What users run stands in `orcabatch bench`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import (
    behind,
    broker,
    cases,
    choices,
    hybrid,
    lock,
    prediction,
    regret,
    travel,
    tuning,
    validation,
    virtual,
)
from benchmarks.replay import replayed
from orcabatch.bench.findings import as_json, markdown
from orcabatch.bench.measure import provenance, temporary_folder
from orcabatch.errors import OrcabatchError, SourceError
from orcabatch.monitor.report import read_metrics
from orcabatch.store.atomic import write_bytes

if TYPE_CHECKING:
    from orcabatch.bench.findings import Findings

Arguments = argparse.Namespace
REAL_COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 45)
Found = dict[str, Any]
"""`suite`, `markdown`, and what was measured."""


def main(words: list[str] | None = None) -> int:
    """Measure, print Markdown tables, and write what was asked for; 2 where nothing could be measured."""
    arguments = _parser().parse_args(words)
    try:
        if arguments.suite == "replay":
            print(_replay(arguments.metrics))
            return 0
        with temporary_folder() as folder:
            found = list(_printed(SUITES[arguments.suite](arguments, folder)))
    except OrcabatchError as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.json:
        content = {"provenance": provenance(sys.argv[1:]), "suites": {each["suite"]: each for each in found}}
        write_bytes(arguments.json, as_json(content).encode())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, allow_abbrev=False)
    parser.add_argument("suite", choices=[*SUITES, "replay"])
    parser.add_argument("metrics", nargs="?", type=Path, help="for `replay`: a batch's metrics file")
    parser.add_argument("--quick", action="store_true", help="fewer cases, fewer and smaller files")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured; default 3")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured, with provenance")
    return parser


def _printed(suites: Iterator[Found]) -> Iterator[Found]:
    for found in suites:
        notes = "".join(f"\n- {note}" for note in found.get("notes", ()))
        print(f"\n## {found['suite']}\n\n{found['markdown']}\n{notes}", flush=True)
        yield found


def _mapping(found: Findings) -> Found:
    return asdict(found) | {"markdown": markdown(found.rows)}


def _virtual(arguments: Arguments, _folder: Path) -> Iterator[Found]:
    counts = (2, 4, 8, 16, 32) if arguments.quick else None
    tuning = cases.tuning_cases()[:4] if arguments.quick else None
    held_out = cases.held_out_cases()[:4] if arguments.quick else None
    results = virtual.run_suite(tuning, held_out, counts=counts, on_result=lambda each: _say(f"  {each.name}"))
    table = virtual.suite_table(results)
    yield {"suite": "virtual", "markdown": table, "result": results, "notes": ["All of it is *projected*."]}
    real = [
        [replace(case, phases_only=True) for case in chosen or some()]
        for chosen, some in ((tuning, cases.tuning_cases), (held_out, cases.held_out_cases))
    ]
    seen = virtual.run_suite(*real, counts=counts or REAL_COUNTS, on_result=lambda each: _say(f"  {each.name}"))
    note = "Progress is seen when phases end, and by the bytes that are read: as in a real run. *Projected*."
    yield {"suite": "virtual, as a run sees it", "markdown": virtual.suite_table(seen), "result": seen, "notes": [note]}
    packed = virtual.run_packing(range(3) if arguments.quick else range(10))
    yield {"suite": "packing", "markdown": virtual.packing_table(packed), "result": packed}
    yield _mapping(regret.suite(quick=arguments.quick, say=_say))


def _prediction(arguments: Arguments, _folder: Path) -> Iterator[Found]:
    yield _mapping(prediction.suite(quick=arguments.quick))


def _validation(arguments: Arguments, folder: Path) -> Iterator[Found]:
    yield _mapping(validation.suite(folder, rounds=max(1, arguments.rounds), quick=arguments.quick))


def _broker(arguments: Arguments, folder: Path) -> Iterator[Found]:
    configurations = broker.CASES[-2:-1] if arguments.quick else broker.CASES
    result = broker.run_broker_bench(max(1, arguments.rounds), cases=configurations, folder=folder)
    yield {"suite": "broker", "markdown": broker.to_markdown(result), "result": result}


def _travel(arguments: Arguments, folder: Path) -> Iterator[Found]:
    yield _mapping(travel.suite(folder, rounds=max(1, arguments.rounds)))


def _hybrid(arguments: Arguments, folder: Path) -> Iterator[Found]:
    yield _mapping(hybrid.suite(folder, rounds=max(1, arguments.rounds), quick=arguments.quick, say=_say))


def _behind(arguments: Arguments, folder: Path) -> Iterator[Found]:
    yield _mapping(behind.suite(folder, rounds=max(1, arguments.rounds), quick=arguments.quick, say=_say))


def _lock(arguments: Arguments, folder: Path) -> Iterator[Found]:
    yield _mapping(lock.suite(folder, quick=arguments.quick, say=_say))


def _choices(arguments: Arguments, folder: Path) -> Iterator[Found]:
    yield _mapping(choices.suite(folder, rounds=arguments.rounds, quick=arguments.quick, say=_say))


def _tuning(arguments: Arguments, _folder: Path) -> Iterator[Found]:
    yield _mapping(tuning.suite(quick=arguments.quick, say=_say))


def _replay(metrics: Path | None) -> str:
    if metrics is None:
        raise SourceError("name the metrics file of a run: `python -m benchmarks replay performance_metrics.json`")
    return replayed(read_metrics(metrics), str(metrics))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


SUITES: dict[str, Callable[[Arguments, Path], Iterator[Found]]] = {
    "virtual": _virtual,
    "prediction": _prediction,
    "validation": _validation,
    "broker": _broker,
    "travel": _travel,
    "hybrid": _hybrid,
    "behind": _behind,
    "lock": _lock,
    "choices": _choices,
    "tuning": _tuning,
}

if __name__ == "__main__":
    sys.exit(main())
