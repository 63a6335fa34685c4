"""A dask worker lives longer than a run: what it imported is not what stands in the file any more."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

from orcabatch.engine.executors.dask.imported import Imported


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of the user's, imported."""
    source = tmp_path / "helper_of_a_dask_worker.py"
    source.write_text("FACTOR = 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module(source.stem)
    yield source
    del sys.modules[source.stem]


def test_a_module_that_was_edited_since_it_was_imported_is_named(helper: Path) -> None:
    """By what stands in it: written anew as it was it is the same, and removed it is not."""
    imported = Imported()
    imported.note()
    helper.write_text("FACTOR = 2\n", encoding="utf-8")
    assert imported.edited() == [helper.stem]
    helper.write_text("FACTOR = 1\n", encoding="utf-8")
    assert imported.edited() == []
    helper.unlink()
    assert imported.edited() == [helper.stem]


def test_a_module_that_comes_later_is_noted_then(helper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function may import while it runs."""
    imported = Imported()
    module = sys.modules[helper.stem]
    with monkeypatch.context() as before:
        before.delitem(sys.modules, helper.stem)
        imported.note()
    assert sys.modules[helper.stem] is module
    helper.write_text("FACTOR = 2\n", encoding="utf-8")
    assert imported.edited() == []
    helper.write_text("FACTOR = 1\n", encoding="utf-8")
    imported.note()
    helper.write_text("FACTOR = 2\n", encoding="utf-8")
    assert imported.edited() == [helper.stem]


@pytest.mark.parametrize("afresh", [True, False], ids=["from nothing", "reloaded"])
def test_a_module_that_was_imported_again_is_as_new(helper: Path, afresh: bool) -> None:
    """A function may reload what was edited, or import it from nothing: the worker computes with the new one then."""
    imported = Imported()
    imported.note()
    helper.write_text("FACTOR = 222\n", encoding="utf-8")
    assert imported.edited() == [helper.stem]
    importlib.invalidate_caches()
    before = sys.modules.pop(helper.stem) if afresh else sys.modules[helper.stem]
    module = importlib.import_module(helper.stem) if afresh else importlib.reload(before)
    assert module.FACTOR == 222
    assert imported.edited() == []
    imported.note()
    assert imported.edited() == []
    helper.write_text("FACTOR = 3333\n", encoding="utf-8")
    assert imported.edited() == [helper.stem]


def test_what_is_installed_is_left_to_its_version() -> None:
    """Neither Python's own modules nor packages are read: there are thousands."""
    imported = Imported()
    imported.note()
    assert json.__name__ not in imported._seen
    assert pytest.__name__ not in imported._seen
    assert "orcabatch.text" in imported._seen or "site-packages" in str(sys.modules["orcabatch.text"].__file__)
