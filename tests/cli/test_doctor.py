"""`orcabatch doctor`: what it looks at, what it says to mend, and that it changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli_batches import management
from orcabatch import simulated
from orcabatch.cli.checks import Level, shown
from orcabatch.cli.checks_machine import check_host, check_ledger, check_output, check_temporary
from orcabatch.cli.checks_software import check_digitalmodel, conflicts
from orcabatch.host import HostResources
from orcabatch.store.ledger import LedgerDescription

GB = 10**9


def test_a_machine_on_which_a_batch_can_run(orcabatch, batch):
    """Exit code 0; every topic is there; one seat was taken and given back; nothing was loaded."""
    simulated.install(simulated.Costs())
    with simulated.counting() as count:
        said = orcabatch("doctor", "b.yml", "--orcaflex", "simulated")
    assert said.code == 0
    for word in ("host", "OrcaFlex", "digitalmodel 0.0.9", "ones that were tested", "disks", "ledger", "input folder"):
        assert word in said.out
    assert "licence: a seat was free" in said.out
    assert said.out.rstrip().endswith("Nothing has to be mended.")
    assert count.counters.models_created == count.counters.models_destroyed == 1
    assert count.counters.loads_by_file == {}


def test_nothing_is_left_behind_and_inputs_stay_as_they_are(orcabatch, batch, monkeypatch):
    """The result folder is not made, inputs keep bytes and times, the temporary folder is empty again."""
    temporary = batch.folder / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (batch.folder / "sims").iterdir()}
    orcabatch("doctor", "b.yml", "--orcaflex", "simulated", "--no-licence")
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before
    assert not (batch.folder / "results").exists()
    assert [path for path in temporary.iterdir() if path.name.startswith("orcabatch-doctor")] == []


def test_the_licence_is_left_alone_where_asked(orcabatch, batch):
    """`--no-licence` makes no model."""
    simulated.install(simulated.Costs())
    with simulated.counting() as count:
        said = orcabatch("doctor", "--orcaflex", "simulated", "--no-licence")
    assert count.counters.models_created == 0
    assert "licence: not looked at" in said.out


def test_no_licence_is_to_be_mended(orcabatch, no_licence):
    """Exit code 2 and what to do."""
    said = orcabatch("doctor", "--orcaflex", "simulated")
    assert said.code == 2
    assert "mend" in said.out
    assert "no licence:" in said.out
    assert "licence server" in said.text
    assert "1 thing has to be mended" in said.out


def test_no_orcfxapi_is_to_be_mended(orcabatch, without_orcfxapi):
    """The same words as the run's, and the rest is looked at all the same."""
    said = orcabatch("doctor")
    assert said.code == 2
    assert "OrcFxAPI is not installed" in said.text
    assert "temporary folder" in said.out


def test_no_dll_is_to_be_mended(orcabatch, without_dll):
    """Told from a missing package."""
    said = orcabatch("doctor")
    assert said.code == 2
    assert "not OrcaFlex with its DLL" in said.text


def test_versions_that_differ_are_a_note(orcabatch, other_version):
    """Both versions and the package that belongs to the DLL."""
    said = orcabatch("doctor", "--orcaflex", "simulated")
    assert said.code == 0
    assert "version 11.2.1" in said.text
    assert "pip install orcfxapi==11.6.*" in said.text


def test_a_yaml_that_cannot_run_is_to_be_mended_with_all_its_faults(orcabatch, batch):
    """A misspelt key, and a folder that is not there."""
    batch.write(performance={"threading": {"max_thread": 3}})
    said = orcabatch("doctor", "b.yml", "--orcaflex", "simulated")
    assert said.code == 2
    assert "Did you mean threading.max_threads?" in said.text
    batch.write(file_management=management(input_directory="simz"))
    assert "The input folder simz does not exist" in orcabatch("doctor", "b.yml", "--orcaflex", "simulated").text


def test_files_that_cannot_be_read_are_named(orcabatch, batch):
    """Before hours are spent on the others; the batch would run without them, so it is a note."""
    batch.sim(1).write_bytes(b"")
    said = orcabatch("doctor", "b.yml", "--orcaflex", "simulated")
    assert said.code == 0
    assert "a1.sim is empty" in said.text


def test_a_yaml_says_which_orcaflex_is_looked_at(orcabatch, batch):
    """As it does in `run`: no option is needed beside `orcaflex: simulated`."""
    said = orcabatch("doctor", "b.yml", "--no-licence")
    assert said.code == 0
    assert "simulated: OrcFxAPI" in said.text


def test_a_result_folder_that_is_a_file_is_to_be_mended(orcabatch, batch):
    """Looked at without making it."""
    (batch.folder / "results").write_text("")
    said = orcabatch("doctor", "b.yml", "--orcaflex", "simulated")
    assert said.code == 2
    assert "is a file, not a folder" in said.text


def test_a_result_folder_that_the_system_answers_oddly_for_is_said_in_words(tmp_path, monkeypatch):
    """Windows' words for a share that went are none of those that `Path.exists` passes over up to Python 3.13."""

    def gone(path, **_):
        raise OSError(22, "The network location cannot be reached", str(path), 1231)

    monkeypatch.setattr(Path, "stat", gone)
    assert f"result folder {tmp_path / 'gone'}: " in check_output(HostResources(2, 4 * GB), tmp_path / "gone").said


