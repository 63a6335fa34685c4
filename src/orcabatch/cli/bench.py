"""`orcabatch bench [SUITE]`: measure on this machine what the documentation claims.

Suites: spec, peers, scaling, memory, stress, again, regression, engine, real. Without one: a short tour. Everything
runs over the simulated OrcaFlex, peers in fresh processes (`real`: over your own files, read-only); what is compared
was measured in the same run. What the engine was tuned by is not installed: `python -m benchmarks` in a checkout.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from orcabatch.errors import SourceError
from orcabatch.store.atomic import check_place

OK, WORSE = 0, 1
WITH_CASES = ("spec", "peers", "engine")
"""The suites whose cases `--only` chooses from."""
SUITES = ("tour", "spec", "peers", "scaling", "memory", "stress", "again", "regression", "engine", "real")


def main(words: list[str]) -> int:
    """Measure, print a Markdown table, and write what was asked for; 1 when a machine-independent figure differs."""
    arguments = _parser().parse_args(words)
    for target in filter(None, (arguments.json, arguments.plot)):
        check_place(target)
    if arguments.only and arguments.suite not in WITH_CASES:
        asked = f"name the suite that --only {arguments.only!r} is to choose from"
        raise SourceError(f"{asked}: `orcabatch bench SUITE`, where SUITE is one of {', '.join(WITH_CASES)}")
    if arguments.suite == "regression":
        return _regression(arguments, words)
    from orcabatch.bench.measure import provenance, temporary_folder

    arguments.costs = _calibrated(arguments)
    with temporary_folder() as folder:
        content: dict[str, Any] = {"provenance": provenance(words), "suites": {}}
        for found in _findings(arguments, arguments.folder or folder):
            print(_text(found), flush=True)
            content["suites"][found["suite"]] = found
        _write(arguments, content)
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="orcabatch bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("suite", nargs="?", choices=SUITES, default="tour", help="default: a short tour")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller files")
    parser.add_argument(
        "--only", default="", metavar="WORDS", help="for `spec`, `peers`, `engine`: only cases whose name holds them"
    )
    parser.add_argument(
        "--pools", nargs="+", metavar="POOL", help="for `peers`: only these, e.g. processes joblib-loky"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured; default 3")
    parser.add_argument(
        "--warm-cache", action="store_true", help="read the files before each run instead of dropping them"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured, with provenance")
    parser.add_argument("--plot", type=Path, metavar="SVG", help="write a bar chart; with several suites one file each")
    parser.add_argument(
        "--folder", type=Path, metavar="FOLDER", help="keep the generated files here; default: temporary"
    )
    parser.add_argument(
        "--orcaflex",
        choices=["real", "simulated"],
        default="simulated",
        help="for `real`; default simulated",
    )
    parser.add_argument(
        "--calibrated", type=Path, metavar="JSON", help="costs of OrcaFlex as `doctor --sim --write` measured them"
    )
    parser.add_argument("--files", nargs="+", type=Path, default=[], metavar="SIM", help="for `real`: your own files")
    return parser


def _findings(arguments: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """What the suite found, as JSON-able mappings with `suite`, `markdown` and the rest."""
    if arguments.suite in {"engine", "real"}:
        from orcabatch.bench import real

        yield from real.suite(arguments.suite, folder, arguments)
        return
    from orcabatch.bench import findings, peers, suites

    setup = findings.Setup(
        folder=folder,
        rounds=max(1, arguments.rounds),
        quick=arguments.quick,
        warm_cache=arguments.warm_cache,
        only=arguments.only,
        pools=tuple(arguments.pools or peers.POOLS),
        say=_say,
    )
    made = suites.tour(setup) if arguments.suite == "tour" else [suites.SUITES[arguments.suite](setup)]
    for found in made:
        yield _mapping(found)


def _calibrated(arguments: argparse.Namespace) -> Any:
    """The measured costs, in force for every suite from now on; None where none are given."""
    if arguments.calibrated is None:
        return None
    from orcabatch import simulated
    from orcabatch.bench.workloads import calibrate

    try:
        costs = simulated.Costs.calibrated(arguments.calibrated)
    except (OSError, ValueError, TypeError) as error:
        raise SourceError(f"--calibrated: {error}") from error
    calibrate(costs)
    return costs


def _mapping(found: Any) -> dict[str, Any]:
    from dataclasses import asdict

    from orcabatch.bench.findings import markdown

    return asdict(found) | {"markdown": markdown(found.rows)}


def _regression(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    """Machine-independent figures against the recorded ones."""
    from orcabatch.bench import regression
    from orcabatch.bench.findings import markdown
    from orcabatch.bench.measure import provenance

    figures = regression.counts()
    differing = regression.differences(figures, regression.recorded())
    print(markdown(regression.rows(figures)))
    for line in differing:
        print(f"DIFFERS: {line}")
    _write(arguments, {"provenance": provenance(words), "suites": {"regression": figures}})
    return WORSE if differing else OK


def _text(found: dict[str, Any]) -> str:
    notes = "".join(f"\n- {note}" for note in found.get("notes", ()))
    return f"\n## {found['suite']}\n\n{found['markdown']}\n{notes}"


def _write(arguments: argparse.Namespace, content: dict[str, Any]) -> None:
    from orcabatch.bench.findings import as_json, svg
    from orcabatch.store.atomic import write_bytes

    if arguments.json:
        write_bytes(arguments.json, as_json(content).encode())
        print(f"\nmeasurements: {arguments.json}")
    if arguments.plot:
        for name, found in content["suites"].items():
            if not found.get("bars"):
                continue
            several = len(content["suites"]) > 1
            target = arguments.plot.with_stem(f"{arguments.plot.stem}-{name}") if several else arguments.plot
            write_bytes(target, svg(f"orcabatch bench {name}", found["bars"], found["unit"]).encode())
            print(f"plot: {target}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
