"""A function that worker processes have otherwise than the caller: said, and nothing of it is kept."""

from __future__ import annotations

import importlib

import pytest

import batch_functions
import orcabatch
from engine import dask_cluster

pytestmark = pytest.mark.usefixtures("dask_ends", "orcaflex")

PROCESSES = {"executor": "processes", "process_count": 1}
EXECUTORS = {
    "processes": PROCESSES,
    "hybrid": PROCESSES | {"threads_per_process": 2},
    "dask": {"executor": "dask"},
}
DASK = pytest.param("dask", marks=dask_cluster.MARKS)


@pytest.fixture
def ran(sims, tmp_path):
    """Runs a function over two files, with a ledger of the test's own."""

    def run(function, executor, **more):
        performance = dict(EXECUTORS.get(executor, {"executor": executor}))
        if executor == "dask":
            performance["dask"] = {"address": dask_cluster.shared().address}
        performance["ledger"] = {"path": str(tmp_path / "ledger.db")}
        asked = {"orcaflex": "simulated", "progress": False, "performance": performance, "version": "1", **more}
        result = orcabatch.run_batch(sims[:2], postprocess=function, **asked)
        assert not result.failed
        return result

    return run


def said(result):
    return [text for text in result.warnings if "worker processes do not have" in text]


@pytest.mark.parametrize("executor", ["processes", "hybrid", DASK])
@pytest.mark.parametrize("version", ["1", None])
def test_what_the_script_set_is_said_once_and_its_wrong_values_are_not_kept(ran, monkeypatch, executor, version):
    """The name that differs, once for all files, with and without a version; a serial run then computes its own."""
    monkeypatch.setattr(batch_functions, "FACTOR", 2.0)
    elsewhere = ran(batch_functions.scaled, executor, version=version)
    assert len(said(elsewhere)) == 1
    assert "What differs: FACTOR in module batch_functions." in said(elsewhere)[0]
    assert "`initializer=`" in said(elsewhere)[0]
    here = ran(batch_functions.scaled, "serial")
    assert [outcome.status.value for outcome in here.outcomes] == ["ok", "ok"]
    assert here.values == [2.0 * value for value in elsewhere.values]
    assert not said(here)


@pytest.mark.parametrize("executor", ["processes", DASK])
def test_an_attribute_of_the_function_is_named_with_it(ran, monkeypatch, executor):
    """And so are its defaults."""
    monkeypatch.setattr(batch_functions.attribute, "factor", 2.0)
    result = ran(batch_functions.attribute, executor)
    assert "What differs: attribute in module batch_functions (its code, defaults or attributes)." in said(result)[0]


@pytest.mark.parametrize("executor", ["processes", "hybrid", DASK])
def test_what_is_the_same_everywhere_is_kept_and_nothing_is_said(ran, executor):
    """Whatever the order of sets is there."""
    first, second = ran(batch_functions.scaled, executor), ran(batch_functions.scaled, "serial")
    assert not said(first)
    assert [outcome.status.value for outcome in second.outcomes] == ["skipped", "skipped"]


@pytest.mark.parametrize("executor", ["processes", "hybrid"])
@pytest.mark.parametrize("here", [1.0, 2.0])
def test_what_an_initializer_sets_there_is_meant(ran, monkeypatch, executor, here):
    """Both where the caller set the same, and where only the initializer does."""
    monkeypatch.setattr(batch_functions, "FACTOR", here)
    result = ran(batch_functions.scaled, executor, initializer=batch_functions.set_factor, initargs=(2.0,))
    assert not said(result)
    again = ran(batch_functions.scaled, executor, initializer=batch_functions.set_factor, initargs=(2.0,))
    assert [outcome.status.value for outcome in again.outcomes] == ["skipped", "skipped"]


def test_an_initializer_that_sets_something_else_does_not_hide_it(ran, monkeypatch):
    """Three here, one there at first, two after it."""
    monkeypatch.setattr(batch_functions, "FACTOR", 3.0)
    result = ran(batch_functions.scaled, "processes", initializer=batch_functions.set_factor, initargs=(2.0,))
    assert "FACTOR in module batch_functions" in said(result)[0]


def test_a_file_edited_after_it_was_imported_is_said(ran, tmp_path, monkeypatch):
    """As in a notebook: the worker processes have what stands on the disk, serial runs what was imported."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "edited_later.py").write_text("def f(model):\n    return 1.0\n")
    function = importlib.import_module("edited_later").f
    (tmp_path / "edited_later.py").write_text("def f(model):\n    return 2.0  # longer\n")
    elsewhere = ran(function, "processes")
    assert elsewhere.values == [2.0, 2.0]
    assert "What differs: f in module edited_later" in said(elsewhere)[0]
    assert ran(function, "serial").values == [1.0, 1.0]