def test_an_account_without_a_home_folder_is_no_hindrance(orcabatch, batch, monkeypatch):
    """A note by the doctor, a warning by a run; nothing else is different."""

    def unknown(*_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    for name in ("LOCALAPPDATA", "XDG_STATE_HOME"):
        monkeypatch.delenv(name)
    said = orcabatch("doctor", "--orcaflex", "simulated", "--no-licence")
    assert (said.code, "this account has no home folder" in said.text) == (0, True), said.text
    assert orcabatch("doctor", "--forget").code == 0
    batch.write(performance={"orcaflex": "simulated"})
    said = orcabatch("run", "b.yml")
    assert (said.code, "this account has no home folder" in said.text) == (0, True), said.text


def test_patterns_that_no_shell_of_windows_replaces_are(orcabatch, batch):
    """As `run` and `plan` take them: PowerShell and cmd hand them over as they are typed."""
    said = orcabatch("doctor", "*.yml", "--no-licence", "--json")
    assert (said.code, "input folder" in said.out) == (0, True), said.text
    said = orcabatch("doctor", "--orcaflex", "simulated", "--sim", "sims/b*.sim")
    assert (said.code, "No file matches" in said.err) == (2, True), said.text
    said = orcabatch("doctor", ".", "--no-licence")
    assert (said.code, "cannot be read" in said.text) == (2, True), said.text


def test_json_holds_the_same_findings(orcabatch):
    """For a program: topic, level, what was found, what to do."""
    said = orcabatch("doctor", "--orcaflex", "simulated", "--json")
    found = json.loads(said.out)
    assert {item["level"] for item in found} <= {str(level) for level in Level}
    assert {"host", "OrcaFlex", "digitalmodel", "disks", "ledger"} == {item["topic"] for item in found}


def test_limits_of_a_container_are_said():
    """They explain a plan that asks for less than the machine has."""
    limited = {"logical_cpus": "cgroup", "total_ram_bytes": "cgroup"}
    text = shown(check_host(HostResources(2, 4 * GB, limited_by=limited)))
    assert "CPUs: fewer than the machine has, limited by cgroup" in text
    assert "memory: fewer than the machine has, limited by cgroup" in text


def test_a_full_memory_is_a_note():
    """With more than 80% in use nothing would be admitted."""
    checks = list(check_host(HostResources(8, 64 * GB, available_ram_bytes=5 * GB)))
    assert [check.level for check in checks].count(Level.NOTE) == 1
    assert "close other programs" in shown(checks)


@pytest.mark.parametrize(
    ("digitalmodel", "assetutilities", "pandas", "said"),
    [
        ("0.0.9", "0.0.8", "2.3.3", []),
        ("0.0.9", "0.1.0", "3.1.1", ["does not read the YAML"]),
        ("0.1.1", "0.1.0", "3.1.1", ["asks for pandas below 3"]),
        ("0.1.1", "0.1.0", "2.3.3", []),
        ("0.0.9", "0.0.8", "4.0.0", ["pandas 4 or newer"]),
        ("0.0.9", "", "", []),
    ],
)
def test_known_conflicts_are_found_by_version(digitalmodel, assetutilities, pandas, said):
    """Each pair with what happens and what to install."""
    found = conflicts({"digitalmodel": digitalmodel, "assetutilities": assetutilities, "pandas": pandas, "numpy": "2"})
    assert len(found) == len(said)
    for check, words in zip(found, said, strict=True):
        assert words in check.said
        assert check.remedy


def test_without_digitalmodel_only_yamls_are_out_of_reach(monkeypatch):
    """A note: plain functions run without it."""
    monkeypatch.setattr("orcabatch.cli.checks_software.locate", lambda: None)
    (check,) = check_digitalmodel()
    assert check.level is Level.NOTE
    assert "orcabatch[digitalmodel]" in check.remedy


def test_a_temporary_folder_that_cannot_be_written_is_to_be_mended(tmp_path):
    """Named, with the variable that moves it."""
    check = check_temporary(HostResources(2, 4 * GB), tmp_path / "nowhere")
    assert check.level is Level.MEND
    assert "TEMP" in check.remedy


def test_a_ledger_that_cannot_be_used_stops_nothing(monkeypatch, tmp_path):
    """A note with the reason, and a damaged one that can be deleted."""
    file = tmp_path / "ledger.sqlite"
    described = LedgerDescription(file, exists=True, problem="it is on a network share (x)", damaged=tmp_path / "old")
    monkeypatch.setattr("orcabatch.cli.checks_machine.describe_ledger", lambda path: described)
    checks = list(check_ledger())
    assert [check.level for check in checks] == [Level.NOTE, Level.NOTE]
    assert "network share" in checks[0].said
    assert str(tmp_path / "old") in checks[1].said


def test_the_ledger_of_an_empty_folder_is_none_yet(tmp_path):
    """And looking makes none."""
    (check,) = check_ledger(tmp_path)
    assert "none yet" in check.said
    assert list(tmp_path.iterdir()) == []
