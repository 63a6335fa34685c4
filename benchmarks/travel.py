"""What goes to worker processes and comes back, counted in bytes, and what shared memory could save of it.

    configuration of 900 columns over 464 files ──> recipe (once per process), task (per file), result (per file)

A configuration is Python objects: whoever reads it from shared memory unpacks it into objects of his own all the same.
So what sharing can save is the way through the pipe, and that is what is timed here, beside the unpacking that stays.
Covers digitalmodel's batches, whose configuration is all that is large and only read. Does not cover models: they are
inside OrcaFlex, in the process that loaded them.
"""

from __future__ import annotations

import os
import pickle
import statistics
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import orcabatch
from orcabatch import simulated
from orcabatch.bench.findings import Findings
from orcabatch.bench.workloads import SpecifiedConfiguration
from orcabatch.digitalmodel.batch import DigitalModelBatch
from orcabatch.engine.contract import Task
from orcabatch.engine.executors.packing import pack
from orcabatch.orcaflex.work import OrcaFlexRecipe, TaskPayload
from orcabatch.settings import parse_settings

FILES = 464
CASES = (SpecifiedConfiguration("900 columns", 900, 300, FILES), SpecifiedConfiguration("96 columns", 96, 300, FILES))
QUIET = {"executor": "serial", "ledger": {"enabled": False}, "monitoring": {"export_metrics": False}}


def suite(folder: Path, *, rounds: int = 3) -> Findings:
    """Bytes and milliseconds (medians) for each configuration."""
    found = Findings("travel", notes=[f"{FILES} files; a worker process takes about a second to start."])
    simulated.install()
    for case in CASES:
        recipe, task = sent(case, folder)
        pipe, shared, unpacked = (
            _median_ms(rounds, partial(step, recipe)) for step in (_through_pipe, _through_memory, pickle.loads)
        )
        found.rows.append(
            {
                "configuration": case.name,
                "once per process": f"{len(recipe):,} bytes",
                "per file": f"{len(task):,} bytes",
                "back per file": f"{_returned(case, folder):,} bytes",
                "pipe ms": f"{pipe:.2f}",
                "shared memory ms": f"{shared:.2f}",
                "unpacking ms, either way": f"{unpacked:.2f}",
            }
        )
    return found


def _batch(case: SpecifiedConfiguration, files: list[Path], folder: Path) -> DigitalModelBatch:
    cfg = case.cfg
    cfg["file_management"]["input_files"]["sim"] = files
    cfg["Analysis"]["result_folder"] = str(folder)
    return DigitalModelBatch.from_cfg(cfg, settings=parse_settings({}))


def sent(case: SpecifiedConfiguration, folder: Path) -> tuple[bytes, bytes]:
    """The recipe and one task, packed as they go through the pipe."""
    name = "fsts_l015_hwl_125km3_l100_pb_005yr__cl_{:03d}deg.sim"
    files = [folder / name.format(number) for number in range(case.files)]
    batch = _batch(case, files, folder)
    recipe = OrcaFlexRecipe({batch.name: batch.postprocess}, "simulated")
    task = Task(
        0, files[0], (batch.name,), 3_000_000_000, 4_500_000_000, payload=TaskPayload({batch.name: batch.payload(0)})
    )
    return pack(recipe), pickle.dumps(task, pickle.HIGHEST_PROTOCOL)


def _returned(case: SpecifiedConfiguration, folder: Path) -> int:
    """Bytes of one file's result on its way back."""
    file = simulated.write_sim(folder / f"{case.columns}.sim", case.spec(1))
    cfg = case.cfg
    cfg["file_management"]["input_files"]["sim"] = [file]
    cfg["Analysis"]["result_folder"] = str(folder)
    result = orcabatch.run_batch(cfg, performance=QUIET, orcaflex="simulated", progress=False)
    return len(pickle.dumps(result.outcomes[0].value, pickle.HIGHEST_PROTOCOL))


def _through_pipe(content: bytes) -> None:
    ends = os.pipe()
    with os.fdopen(ends[0], "rb") as reader, os.fdopen(ends[1], "wb", buffering=0) as writer:
        sender = threading.Thread(target=writer.write, args=(content,))
        sender.start()
        reader.read(len(content))
        sender.join()


def _through_memory(content: bytes) -> None:
    memory = SharedMemory(create=True, size=len(content))
    try:
        _whole(memory)[: len(content)] = content
        other = SharedMemory(name=memory.name)
        bytes(_whole(other)[: len(content)])
        other.close()
    finally:
        memory.close()
        memory.unlink()


def _whole(memory: SharedMemory) -> memoryview:
    if memory.buf is None:
        raise RuntimeError("the memory is closed")
    return memory.buf


def _median_ms(rounds: int, step: Callable[[], object]) -> float:
    taken = []
    for _ in range(10 * rounds):
        begun = time.perf_counter()
        step()
        taken.append(1e3 * (time.perf_counter() - begun))
    return statistics.median(taken)
