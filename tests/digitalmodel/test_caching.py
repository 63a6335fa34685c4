"""What the ledger keeps of digitalmodel's batches comes back as it was, and nothing else that a row may hold."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dm_proof.configurations import CASES, configuration, write_files
from dm_proof.harness import run, settings, with_output
from orcabatch import simulated
from orcabatch.digitalmodel.batch import DigitalModelBatch
from orcabatch.digitalmodel.caching import _as_summaries_name, found_in_cfg, kept_of_cfg
from orcabatch.digitalmodel.finished import FinishedBatch
from orcabatch.digitalmodel.mappings import AttributeDict
from orcabatch.digitalmodel.postprocess import FileResult
from orcabatch.digitalmodel.proof_input import json_safe
from orcabatch.store.values import Damaged, decode, encode

pytest.importorskip("digitalmodel", reason="digitalmodel itself is called: install orcabatch[digitalmodel]")

STRANGE = [
    None,
    5,
    -1.5,
    float("nan"),
    2**70,
    "text",
    "../../above.csv",
    "..",
    b"\0",
    [],
    {},
    [[1]],
    [1, 2],
    np.ones(2),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DigitalModelBatch, Any, Any]]:
    """A batch with all kinds of results, its outcomes, and what is kept of it in common."""
    folder = tmp_path_factory.mktemp("out")
    simulated.install()
    on, sections = CASES["A+C"]
    files = write_files(folder / "sims", count=2)
    done = run(with_output(configuration(files, folder, *on, **sections), folder / "out"), threads=1)
    outputs = [path for path in (folder / "out").iterdir() if path.suffix == ".csv"]
    conclusion = done.batch.concluded(done.outcomes, outputs)
    assert conclusion is not None
    yield done.batch, done.outcomes, decode(encode(conclusion))
    simulated.uninstall()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is something in a nested value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


def replaced(honest: Any) -> Iterator[Any]:
    """The value with something strange in one place after the other."""
    for path in places(honest):
        for strange in STRANGE:
            made = copy.deepcopy(honest)
            here = made
            for key in path[:-1]:
                here = here[key]
            if path:
                here[path[-1]] = strange
            yield made if path else strange


def taken(read: Callable[[Any], Any], honest: Any) -> list[Any]:
    """What is made of each strange value; nothing but the errors that are expected is raised."""
    found = []
    for strange in replaced(honest):
        try:
            found.append(read(decode(encode(strange))))
        except (KeyError, TypeError, ValueError):  # Damaged is one of these
            continue
    return found


def test_a_result_comes_back_as_it_was(finished: tuple[DigitalModelBatch, Any, Any]) -> None:
    """Tables, time series, order and notes."""
    batch, outcomes, _ = finished
    for i, outcome in enumerate(outcomes):
        back = batch.unpack(decode(encode(batch.pack(outcome.value))), i)
        assert batch.pack(back) == batch.pack(outcome.value)
        assert back.outputs == outcome.value.outputs


def test_a_strange_result_is_none_or_one_of_the_right_shape(finished: tuple[DigitalModelBatch, Any, Any]) -> None:
    """Its time series lie in the result folder, its tables are tables, its numbers numbers."""
    batch, outcomes, _ = finished
    honest = decode(encode(batch.pack(outcomes[0].value)))
    found = taken(lambda strange: batch.unpack(strange, 0), honest)
    assert 0 < len(found) < len(list(replaced(honest)))
    for result in found:
        assert isinstance(result, FileResult)
        assert all(path.parent == batch.result_folder and path.name not in {"", ".."} for _, path in result.outputs)
        assert isinstance(result.stop_time, float | int)
        for frames in (result.summary, result.linked):
            assert all(type(frame).__name__ == "DataFrame" for frame in dict(frames or {}).values())
        assert all(isinstance(line, str) for line in result.log)


def test_a_strange_table_is_no_table(finished: tuple[DigitalModelBatch, Any, Any]) -> None:
    """Whatever stands where an encoded table should."""
    batch, outcomes, _ = finished
    honest = batch.pack(outcomes[0].value)
    for strange in [encode(5), encode([1]), encode({"a": 1}), b"", b"P", b"\xff" * 40, b"P" + encode(["x"] * 3)]:
        with pytest.raises(Damaged):
            batch.unpack(honest | {"summary": {"dyn": strange}}, 0)


def test_strange_common_outputs_stay_in_the_folder(finished: tuple[DigitalModelBatch, Any, Any]) -> None:
    """A name that leads out of it is no name; a number of bytes is not that many bytes."""
    batch, outcomes, conclusion = finished
    made = taken(lambda strange: FinishedBatch(batch, strange, outcomes), conclusion)
    assert 0 < len(made) < len(list(replaced(conclusion)))
    for one in made:
        for name, content in one._outputs:
            assert (batch.result_folder / name).parent == batch.result_folder
            assert name != ".."
            assert isinstance(content, bytes)


@pytest.mark.parametrize(
    ("change", "stands"),
    [
        (lambda _: None, True),
        (lambda cfg: cfg["Analysis"].update(start_time="later"), True),
        (lambda cfg: cfg["Analysis"].update(result_folder=cfg["Analysis"]["result_folder"] + "/."), False),
        (lambda cfg: cfg["file_management"]["input_files"]["sim"].append("another.sim"), False),
        (lambda cfg: cfg.update(summary_settings=AttributeDict(cfg["summary_settings"])), False),
    ],
)
def test_what_is_left_in_a_configuration_holds_for_the_very_same_one(change: Any, stands: bool, tmp_path: Path) -> None:
    """Another folder's spelling, list of files, or the caller's own class: digitalmodel has to do it again."""
    on, sections = CASES["B"]
    cfg = configuration([tmp_path / "a.sim"], tmp_path, *on, **sections)
    left = {**cfg, "summary_settings": {"groups": [1]}, "new": {"time_series": [2.5]}}
    kept = decode(encode(kept_of_cfg(left, json_safe(cfg), "serial")))
    change(cfg)
    if stands:
        changed = {"summary_settings": {"groups": [1]}, "new": {"time_series": [2.5]}}
        assert found_in_cfg(kept, cfg, json_safe(cfg), "serial") == changed
    else:
        with pytest.raises((TypeError, ValueError)):
            found_in_cfg(kept, cfg, json_safe(cfg), "serial")
    with pytest.raises(ValueError, match="another configuration"):
        found_in_cfg(kept, cfg, json_safe(cfg), "per_file")


def test_where_a_file_lies_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often what determines its result is asked: it may lie on a slow drive."""
    on, sections = CASES["B"]
    cfg = configuration([tmp_path / "a.sim", tmp_path / "b.sim"], tmp_path, *on, **sections)
    batch = DigitalModelBatch.from_cfg(cfg, settings=settings(), planning=True)
    batch.take_hints({"stop_time": False})
    asked: list[str] = []
    resolve = Path.resolve
    monkeypatch.setattr(Path, "resolve", lambda path: asked.append(path.name) or resolve(path))
    known = [batch.determinants(i) for i in (0, 1, 0, 1, 0)]
    assert asked == ["a.sim", "b.sim"]
    assert None not in known
    assert known[0] == known[2] != known[1]


@pytest.mark.parametrize("hints", [{"stop_time": 1.0}, {"leader": "no"}, {"unheard_of": True}])
def test_strange_hints_teach_nothing(hints: dict[str, Any], tmp_path: Path) -> None:
    """Who waits for whom is yes or no."""
    on, sections = CASES["A"]
    cfg = configuration([tmp_path / "a.sim"], tmp_path, *on, **sections)
    batch = DigitalModelBatch.from_cfg(cfg, settings=settings(), planning=True)
    with pytest.raises(TypeError):
        batch.take_hints(hints)


def test_a_share_that_went_costs_only_the_place_in_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Windows raises where it is asked for the real place: that ends no run, whoever loads the file says so."""

    def gone(path: Path, *, strict: bool = False) -> Path:
        raise OSError(22, f"the network name is no longer available ({strict})", str(path))

    monkeypatch.setattr(Path, "resolve", gone)
    assert _as_summaries_name(tmp_path / "a.sim") == [str(tmp_path / "a.sim"), "a"]
