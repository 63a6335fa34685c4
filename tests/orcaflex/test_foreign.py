"""A user's own mock of OrcFxAPI: a plain stub or a MagicMock in `sys.modules` is enough (R40)."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from orcabatch.engine.contract import Note, Task
from orcabatch.errors import OrcaFlexUnavailable
from orcabatch.orcaflex.binding import BindingKind, find_binding
from orcabatch.orcaflex.user_function import FunctionPostProcess
from orcabatch.orcaflex.work import OrcaFlexRecipe
from orcabatch.outcome import Phase


class _Clock:
    def __init__(self) -> None:
        self.phases: list[Phase] = []

    def enter(self, phase: Phase) -> None:
        self.phases.append(phase)


class _StubLine:
    def TimeHistory(self, variable, period=None, extra=None):  # noqa: N802 - OrcFxAPI's name
        return [1.0, 5.0, len(variable)]


class _StubModel:
    opened: list[str] = []

    def __init__(self, path: str) -> None:
        self.opened.append(path)

    def __getitem__(self, name: str) -> _StubLine:
        return _StubLine()


def _stub_module() -> types.ModuleType:
    module = types.ModuleType("OrcFxAPI")
    module.Model = _StubModel  # type: ignore[attr-defined]
    return module


def peak(model):
    return max(model["Line1"].TimeHistory("Effective Tension"))


def peak_and_stem(model, sim_file, factor=2):
    return sim_file.stem, factor * peak(model)


def _task(file: Path, index: int = 0, batch: str = "b") -> Task:
    return Task(index, file, (batch,), 0, 0)


def run(function, files, notes=None):
    recipe = OrcaFlexRecipe({"b": FunctionPostProcess(function)})
    worker = recipe.open_worker((notes if notes is not None else []).append)
    values = []
    for index, file in enumerate(files):
        task = _task(file, index)
        worker.load(task)
        values.append(worker.extract(task, "b", _Clock()).value)
        worker.release(task)
    worker.close()
    return values


def test_a_plain_stub_is_used_for_what_it_has(monkeypatch):
    """A stub whose Model takes only a path is opened by path, once per file; no file needs to exist."""
    monkeypatch.setitem(sys.modules, "OrcFxAPI", _stub_module())
    monkeypatch.setattr(_StubModel, "opened", [])
    assert find_binding().kind is BindingKind.FOREIGN
    assert run(peak, [Path("/a/one.sim"), Path("/a/two.sim")]) == [17, 17]
    assert _StubModel.opened == [str(Path("/a/one.sim")), str(Path("/a/two.sim"))]


def test_a_function_that_requires_two_arguments_gets_the_file(monkeypatch):
    """Arguments with defaults do not count."""
    monkeypatch.setitem(sys.modules, "OrcFxAPI", _stub_module())
    assert run(peak_and_stem, [Path("/a/one.sim")]) == [("one", 34)]


def test_a_magic_mock_is_enough_and_sees_only_what_the_function_asks(monkeypatch):
    """A MagicMock, which answers True to every hasattr, is foreign; only the function's calls are recorded."""
    mock = MagicMock()
    mock.Model.return_value.__getitem__.return_value.TimeHistory.return_value = [3.0, 4.0]
    monkeypatch.setitem(sys.modules, "OrcFxAPI", mock)
    notes: list[Note] = []
    assert run(peak, [Path("x.sim")], notes) == [4.0]
    mock.Model.assert_called_once_with("x.sim")
    model = mock.Model.return_value
    assert [call[0] for call in model.mock_calls] == ["__getitem__", "__getitem__().TimeHistory"]
    assert notes == []


def test_a_magic_mock_that_raises_gives_a_failure_in_words(monkeypatch):
    """An exception of the user's function is explained without any DLLError class."""
    mock = MagicMock()
    mock.Model.side_effect = RuntimeError("boom")
    monkeypatch.setitem(sys.modules, "OrcFxAPI", mock)
    recipe = OrcaFlexRecipe({"b": FunctionPostProcess(peak)})
    worker = recipe.open_worker([].append)
    with pytest.raises(RuntimeError) as caught:
        worker.load(_task(Path("x.sim")))
    failure = recipe.explain(caught.value, _task(Path("x.sim")), Phase.LOAD)
    assert failure.message == "RuntimeError: boom"
    assert "test_foreign.py" in failure.traceback or "Traceback" in failure.traceback
    worker.close()


@pytest.mark.parametrize("function", [lambda a, b, c: None, 3])
def test_what_cannot_be_a_postprocess_is_refused_at_once(function):
    """Three required arguments, or no callable at all, is a TypeError that says what is expected."""
    with pytest.raises(TypeError, match=r"f\(model|positional"):
        FunctionPostProcess(function)


def test_the_simulated_orcaflex_does_not_push_a_stub_aside(monkeypatch):
    """Asked for beside somebody's stub, it says so instead of taking the stub's place."""
    stub = _stub_module()
    monkeypatch.setitem(sys.modules, "OrcFxAPI", stub)
    with pytest.raises(OrcaFlexUnavailable, match="another OrcFxAPI"):
        find_binding("simulated")
    assert sys.modules["OrcFxAPI"] is stub
