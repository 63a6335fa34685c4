"""`orcabatch doctor --sim`: in child processes, over files that stay as they are; what is shown, written and kept."""

from __future__ import annotations

import hashlib
import io
import json
import os
import queue
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

from orcabatch import cli, console, run_batch, simulated
from orcabatch.cli import doctor as command
from orcabatch.doctor import examination
from orcabatch.doctor.assumptions import ASSUMPTIONS, Verdict
from orcabatch.doctor.examination import Examination, Found, examine
from orcabatch.doctor.verdicts import verdicts_file
from orcabatch.errors import SettingsError
from orcabatch.simulated.quirks import Quirk

from .conftest import MB, written


def standing(folder):
    """Every file with its bytes and times, and what else there is."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.stat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[path.relative_to(folder).as_posix()] = (status.st_size, status.st_mtime_ns, content)
    return found


@pytest.fixture
def doctor(capsys):
    """`orcabatch doctor WORDS ...` over the simulated OrcaFlex: exit code, and what it printed."""

    def run(*words):
        capsys.readouterr()
        code = cli.main(["doctor", "--orcaflex", "simulated", *map(str, words)])
        return code, capsys.readouterr().out

    return run


def test_one_command_asks_everything_and_leaves_nothing(doctor, broken, tmp_path, monkeypatch, state_folder):
    """All that may be asked is; the file, its folder and the temporary one stay as they are; no seat is left taken."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    folder = tmp_path / "Δσ cases"
    folder.mkdir()
    file = written(folder, "secret name.sim", 24 * MB, objects=simulated.mooring_objects())
    broken(log_pass_s=0.001, seats=2)
    before = standing(tmp_path)
    with simulated.counting() as count:
        code, said = doctor("--sim", file, "--seats", "2", "--all", "--json")
    assert code == 0
    assert standing(tmp_path) == before
    assert count.counters.seats_in_use == 0
    assert count.counters.peak_seats <= 2
    content = json.loads(said)
    verdicts = {name: each["verdict"] for name, each in content["assumptions"].items()}
    timed = {"joint_cheaper", "small_calls", "lets_python_run", "models_parallel"}  # the machine may be busy
    expected = {each.name: str(Verdict.HOLDS) for each in ASSUMPTIONS} | {"completeness": str(Verdict.UNTOLD)}
    assert verdicts.keys() == expected.keys()
    assert {name: verdicts[name] for name in expected.keys() - timed} == {
        name: expected[name] for name in expected.keys() - timed
    }
    names = {"secret", "Line0", "Vessel1", "cases", os.environ.get("USER") or "cases", str(tmp_path)}
    assert not [name for name in names if name in said]
    assert {path.name for path in (state_folder / "orcabatch").iterdir()} == {"doctor.json"}


def test_a_seat_is_all_that_is_taken_unless_more_are_allowed(doctor, broken, sim):
    """With one seat for each model: never two at once, and what needs them says so."""
    broken(seats=1, seat_scope="model")
    with simulated.counting() as count:
        code, said = doctor("--sim", sim)
    assert code == 0
    assert count.counters.peak_seats == 1
    assert count.counters.seats_refused == 0
    assert "not asked: that needs --seats 2" in said
    assert "not asked: that needs --all --seats 2" in said


def test_a_crash_is_a_finding_and_the_rest_is_asked(broken, tmp_path):
    """The check that had begun is the one that ended the process; those after it go on in another."""
    first, second = written(tmp_path), written(tmp_path, "second.sim", current_time_s=10.0)
    broken(crash_loads={"second.sim": 1})
    found = {each.name: each for each in examine(Examination((first, second), "simulated"))}
    crashed = [each for each in found.values() if "ended in the middle" in each.said]
    assert [(each.name, each.verdict) for each in crashed] == [("completeness", Verdict.BROKEN)]
    assert found["statuses"].verdict is Verdict.HOLDS
    assert found["loads_again"].verdict is Verdict.HOLDS


