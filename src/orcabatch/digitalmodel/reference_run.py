"""digitalmodel's own run over a few files, in a process of its own: the reference of a proof.

Run by path (`python -P reference_run.py question.json`), never imported by orcabatch, and importing nothing of it but
the simulated OrcaFlex where the batch used that; it ends with an error if anything else of orcabatch was imported.
The question is a JSON file: the configuration as the user gave it (values that JSON has no form for are tagged, see
`restored`), the folder to write to, and for each run of the loop the positions of its files in the input list. The
answer is written beside the results. What digitalmodel does is not changed, with one exception: its linked statistics
get the one argument that they lack, without which it cannot produce any.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from datetime import date, datetime
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

ORCFXAPI = "OrcFxAPI"
SIMULATED = "orcabatch.simulated"
PACKAGES = ("digitalmodel.solvers.orcaflex", "digitalmodel.orcaflex", "digitalmodel.modules.orcaflex")


def main(question_file: str) -> None:
    """Answer the question in `question_file`."""
    question = json.loads(Path(question_file).read_text(encoding="utf-8"))
    # Of a frozen program, what it imports from lacks the standard library that another Python needs.
    sys.path[:] = [*(sys.path if question["frozen"] else []), *question["sys_path"]]
    if question["orcaflex"] == "simulated":
        importlib.import_module(SIMULATED).install()
    opp = _post_process_module()
    begun = time.perf_counter()
    for number, positions in enumerate(question["runs"]):
        out = Path(question["out"]) / str(number)
        (out / "Data").mkdir(parents=True)
        (out / "Plot").mkdir()
        _run(opp, restored_configuration(question["cfg"]), positions, out)
    Path(question["out"], "answer.json").write_text(
        json.dumps(_answer(opp, time.perf_counter() - begun)), encoding="utf-8"
    )


def restored_configuration(stored: dict[str, Any]) -> dict[str, Any]:
    """A configuration, with what was one object in several places as one again."""
    cfg: dict[str, Any] = restored({key: value for key, value in stored.items() if key != "$shared"})
    for first, *others in stored.get("$shared", ()):
        one = _at(cfg, first)
        for *above, last in others:
            _at(cfg, above)[restored(last)] = one
    return cfg


def _at(value: Any, place: list[Any]) -> Any:
    for key in place:
        value = value[restored(key)]
    return value


def restored(value: Any) -> Any:
    """A value as it was before it was written as JSON."""
    if isinstance(value, list):
        return [restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, inner),) = value.items()
        if tag in _TAGS:
            return _TAGS[tag](inner)
    return {key: restored(item) for key, item in value.items()}


def _refuse(kind: str) -> Any:
    raise SystemExit(f"the configuration held a {kind}, which could not be stored exactly")


_TAGS: dict[str, Callable[[Any], Any]] = {
    "$lost": _refuse,
    "$path": Path,
    "$float": float,
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$tuple": lambda items: tuple(restored(items)),
    "$items": lambda items: {restored(key): restored(item) for key, item in items},
}


def _post_process_module() -> Any:
    package = next((name for name in PACKAGES if _exists(f"{name}.opp")), None)
    if package is None:
        raise SystemExit("digitalmodel has no OrcaFlex post-process")
    if _exists(f"{package}.orcaflex_api"):
        _open_gate(f"{package}.orcaflex_api")
    return importlib.import_module(f"{package}.opp")


def _open_gate(name: str) -> None:
    """Set up a newer digitalmodel's own proxy, handing it an OrcFxAPI that was imported before, which it refuses."""
    gate = importlib.import_module(name)
    present = sys.modules.pop(ORCFXAPI, None)
    given = [] if present is None else [_Given(present)]
    sys.meta_path[:0] = given
    gate.api()
    for finder in given:
        sys.meta_path.remove(finder)


class _Given(MetaPathFinder, Loader):
    def __init__(self, module: ModuleType) -> None:
        self.module = module

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == ORCFXAPI else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """It was executed when it was imported first."""


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _run(opp: Any, plain: dict[str, Any], positions: list[int], out: Path) -> None:
    from assetutilities.common.update_deep import AttributeDict

    cfg = AttributeDict(plain)
    files = cfg["file_management"]["input_files"]["sim"]
    cfg["file_management"]["input_files"]["sim"] = [files[position] for position in positions]
    folders = {"result_folder": out, "result_data_folder": out / "Data", "result_plot_folder": out / "Plot"}
    cfg["Analysis"].update({name: str(folder) for name, folder in folders.items()})
    cfg["parallel_processing"] = {**cfg.get("parallel_processing", {}), "enabled": False}
    outputs = cfg["orcaflex"]["postprocess"]
    outputs["visualization"] = {**outputs.get("visualization", {}), "flag": False}
    if outputs["linked_statistics"]["flag"]:
        cfg.setdefault("basename", cfg["meta"]["basename"])
        _complete_linked_statistics(opp)
    opp.OrcaFlexPostProcess().post_process_router(cfg)


def _complete_linked_statistics(opp: Any) -> None:
    """Hand the linked statistics the model's dictionary, which they ask for, instead of the model."""
    load, compute = type(opp.ou).get_model_and_metadata, type(opp.opp_ls).get_linked_statistics
    loaded: dict[str, Any] = {}

    def get_model_and_metadata(*args: Any, **named: Any) -> Any:
        loaded["model_dict"] = None  # digitalmodel 0.0.9 may hold two models; this must not make it three
        loaded["model_dict"] = load(opp.ou, *args, **named)
        return loaded["model_dict"]

    def get_linked_statistics(cfg: Any, _model: Any, file: Any) -> Any:
        return compute(opp.opp_ls, cfg, loaded["model_dict"], file)

    opp.ou.get_model_and_metadata = get_model_and_metadata
    opp.opp_ls.get_linked_statistics = get_linked_statistics


def _answer(opp: Any, loop_s: float) -> dict[str, Any]:
    own = sorted(name for name in sys.modules if name.split(".")[0] == "orcabatch")
    foreign = [name for name in own if name != "orcabatch" and not f"{name}.".startswith(f"{SIMULATED}.")]
    if foreign or (own and SIMULATED not in own):
        raise SystemExit(f"the reference is worth nothing: it imported {', '.join(foreign or own)}")
    versions = {name: _version(name) for name in ("digitalmodel", "pandas", "OrcFxAPI")}
    python = sys.version.split()[0]
    return {"versions": versions, "digitalmodel": opp.__file__, "python": python, "orcabatch": own, "loop_s": loop_s}


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get(distribution), "__version__", "unknown"))


if __name__ == "__main__":
    main(sys.argv[1])
