"""Runs a pickled configuration over the clone on PYTHONPATH: by itself, through the drop-in, or installed.

Answers as JSON on the last line of stdout. By itself, nothing of orcabatch is imported but the simulated OrcaFlex.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import pickle
import sys
import warnings
from pathlib import Path

PACKAGES = ("digitalmodel.solvers.orcaflex", "digitalmodel.orcaflex")
SOLVERS = next(package for package in PACKAGES if importlib.util.find_spec(package.rpartition(".")[0]) is not None)


class AttributeDict(dict):
    def __init__(self, *args):
        super().__init__(*args)
        self.__dict__ = self


def main(how: str, job: str) -> None:
    cfg = AttributeDict(pickle.loads(Path(job).read_bytes()))  # noqa: S301 - written by the test
    from orcabatch import simulated

    if cfg["performance"].get("orcaflex") != "simulated":
        simulated.install()
    terminal, answer = sys.stdout, {"warnings": [], "failed": [], "told": []}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        globals()[f"run_{how}"](cfg, answer)
    answer["warnings"] = [str(item.message) for item in caught]
    answer["terminal"] = sys.stdout is terminal
    utilities = sys.modules[f"{SOLVERS}.orcaflex_utilities"]
    answer["own_loads"] = len(getattr(utilities, "LOADED", ()))
    answer["record"] = json.loads(json.dumps(cfg.get(cfg["meta"]["basename"]), default=str))
    sys.stdout.write(f"{json.dumps(answer)}\n")


def run_alone(cfg: AttributeDict, answer: dict) -> None:
    import OrcFxAPI

    del sys.modules["OrcFxAPI"]
    sys.meta_path.insert(0, Found(OrcFxAPI))
    if importlib.util.find_spec(f"{SOLVERS}.orcaflex_api"):
        importlib.import_module(f"{SOLVERS}.orcaflex_api").configure()
    post = importlib.import_module(f"{SOLVERS}.opp").OrcaFlexPostProcess()
    post.post_process_router(cfg)
    answer["object"] = read_from(post)
    answer["foreign"] = [
        name for name in sys.modules if name.startswith("orcabatch.") and not name.startswith("orcabatch.simulated")
    ]


def read_from(post) -> dict:
    names = ("fileIndex", "RangeAllFiles", "HistogramAllFiles")
    return {name: vars(post)[name] for name in names if name in vars(post)}


class Found:
    """The simulated OrcFxAPI for whoever imports it for the first time."""

    def __init__(self, module) -> None:
        self.module = module

    def find_spec(self, name, path=None, target=None):
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, self) if name == "OrcFxAPI" else None

    def create_module(self, spec):
        return self.module

    def exec_module(self, module) -> None:
        pass


def run_dropin(cfg: AttributeDict, answer: dict) -> None:
    from orcabatch.digitalmodel import OrcaFlexPostProcess

    post = OrcaFlexPostProcess()
    assert post.post_process_router(cfg) is cfg
    answer["object"] = read_from(post)
    answer["failed"] = [[outcome.file.name, outcome.error] for outcome in post.result.failed]
    answer["told"] = list(post.result.warnings)


def run_batch(cfg: AttributeDict, answer: dict) -> None:
    import orcabatch

    result = orcabatch.run_batch(cfg, on_failure="continue")
    answer["statuses"] = [str(outcome.status) for outcome in result.outcomes]


def run_refused(cfg: AttributeDict, answer: dict) -> None:
    """There is no licence for the first file when it is opened for the first time."""
    import orcabatch
    from orcabatch import simulated

    simulated.configure(simulated.Costs(fail_loads={cfg["file_management"]["input_files"]["sim"][0].name: (25, 1)}))
    try:
        orcabatch.run_batch(cfg)
    except orcabatch.OrcabatchError as error:
        answer["refused"] = [type(error).__name__, str(error)]


def run_proven(cfg: AttributeDict, answer: dict) -> None:
    from orcabatch.digitalmodel.prove import prove

    run_dropin(cfg, answer)
    answer["proof"] = prove(cfg["Analysis"]["result_folder"]).to_text()


def run_installed(cfg: AttributeDict, answer: dict) -> None:
    import orcabatch.digitalmodel
    from orcabatch.digitalmodel.installed import open_gate

    open_gate()
    made_at_import = importlib.import_module(f"{SOLVERS}.orcaflex")
    orcabatch.digitalmodel.install()
    assert made_at_import.OrcaFlex().router(cfg) is cfg
    answer["object"] = read_from(made_at_import.opp)
    answer["failed"] = [[outcome.file.name, outcome.error] for outcome in made_at_import.opp.result.failed]


if __name__ == "__main__":
    main(*sys.argv[1:])
