"""digitalmodel's own serial loop as shipped, in a process of its own: writes the reference folders of the proof.

Run by path. Of orcabatch nothing is imported but the simulated OrcaFlex; every answer says so, and the client asserts
it. Each line on stdin names a pickled job {cfg}; each answer is one JSON line on the real stdout. digitalmodel is not
changed, but for the one argument that its linked statistics lack.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import pickle
import sys
import warnings
from pathlib import Path


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr
    from orcabatch import simulated

    simulated.install()
    from loguru import logger

    logger.remove()
    warnings.simplefilter("ignore")
    opp = importlib.import_module("digitalmodel.modules.orcaflex.opp")
    last = give_linked_statistics_their_argument(opp)
    for line in sys.stdin:
        job = pickle.loads(Path(json.loads(line)).read_bytes())  # noqa: S301 - written by the test that asks
        answer = run(opp, **job)
        last.clear()  # it holds a model
        answer["modules"] = sorted(name for name in sys.modules if name.split(".")[0] == "orcabatch")
        print(json.dumps(answer), file=answers, flush=True)


def run(opp, cfg):
    from assetutilities.common.update_deep import AttributeDict

    cfg = AttributeDict(cfg)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            post = opp.OrcaFlexPostProcess()
            back = post.post_process_router(cfg)
    except Exception as error:  # noqa: BLE001 - whatever digitalmodel dies of is the answer
        return {"error": f"{type(error).__name__}: {error}"}
    sections = ("summary_settings", "time_series_settings", "linked_statistics_settings", cfg["meta"]["basename"])
    return {
        "error": None,
        "same": back is cfg,
        "cfg": json.loads(json.dumps({k: cfg.get(k) for k in sections}, default=str)),
        "text": json.dumps(cfg, default=str),
        "object": vars(post),
    }


def give_linked_statistics_their_argument(opp):
    load, compute, last = opp.ou.get_model_and_metadata, opp.opp_ls.get_linked_statistics, {}

    def get_model_and_metadata(file_name):
        last.clear()
        last.update(load(file_name))
        return dict(last)

    opp.ou.get_model_and_metadata = get_model_and_metadata
    opp.opp_ls.get_linked_statistics = lambda cfg, model, file_name: compute(cfg, dict(last), file_name)
    return last


if __name__ == "__main__":
    main()
