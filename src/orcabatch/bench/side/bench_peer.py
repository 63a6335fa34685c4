"""What a peer does with one file: digitalmodel's functions over an own loader, as its later version does.

Imported by its bare name, in the benchmark's child and in the workers of process pools, so that nothing of orcabatch
but the simulated OrcaFlex comes along. A job holds a path and the configuration; the result is picklable.
"""

from __future__ import annotations

import copy
import importlib
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any


@cache
def opp() -> Any:
    """digitalmodel's post-process module over the simulated OrcaFlex, silent."""
    importlib.import_module("orcabatch.simulated").install()
    module = importlib.import_module("digitalmodel.modules.orcaflex.opp")
    importlib.import_module("loguru").logger.remove()
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the rest of this process
    return module


@cache
def attribute_dict() -> Any:
    """digitalmodel's own mapping."""
    return importlib.import_module("assetutilities.common.update_deep").AttributeDict


def warm() -> int:
    """Import everything; a pool's start is no part of what is timed. The worker's process id."""
    opp()
    attribute_dict()
    return os.getpid()


def one(job: tuple[str, dict[str, Any]]) -> Any:
    """One file: the summary's frames by group, or None; time series are written."""
    file, plain = job
    cfg = attribute_dict()(copy.deepcopy(plain))
    flags = cfg["orcaflex"]["postprocess"]
    known = _loaded(file)
    summary = opp().opp_summary.get_summary_for_file(cfg, known, file) if flags["summary"]["flag"] else None
    if flags["time_series"]["flag"] and cfg["time_series_settings"]["data"]:
        opp().opp_ts.get_time_series_data(cfg, known, file)
    return summary


def _loaded(file: str) -> dict[str, Any]:
    model = sys.modules["OrcFxAPI"].Model(opp().ou.get_SimulationFileName(file))
    return {
        "model": model,
        "simulation_complete": model.simulationComplete,
        "run_status": model.state.__dict__["_name_"],
        "stop_time": model.simulationStopTime,
        "start_time": model.simulationStartTime,
        "current_time": model.simulationTimeStatus.CurrentTime,
    }


def merged(plain: dict[str, Any]) -> Any:
    """The configuration with its masters merged, as digitalmodel does before its loop."""
    cfg = opp().OrcaFlexPostProcess().get_cfg_with_master_data(attribute_dict()(plain))
    cfg.update({cfg["meta"]["basename"]: {}})
    return cfg


def folded(cfg: Any, summaries: list[Any]) -> None:
    """All files' summaries in input order, written."""
    together = None
    for summary in summaries:
        if summary is not None:
            together = opp().opp_summary.add_file_result_to_all_results(together, summary)
    opp().opp_summary.save_summary(together, cfg)
