"""`orcabatch report METRICS -o report.html [--earlier METRICS]`: an HTML report from a metrics file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from orcabatch.errors import SourceError
from orcabatch.monitor.report import render_report
from orcabatch.store.atomic import write_bytes


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
    write_bytes(arguments.output, render_report(read_metrics(arguments.metrics), earlier=earlier).encode())
    print(f"report: {arguments.output.absolute()}")
    return 0


def read_metrics(file: Path) -> dict[str, Any]:
    """The metrics in a file, or in the file of the usual name in a folder.

    Raises:
        SourceError: it is missing, or not a metrics file.
    """
    file = file / "performance_metrics.json" if file.is_dir() else file
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"{file} cannot be read: {error.strerror or error}. Give a batch's metrics file.") from error
    except ValueError as error:
        raise SourceError(f"{file} is not JSON ({error}). Give a batch's metrics file.") from error
    if not isinstance(content, dict) or "schema_version" not in content:
        raise SourceError(f"{file} is JSON, but not a metrics file of orcabatch: it has no schema_version.")
    return content
