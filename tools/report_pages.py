"""Reports of 3, 464 and 5,000 files, and the names that a browser has to find in them: `tools/report_pages.mjs` looks.

    npm install --prefix FOLDER playwright-core axe-core
    python tools/report_pages.py FOLDER && NODE_MODULES=FOLDER node tools/report_pages.mjs FOLDER

Not part of the gate, which needs no browser and no Node.js: to be run after a change of the page. The reports are those
of the tests (`tests/monitor/batches.py`): the largest has 900 columns, one is of two batches, one of
a run that goes on.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orcabatch.monitor.report import write_report
from orcabatch.outcome import name_in

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def pages() -> Iterator[tuple[str, dict[str, Any]]]:
    """The metrics of each page."""
    from monitor.batches import batch_metrics

    yield "3", batch_metrics(3)
    yield "464", batch_metrics(464)
    yield "5000", batch_metrics(5000, columns=[f"Line{n} Effective Tension" for n in range(900)])
    working = [f"fsts_l015_hwl_125km3_l100_pb_005yr__cl_{heading:03d}deg.sim" for heading in (0, 15, 30)]
    standing = {"elapsed_s": 812.0, "total": 96, "done": 60, "failed": 2, "running": 3, "remaining_s": 400.0}
    standing |= {"total_bytes": 48 * 10**9, "done_bytes": 37 * 10**9, "share": 37 / 48, "files": working}
    standing |= {"written_at": "2026-11-24T09:43:32+00:00", "again_s": 10_000.0}
    yield "running", batch_metrics(60) | {"state": "running", "progress": standing}
    two = batch_metrics(96)
    for n, file in enumerate(two["files"]):
        file["batch"] = ("dm_fsts", "dm_fsts_lngc")[n % 2]
    yield "two", two | {"batch": "", "results": [each | {"batch": "dm_fsts"} for each in two["results"]]}


def main(folder: Path) -> None:
    """Write the pages and say how large each is and how long it took."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, metrics in pages():
        page = folder / f"report-{name}.html"
        began = time.process_time()
        write_report(page, metrics)
        print(f"{page.name}: {page.stat().st_size / 1e6:.2f} MB, {time.process_time() - began:.2f} CPU seconds")
        names = [name_in(file["file"]) for file in metrics["files"]]
        page.with_suffix(".names.json").write_text(json.dumps(names), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
