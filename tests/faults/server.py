"""Forks a process for each job: a line of JSON on standard input, the child's id as a line on standard output.

The child has a session of its own, its output goes to the files that the job names.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

HEAVY = (
    "pandas",
    "scipy.signal",
    "scipy.stats",
    "matplotlib.pyplot",
    "plotly",
    "scrapy",
    "rainflow",
    "deepdiff",
    "ruamel.yaml",
    "loguru",
    "PIL.Image",
    "assetutilities.engine",
    "xlsxwriter",
    "openpyxl",
    "orcabatch.batch.run",
)


def serve() -> None:
    """Until standard input ends."""
    for module in HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    import scenario

    gc.collect()
    gc.freeze()  # else the first collection in each child copies all that was imported here
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        job = json.loads(line)
        if "wait" in job:
            status = os.waitpid(job["wait"], 0)[1]
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = fork(job, scenario)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def fork(job: dict, scenario: object) -> int:
    """The child's id; in the child, never returns."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    for number, name in ((1, job["stdout"]), (2, job["stderr"])):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(job["folder"])
    code = 70
    try:
        code = scenario.run(job)
    except BaseException:  # noqa: BLE001 - whatever it was, the test wants to read it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return 0


if __name__ == "__main__":
    serve()
