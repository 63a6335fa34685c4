"""`orcabatch report METRICS -o report.html [--earlier METRICS]`: an HTML report from a metrics file."""

from __future__ import annotations

import argparse
from pathlib import Path

from orcabatch.monitor.report import read_metrics, write_report


def main(words: list[str]) -> int:
    """Write the report and say where it is."""
    parser = argparse.ArgumentParser(
        prog="orcabatch report",
        description="Makes one HTML file from a batch's metrics file; any browser shows it, without a network.",
        epilog="--debug shows tracebacks.",
    )
    parser.add_argument("metrics", type=Path, help="a metrics file, or the folder that has it")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("report.html"), metavar="HTML", help="default: report.html"
    )
    parser.add_argument("--earlier", type=Path, metavar="METRICS", help="compare with an earlier run")
    arguments = parser.parse_args(words)
    earlier = read_metrics(arguments.earlier) if arguments.earlier else None
    write_report(arguments.output, read_metrics(arguments.metrics), earlier=earlier)
    print(f"report: {arguments.output.absolute()}")
    return 0
