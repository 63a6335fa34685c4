"""Reports of 3, 464 and 5,000 files, and the names that a browser has to find in them: `tools/report_pages.mjs` looks.

    npm install --prefix FOLDER playwright-core axe-core
    python tools/report_pages.py FOLDER && NODE_MODULES=FOLDER node tools/report_pages.mjs FOLDER

Not part of the gate, which needs no browser and no Node.js: to be run after a change of the page. The reports are those
of the tests (`tests/monitor/batches.py`).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from orcabatch.monitor.report import write_report
from orcabatch.outcome import name_in

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

SIZES = (3, 464, 5000)


def main(folder: Path) -> None:
    """Write the pages and say how large each is and how long it took."""
    from monitor.batches import batch_metrics

    folder.mkdir(parents=True, exist_ok=True)
    for count in SIZES:
        metrics, page = batch_metrics(count), folder / f"report-{count}.html"
        began = time.process_time()
        write_report(page, metrics)
        print(f"{page.name}: {page.stat().st_size / 1e6:.2f} MB, {time.process_time() - began:.2f} CPU seconds")
        names = [name_in(file["file"]) for file in metrics["files"]]
        page.with_suffix(".names.json").write_text(json.dumps(names), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
