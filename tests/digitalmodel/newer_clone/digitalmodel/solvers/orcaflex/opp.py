"""Habits: each file gets its own configuration unless the pool is off; errors are written beside the .sim."""

import copy
from pathlib import Path

from digitalmodel.solvers.orcaflex.opp_config_expansion import expanded, get_object_names_from_model
from digitalmodel.solvers.orcaflex.opp_linkedstatistics import OPPLinkedStatistics
from digitalmodel.solvers.orcaflex.opp_summary import OPPSummary
from digitalmodel.solvers.orcaflex.opp_time_series import OPPTimeSeries
from digitalmodel.solvers.orcaflex.orcaflex_objects import OrcaFlexObjects
from digitalmodel.solvers.orcaflex.orcaflex_utilities import OrcaflexUtilities

ou = OrcaflexUtilities()
of_objects = OrcaFlexObjects()
opp_summary = OPPSummary()
opp_ls = OPPLinkedStatistics()
opp_ts = OPPTimeSeries()


def process_single_file(args):
    file_name, index, cfg = args
    known = ou.get_model_and_metadata(file_name)
    histogram = [[]] * len(cfg.get("time_series_settings", {}).get("groups", []))
    if known["model"] is None:
        return {"file_index": index, "summary": None, "histogram": histogram}
    try:
        summary = opp_summary.get_summary_for_file(cfg, known, file_name)
        if cfg["orcaflex"]["postprocess"]["time_series"]["flag"]:
            opp_ts.get_time_series_data(cfg, known, file_name)
    except Exception as error:  # noqa: BLE001 - as in the clone
        Path(f"{file_name}_error.log").write_text(str(error))
        return {"file_index": index, "summary": None}
    return {"file_index": index, "summary": summary, "histogram": histogram}


class OrcaFlexPostProcess:
    def __init__(self, cfg=None):
        pass

    def post_process_router(self, cfg):
        ou.require_orcaflex_or_raise("post-processing")
        self.get_cfg_with_master_data(cfg)
        cfg[cfg["meta"]["basename"]] = {}
        self.post_process(cfg)
        return cfg

    def get_cfg_with_master_data(self, cfg):
        if cfg["orcaflex"]["postprocess"]["summary"]["flag"] and not (cfg.get("summary_settings") or {}).get("groups"):
            names = self._discover_line_names(cfg)
            if names:
                expanded(cfg, names)
        return cfg

    def _discover_line_names(self, cfg):
        for file_name in cfg.file_management["input_files"]["sim"]:
            model = ou.get_model_and_metadata(file_name)["model"]
            names = get_object_names_from_model(model, of_objects, "Line")
            if names:
                return names
        return []

    def post_process(self, cfg):
        pooled = cfg.setdefault("parallel_processing", {}).get("enabled", True)
        together, histograms = None, []
        for index, file_name in enumerate(cfg.file_management["input_files"]["sim"]):
            own = type(cfg)(copy.deepcopy(dict(cfg))) if pooled else cfg
            result = process_single_file((file_name, index, own))
            histograms.append(result.get("histogram", [[]]))
            if result["summary"]:
                together = opp_summary.add_file_result_to_all_results(together, result["summary"])
        opp_summary.save_summary(together, cfg)
        self.RangeAllFiles, self.HistogramAllFiles = [None] * len(histograms), histograms
        return cfg