def test_a_hang_is_a_finding_and_its_process_is_ended(broken, tmp_path):
    """After the timeout the check counts as broken, the rest is asked."""
    first, second = written(tmp_path), written(tmp_path, "second.sim")
    broken(hang_loads={"second.sim": None})
    names = []

    def tell(name):
        names.append(name)
        if name == "statuses":  # the check after the one that hangs
            simulated.release_hang("second.sim")

    found = {each.name: each for each in examine(Examination((first, second), "simulated", timeout_s=15), tell)}
    assert names.index("completeness") + 1 == names.index("statuses")
    assert [each.name for each in found.values() if "no answer within 15 s" in each.said] == ["completeness"]
    assert found["completeness"].verdict is Verdict.BROKEN
    assert found["lets_file_go"].verdict is Verdict.HOLDS
    assert simulated.counters().live_models == 0


def test_a_file_that_does_not_load_ends_the_examination(doctor, broken, tmp_path):
    """Exit code 2, and everything else is not asked."""
    broken()
    file = written(tmp_path, faults=(simulated.SimFault.CORRUPT_LOAD,))
    code, said = doctor("--sim", file)
    assert code == 2
    assert "StatusCode" in said or "refused" in said
    assert f"0 held, 0 did not, {len(ASSUMPTIONS)} could not be told" in said


def test_a_run_says_what_it_follows_until_it_is_forgotten(doctor, broken, sim, tmp_path):
    """Found in a child, shown before it is written, kept, obeyed; costs come from the file; `--forget` ends it."""
    broken(quirks=(Quirk.JOINT_BITS, Quirk.CASE_MATTERS), log_pass_s=0.005)
    _, said = doctor("--sim", sim, "--write", tmp_path / "found.json")
    text = (tmp_path / "found.json").read_text("utf-8")
    assert text in said
    costs, figures = simulated.Costs.calibrated(tmp_path / "found.json"), json.loads(text)["assumptions"]
    assert (costs.joint_passes, costs.quirks) == ("one", ())
    assert costs.log_pass_s >= 0.005
    assert costs.bandwidth_bytes_per_s == sim.stat().st_size / figures["file_loads"]["load_s"]
    assert said.index("does not hold") < said.index("GetMultipleTimeHistories gives the bits") < said.index("holds\n")
    assert "broker:\n    prefetch: false" in said

    def warnings():
        return [text for text in run_batch([sim], postprocess=len, orcaflex="simulated").warnings if "doctor" in text]

    assert ["so this run has broker.prefetch: false" in text for text in warnings()] == [True, False]
    assert doctor("--forget") == (0, "What earlier examinations found is forgotten.\n")
    assert warnings() == []
    assert doctor("--forget") == (0, "There was nothing to forget.\n")


@pytest.mark.parametrize("ends", [BrokenPipeError(), KeyboardInterrupt()])
def test_what_was_not_shown_is_not_kept(broken, sim, tmp_path, monkeypatch, ends):
    """`| head`, or Ctrl-C while it is printed: a run follows nothing that nobody has seen, and no file was written."""

    class Ending(io.StringIO):
        def flush(self) -> None:
            raise ends

    monkeypatch.setattr(command, "examine", lambda *_: [Found("file_loads", Verdict.HOLDS, "it does")])
    monkeypatch.setattr(sys, "stdout", Ending())
    with pytest.raises(type(ends)):
        command.main(["--sim", str(sim), "--orcaflex", "simulated", "--write", str(tmp_path / "w.json")])
    assert '"file_loads"' in sys.stdout.getvalue()
    assert not verdicts_file().exists()
    assert not (tmp_path / "w.json").exists()
    monkeypatch.undo()


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"a": 1}', '{"a": {"joint_bits": 1}}', '{"a": {"x": {"holds": false}}}']
)
def test_verdicts_that_cannot_be_read_are_none(broken, sim, content):
    """A damaged file stops no run, and switches nothing off."""
    broken()
    verdicts_file().parent.mkdir(parents=True, exist_ok=True)
    verdicts_file().write_text(content, encoding="utf-8")
    result = run_batch([sim], postprocess=len, orcaflex="simulated")
    assert [text for text in result.warnings if "doctor" in text] == []


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"costs": 3}', '{"costs": {"no_such_cost": 1}}'])
def test_a_file_without_costs_is_refused(tmp_path, text):
    """By the simulated OrcaFlex and, with one message, by the bench."""
    file = tmp_path / "found.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises((ValueError, TypeError)):
        simulated.Costs.calibrated(file)
    assert cli.main(["bench", "peers", "--calibrated", str(file)]) == 2


