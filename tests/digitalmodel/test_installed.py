"""Finding digitalmodel, keeping it off the terminal, and the way out when a function is missing."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dm_proof.configurations import CASES, configuration, write_files
from dm_proof.harness import contents, run, settings, with_output
from orcabatch import simulated
from orcabatch.digitalmodel import batch as batch_module
from orcabatch.digitalmodel.batch import DigitalModelBatch
from orcabatch.digitalmodel.installed import TESTED, find_installation, locate
from orcabatch.digitalmodel.output_capture import (
    MOST_CONCERNS,
    MOST_LINES,
    CapturedOutput,
    capture_modules,
    ignore_own_warnings,
)

pytest.importorskip("digitalmodel", reason="digitalmodel itself is called: install orcabatch[digitalmodel]")


@pytest.fixture(scope="module", autouse=True)
def orcaflex() -> Iterator[None]:
    from loguru import logger

    simulated.install()
    logger.remove()
    yield
    simulated.uninstall()


def test_the_installed_digitalmodel_is_known_to_the_last_line() -> None:
    """The published 0.0.9 is the one the proof runs on; its own serial loop has no pool."""
    installation = find_installation()
    assert (installation.package, installation.version) == ("digitalmodel.modules.orcaflex", "0.0.9")
    assert installation.tested
    assert installation.missing == ()
    assert not installation.has_pool
    assert installation.usable_states is None


def test_one_changed_character_makes_it_untested() -> None:
    """An edited clone changes no version."""
    installation = find_installation()
    edited = replace(installation, hashes={**installation.hashes, f"{installation.package}.opp_summary": "0" * 64})
    assert not edited.tested
    assert edited.digest not in TESTED


def test_without_digitalmodel_the_message_says_what_to_install() -> None:
    """An environment without it: one line that names the extra."""
    code = (
        "import sys; sys.modules['digitalmodel'] = None\n"
        "from orcabatch.digitalmodel.installed import find_installation, locate\n"
        "assert locate() is None\n"
        "try: find_installation()\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("DigitalModelError")
    assert "orcabatch[digitalmodel]" in said.stdout
    assert locate() == "digitalmodel.modules.orcaflex"


@pytest.mark.skipif(os.name == "nt", reason="on Windows OrcFxAPI imports as far as its DLL")
def test_without_orcaflex_the_message_offers_the_simulated_one() -> None:
    """The real OrcFxAPI cannot be imported here, so digitalmodel cannot: said in those words."""
    code = (
        "from orcabatch.digitalmodel.installed import find_installation\n"
        "try: find_installation()\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("OrcaFlexUnavailable")
    assert "orcaflex: simulated" in said.stdout


def test_a_missing_function_has_digitalmodels_own_call_run_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Serially, with the same output, and the reason among the warnings."""
    files = write_files(tmp_path / "sims", count=2)
    on, sections = CASES["A"]
    cfg = with_output(configuration(files, tmp_path, *on, **sections), tmp_path / "native")
    lacking = replace(find_installation(), missing=("opp_ts.get_time_series_data",))
    monkeypatch.setattr(batch_module, "find_installation", lambda: lacking)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns in digitalmodel's own loop
        batch = DigitalModelBatch.from_cfg(cfg, settings=settings())
        assert batch.files == ()
        conclusion = batch.conclude([])
    assert any("opp_ts.get_time_series_data" in text for text in conclusion.warnings)
    monkeypatch.undo()
    run(with_output(configuration(files, tmp_path, *on, **sections), tmp_path / "ours"), threads=2)
    assert contents(tmp_path / "native") == contents(tmp_path / "ours")


@pytest.fixture
def speaker() -> Iterator[ModuleType]:
    """A module that speaks as digitalmodel's do."""
    module = ModuleType("speaking_package.module")
    said = ("print(text)", "logging.error(text)", "logger.warning(text)", "logging.debug(text)")
    code = "def speak(text):\n    " + "\n    ".join(said)
    module.__dict__.update(logging=logging, logger=logging.getLogger("speaking"))
    exec(code, module.__dict__)  # noqa: S102 - a module made on the spot
    sys.modules[module.__name__] = module
    capture_modules("speaking_package")
    yield module
    del sys.modules[module.__name__]


def test_each_thread_hears_its_own_file_and_the_terminal_nothing(
    speaker: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    """Standard output belongs to the process, so it is the names that are turned aside, not the stream."""
    heard: dict[int, tuple[str, ...]] = {}
    barrier = threading.Barrier(8)

    def listen(number: int) -> None:
        with CapturedOutput() as captured:
            barrier.wait()
            for _ in range(20):
                speaker.speak(f"file {number}")
        heard[number] = captured.told()

    threads = [threading.Thread(target=listen, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = ("print", "error", "warning", "debug")
    assert heard == {number: tuple(f"{level}: file {number}" for level in lines) * 20 for number in range(8)}
    assert capfd.readouterr() == ("", "")


def test_where_nobody_listens_all_goes_where_it_always_went(
    speaker: ModuleType, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A digitalmodel used on its own in the same process is not silenced."""
    speaker.speak("as ever")
    assert capsys.readouterr().out == "as ever\n"
    assert [record.message for record in caplog.records] == ["as ever", "as ever"]


def test_an_exception_takes_along_what_was_said_before(speaker: ModuleType) -> None:
    """The traceback of a failed file holds digitalmodel's last words."""

    def fail() -> None:
        with CapturedOutput():
            speaker.speak("about to fail")
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError) as raised:
        fail()
    assert any("about to fail" in note for note in raised.value.__notes__)


def test_a_flood_of_lines_is_cut_and_counted() -> None:
    """900 columns with one wrong name must not fill the metrics."""
    with CapturedOutput() as captured:
        for number in range(MOST_LINES + 7):
            captured.say("error", f"no such variable {number}")
    assert captured.told()[-1] == "... and 7 more lines"
    assert len(captured.concerns()) == MOST_CONCERNS + 1


def test_digitalmodels_own_warnings_are_hushed_and_no_others() -> None:
    """Tables of more than a hundred columns warn for each file; the user's own code still warns."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ignore_own_warnings()
        for module in ("digitalmodel.modules.orcaflex.opp_summary", "my_script", "orcabatch.digitalmodel"):
            warnings.warn_explicit(module, UserWarning, "file.py", 1, module=module)
    assert [str(item.message) for item in caught] == ["my_script", "orcabatch.digitalmodel"]


def test_a_hundred_and_fifty_columns_are_no_news(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Warnings are errors in these tests: pandas' remark on fragmented tables would lose the file."""
    one: dict[str, Any] = {"Command": "GetData", "ObjectName": "Environment", "Variable": ["WaveHs", -1]}
    groups = [{"Label": "wide", "Columns": [one | {"Label": f"c{i}"} for i in range(150)]}]
    files = write_files(tmp_path / "sims", count=2)
    done = run(configuration(files, tmp_path, "summary", summary_settings={"groups": groups}), threads=2)
    assert done.stand == [0, 1]
    assert capfd.readouterr() == ("", "")
