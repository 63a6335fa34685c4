"""A summary of largest values; folded and saved under the clone's names."""

from pathlib import Path

import pandas as pd

from digitalmodel.solvers.orcaflex.orcaflex_api import lazy_api

OrcFxAPI = lazy_api()


class OPPSummary:
    def get_summary_for_file(self, cfg, model_dict, file_name):
        frames = {}
        for group in cfg["summary_settings"]["groups"]:
            row = {"fe_filename": str(Path(file_name).resolve()), "run_status": model_dict["run_status"]}
            for column in group["Columns"]:
                item = model_dict["model"][column["ObjectName"]]
                if column["Command"] == "GetData":
                    names = column["Variable"]
                    if len(names) == 1:
                        if "RefCurrent" in names[0]:
                            item.SelectedCurrent = item.ActiveCurrent
                        names.append(0)
                    row[column["Label"]] = getattr(item, names[0])
                else:
                    row[column["Label"]] = item.TimeHistory(column["Variable"], None, OrcFxAPI.oeEndA).max()
            frames[group["Label"]] = pd.DataFrame([row])
        return frames

    def add_file_result_to_all_results(self, summary, one):
        if not summary:
            return dict(one)
        for label, frame in one.items():
            summary[label] = pd.concat([summary[label], frame], ignore_index=True)
        return summary

    def save_summary(self, summary, cfg):
        for label, frame in (summary or {}).items():
            name = cfg["Analysis"]["file_name"] + "_" + label + ".csv"
            frame.round(6).to_csv(Path(cfg["Analysis"]["result_folder"]) / name, index=False)