def test_words_that_do_not_go_together_are_refused(doctor, sim, tmp_path):
    """A YAML beside `--sim`, a file that is not there, `--all` without `--sim`."""
    assert doctor("b.yml", "--sim", sim)[0] == 2
    assert doctor("--sim", tmp_path / "nowhere.sim")[0] == 2
    with pytest.raises(SystemExit):
        doctor("--all")


def test_a_child_that_closes_its_output_and_lives_on_is_a_finding(monkeypatch, sim):
    """Nothing waits for it without an end; every check that it was to do has its answer."""
    lives_on = "import os, sys, threading; sys.stdin.read(); os.close(1); threading.Event().wait()"
    monkeypatch.setattr(examination, "COMMAND", ["-c", lives_on])
    monkeypatch.setattr(examination, "_LEAVES_S", 0.2)
    found = examine(Examination((sim,), "simulated"))
    assert found[0].verdict is Verdict.BROKEN
    assert "did not end" in found[0].said


def test_what_a_child_said_last_is_read_in_the_letters_it_was_written_in(monkeypatch, sim):
    """On Windows its streams have the code page of the machine: names of folders in a traceback lost their letters."""
    dies = "import sys; sys.stdin.read(); sys.exit('C:\\\\M\u00fcller, 12\u00b0')"
    monkeypatch.setattr(examination, "COMMAND", ["-c", dies])
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    found = examine(Examination((sim,), "simulated"))
    assert "C:\\M\u00fcller, 12\u00b0" in found[0].said


def test_a_child_asks_the_orcaflex_that_is_loaded_here(monkeypatch, sim):
    """The script that chose it (`OrcFxAPIConfig.setLibPath`) is not run there."""
    tells = "import os, sys; sys.stdin.read(); sys.exit(os.environ.get('_OrcFxAPIlib', 'the newest'))"
    monkeypatch.setattr(examination, "COMMAND", ["-c", tells])
    assert "the newest" in examine(Examination((sim,), "simulated"))[0].said
    here = ModuleType("OrcFxAPI")
    here._lib = SimpleNamespace(_name="C:\\OrcaFlex 11.4\\OrcFxAPI.dll")
    monkeypatch.setitem(sys.modules, "OrcFxAPI", here)
    assert "C:\\OrcaFlex 11.4\\OrcFxAPI.dll" in examine(Examination((sim,), "simulated"))[0].said


def test_a_frozen_program_is_told_that_nothing_can_be_asked(monkeypatch, sim):
    """It would be started once more itself, for each sitting."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(subprocess, "Popen", None)
    with pytest.raises(SettingsError, match=r"is no Python that .*set_executable"):
        examine(Examination((sim,), "simulated"))


def test_ctrl_c_is_heard_while_a_check_takes_long_and_ends_its_child_at_once(monkeypatch, sim):
    """On Windows a wait cannot be interrupted: none is longer than a moment, and none is for one that hangs."""
    hangs = "import sys, threading; sys.stdin.read(); threading.Event().wait()"
    monkeypatch.setattr(examination, "COMMAND", ["-c", hangs])
    monkeypatch.setattr(examination, "_LEAVES_S", 600.0)
    monkeypatch.setattr(console, "LONGEST_WAIT_S", 0.01)
    get, waited, children = queue.Queue.get, [], []

    def pressed(self, block=True, timeout=None):
        waited.append(timeout)
        if len(waited) > 3:
            raise KeyboardInterrupt
        return get(self, block, timeout)

    class Watched(examination._Child):
        def __init__(self, *words):
            super().__init__(*words)
            children.append(self._process)

    monkeypatch.setattr(queue.Queue, "get", pressed)
    monkeypatch.setattr(examination, "_Child", Watched)
    with pytest.raises(KeyboardInterrupt):
        examine(Examination((sim,), "simulated"))
    assert len(waited) == 4
    assert max(waited) <= 0.01
    assert children[0].returncode is not None
