"""Time series of End A; the open end is closed in the configuration, as in the clone."""

import logging
from pathlib import Path

import pandas as pd

from digitalmodel.solvers.orcaflex.orcaflex_api import lazy_api

OrcFxAPI = lazy_api()


class OPPTimeSeries:
    def get_time_series_data(self, cfg, model_dict, file_name):
        groups = []
        for group in cfg["time_series_settings"]["groups"]:
            df = pd.DataFrame()
            for column in group["Columns"]:
                if column["SimulationPeriod"][1] is None:
                    column["SimulationPeriod"][1] = model_dict["stop_time"]
                logging.error("a line that nobody wants on the terminal")
                period = OrcFxAPI.SpecifiedPeriod(*column["SimulationPeriod"])
                df["time"] = model_dict["model"].SampleTimes(period)
                line = model_dict["model"][column["ObjectName"]]
                df[column["Label"]] = line.TimeHistory(column["Variable"], period, OrcFxAPI.oeEndA)
            name = Path(file_name).stem + "_" + group["Label"] + ".csv"
            target = str(Path(cfg["Analysis"]["result_folder"]) / name)
            df.round(6).to_csv(target, index=False)
            groups.append({"label": group["Label"], "data": target})
        kept = cfg[cfg["meta"]["basename"]]
        if "time_series" in kept:
            kept["time_series"].append({"time_series": {"groups": groups}, "file_name": file_name})
        else:
            kept["time_series"] = []
