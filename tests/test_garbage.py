"""While much is imported no garbage is collected, and what was made is not gone through afterwards either."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

import orcabatch
from orcabatch.garbage import uncollected


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    """As Python begins, whatever a test leaves."""
    gc.collect()
    yield
    gc.unfreeze()
    gc.enable()


def test_what_was_made_is_old_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next looks at what is young do not meet it, and it is collected in the end as anything else."""
    with uncollected():
        monkeypatch.setitem(sys.modules, "made_meanwhile", ModuleType("made_meanwhile"))
        made = [[] for _ in range(10_000)]
        assert not gc.isenabled()
        assert len(gc.get_objects(generation=0)) > 10_000
    assert gc.isenabled()
    assert len(gc.get_objects(generation=0)) + len(gc.get_objects(generation=1)) < 1_000
    assert gc.get_freeze_count() == 0
    assert gc.is_tracked(made)


def test_nothing_is_old_where_nothing_was_imported() -> None:
    """A loop that asks orcabatch for a name again and again would keep all garbage of the caller's from being found."""
    assert orcabatch.run_batch is not None  # which imports it, where no test has yet
    young: list[object] = []
    assert orcabatch.run_batch is not None
    assert any(each is young for each in gc.get_objects(generation=0))


def test_collecting_that_was_off_stays_off() -> None:
    """It is the caller's, also where one import brings another."""
    gc.disable()
    with uncollected():
        pass
    assert not gc.isenabled()


def test_collecting_goes_on_after_an_import_that_failed() -> None:
    """Which is the caller's to handle."""
    with pytest.raises(ImportError), uncollected():
        raise ImportError
    assert gc.isenabled()


def test_what_the_caller_froze_stays_frozen() -> None:
    """As a program does before it forks."""
    gc.freeze()
    frozen = gc.get_freeze_count()
    with uncollected():
        pass
    assert gc.get_freeze_count() == frozen


COUNTED = """
import gc, sys

def collected():
    return sum(generation["collections"] for generation in gc.get_stats())

before = collected()
{what}
print(collected() - before, gc.isenabled())
"""

COMMAND = """
from contextlib import suppress
from orcabatch import cli
with suppress(SystemExit):
    cli.main(["run", "--help"])
"""

DIGITALMODEL = """
from orcabatch import simulated
simulated.install()
from orcabatch.digitalmodel.installed import find_installation
before = collected()
find_installation()
"""


@pytest.mark.parametrize(
    ("what", "needs"),
    [
        pytest.param("from orcabatch import run_batch", "orcabatch", id="script"),
        pytest.param(COMMAND, "orcabatch", id="command"),
        pytest.param(DIGITALMODEL, "digitalmodel", id="digitalmodel"),
    ],
)
def test_a_start_looks_for_no_garbage(what: str, needs: str) -> None:
    """It would a hundred times, and with digitalmodel five hundred times."""
    pytest.importorskip(needs, reason=f"{needs} is not installed")
    command = [sys.executable, "-c", COUNTED.format(what=what)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    count, collecting = done.stdout.splitlines()[-1].split()
    assert int(count) < 50
    assert collecting == "True"
