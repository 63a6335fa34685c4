"""A user's own unit test: a plain stub or a MagicMock stands in for OrcFxAPI."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

import orcabatch
from batch_functions import largest_tension
from orcabatch import simulated
from orcabatch.errors import SettingsError


class History:
    """Just enough of an array."""

    def __init__(self, value):
        self.value = value

    def max(self):
        return self.value


class Line:
    """Just enough of a line."""

    def TimeHistory(self, name, period, extra):  # noqa: N802 - OrcFxAPI's own name
        return History(float(len(name)))


class Model:
    """Just enough of a model: takes a path, hands out lines."""

    opened: list[str] = []

    def __init__(self, path):
        self.opened.append(str(path))

    def __getitem__(self, name):
        return Line()


def stub():
    """OrcFxAPI as a user would stub it: no hooks, no DLLError, no threadCount, no LoadSimulation."""
    return SimpleNamespace(Model=Model, pnWholeSimulation=object(), oeEndA=object())


def test_a_plain_stub_is_enough(foreign):
    """Files need not even exist: the stub decides what a path means."""
    foreign(stub())
    Model.opened.clear()
    result = orcabatch.run_batch(["a.sim", "b.sim"], postprocess=largest_tension, progress=False)
    assert result.values == [{"tension": 17.0}, {"tension": 17.0}]
    assert sorted(path.rsplit("/", 1)[-1] for path in Model.opened) == ["a.sim", "b.sim"]
    assert result.metrics["orcaflex"] == "foreign"


def test_a_magic_mock_is_enough(foreign):
    """A MagicMock cannot be subclassed nor stand in an `except`; nothing here needs that."""
    mock = foreign(MagicMock())
    mock.Model.return_value.__getitem__.return_value.TimeHistory.return_value.max.return_value = 812.0
    result = orcabatch.run_batch(["any.sim"], postprocess=largest_tension, progress=False)
    assert result.values == [{"tension": 812.0}]


def test_an_exception_under_a_mock_fails_its_file_alone(foreign):
    """Failure handling does not depend on OrcFxAPI's own error class."""
    mock = foreign(MagicMock())
    mock.Model.return_value.__getitem__.side_effect = [KeyError("Line01"), MagicMock()]
    result = orcabatch.run_batch(
        ["a.sim", "b.sim"], postprocess=lambda model: model["Line01"] and 1, progress=False,
        performance={"executor": "serial"},
    )  # fmt: skip
    assert [outcome.ok for outcome in result.outcomes] == [False, True]
    assert "Line01" in result.failed[0].error


def test_the_same_function_runs_on_the_stub_and_on_the_simulated_orcaflex(foreign, sims, monkeypatch):
    """What was tested against a stub runs unchanged on the real classes."""
    foreign(stub())
    assert orcabatch.run_batch(["a.sim"], postprocess=largest_tension, progress=False).ok
    monkeypatch.undo()
    try:
        result = orcabatch.run_batch(sims, postprocess=largest_tension, orcaflex="simulated", progress=False)
        assert result.ok
        assert result.metrics["orcaflex"] == "simulated"
    finally:
        simulated.uninstall()


def test_worker_processes_cannot_have_a_mock_and_say_so(foreign):
    """The module lives in this process only."""
    foreign(MagicMock())
    with pytest.raises(SettingsError, match="would not have it"):
        orcabatch.run_batch(
            ["a.sim"], postprocess=largest_tension, progress=False, performance={"executor": "processes"}
        )
