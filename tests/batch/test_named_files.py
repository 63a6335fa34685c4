"""A folder, a pattern and a path as source; functions that take a path; what is said where that goes wrong."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

import orcabatch
import orcabatch.batch.named_files as module
from batch_functions import largest_tension
from capabilities import needs
from orcabatch.batch.named_files import named_files
from orcabatch.errors import SettingsError, SourceError


@pytest.fixture
def folder(tmp_path):
    for name in ("b.sim", "a.SIM", "c.dat", "below/d.sim", "empty/e.txt"):
        (tmp_path / "sims" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sims" / name).write_text("")
    return tmp_path / "sims"


def names(*items):
    return [file.name for file in named_files(map(Path, items))]


def test_a_folder_is_its_sim_files_by_name(folder):
    """Those below it are not in it."""
    assert names(folder) == ["a.SIM", "b.sim"]
    assert names(folder, folder / "below") == ["a.SIM", "b.sim", "d.sim"]


@needs("symbolic links")
def test_what_cannot_be_looked_at_is_left_out_by_nobody(folder):
    """A link that leads nowhere, or into a share that went, is a file that fails; a folder of that name is none."""
    (folder / "gone.sim").symlink_to(folder / "nowhere")
    (folder / "folder.sim").mkdir()
    assert names(folder) == names(folder / "*.[sS][iI][mM]") == ["a.SIM", "b.sim", "gone.sim"]


@pytest.mark.parametrize("pattern", ["", "*.sim", "**/*.sim"])
def test_files_are_told_from_folders_without_asking_for_each(folder, monkeypatch, pattern):
    """The listing of a folder says it; over a network thousands of questions are seconds."""
    for number in range(50):
        (folder / f"{number}.sim").touch()
    asked, isdir = [], os.path.isdir
    monkeypatch.setattr(os.path, "isdir", lambda path: asked.append(path) or isdir(path))
    assert len(names(folder / pattern)) >= 50
    assert len(asked) < 10


def test_a_pattern_is_what_matches_by_name(folder):
    """With `**` in folders below; a file that is called like a pattern is itself."""
    assert names(folder / "*.sim") == ["b.sim"]
    assert names(folder / "**" / "*.sim") == ["b.sim", "d.sim"]
    (folder / "x[1].sim").write_text("")
    assert names(folder / "x[1].sim") == ["x[1].sim"]


def test_brackets_stand_in_names_as_well(folder):
    """What is there as it is spelled is itself: `runs [old]` is common on Windows, where no shell knows of patterns."""
    old = folder.rename(folder.with_name("runs [old]"))
    assert names(old / "*.sim") == ["b.sim"]
    assert names(old / "**" / "*.sim") == ["b.sim", "d.sim"]
    assert names(old.parent / "runs [[]old]" / "b.sim") == ["b.sim"]
    with pytest.raises(SourceError, match=r"holds 2 \.sim files"):
        named_files([old / "zz*.sim"])


@needs("symbolic links")
def test_a_link_that_leads_upwards_is_not_followed_round(folder):
    """A junction of a Windows profile does; what it leads to is found once, other links are followed."""
    (folder / "below" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "other").symlink_to(folder / "below", target_is_directory=True)
    found = named_files([folder / "**" / "d.sim"])
    assert found == [folder / "below" / "d.sim", folder / "other" / "d.sim"]


def test_folders_to_which_a_share_gives_one_number_are_all_looked_into(folder, monkeypatch):
    """Some give the number that a folder had a moment ago to the next one that is looked at."""
    (folder / "below" / "deep").mkdir()
    (folder / "below" / "deep" / "f.sim").touch()
    stat = os.stat
    numbered = lambda *given, **more: os.stat_result((*stat(*given, **more)[:1], 7, 7, *stat(*given, **more)[3:10]))  # noqa: E731
    monkeypatch.setattr(os, "stat", numbered)
    assert names(folder / "**" / "*.sim") == ["b.sim", "d.sim", "f.sim"]


def test_a_whole_drive_is_not_walked_through_to_say_what_is_wrong(folder, monkeypatch):
    """The nearest folders that hold files are named; after some none is looked into any more."""
    for number in range(6):
        (folder / "empty" / f"{number}" / "deep").mkdir(parents=True)
        (folder / "empty" / f"{number}" / "a.sim").touch()
    looked, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looked.append(path) or scandir(path))
    with pytest.raises(SourceError, match=r"Folders below it do: .*0, .*1, .*2\. Give"):
        named_files([folder / "empty"])
    looked.clear()
    monkeypatch.setattr(module, "LOOKED_INTO", 1)
    with pytest.raises(SourceError, match="It holds 0, 1, 2"):
        named_files([folder / "empty" / "zz*.sim"])
    assert len(looked) < 8


@pytest.fixture
def shut(folder, monkeypatch):
    """A folder below that may not be looked into."""
    (folder / "shut").mkdir()
    scandir = os.scandir

    def denied(path):
        if not isinstance(path, int) and Path(path) == folder / "shut":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    return folder / "shut"


@pytest.mark.parametrize("pattern", ["**/*.sim", "*/*.sim", "**"])
def test_folders_that_a_pattern_cannot_look_into_are_named(folder, shut, pattern):
    """What `glob` passes over in silence would be a batch with files missing."""
    said = []
    found = named_files([folder / pattern], said.append)
    assert folder / "below" / "d.sim" in found
    (text,) = said
    assert text.startswith(f"{folder / pattern}: 1 folder cannot be looked into (Permission denied): {shut}. ")
    assert "not in this batch" in text


def test_a_plan_and_a_run_say_into_which_folders_nobody_looked(orcaflex, folder, shut, sims):
    """Before the batch, and in its result; where nothing matches, in the refusal."""
    asked = {"postprocess": largest_tension, "orcaflex": "simulated"}
    pattern = str(folder.parent / "**" / "f*.sim")
    said = f"{pattern}: 1 folder cannot be looked into"
    assert [note for note in orcabatch.plan_batch(pattern, **asked).notes if note.startswith(said)]
    result = orcabatch.run_batch(pattern, progress=False, **asked)
    assert len(result.outcomes) == len([sim for sim in sims if sim.name.startswith("f")]) > 0
    assert [warning for warning in result.warnings if warning.startswith(said)]
    with pytest.raises(SourceError, match=r"No file matches .* 1 folder cannot be looked into \(Permission denied\): "):
        orcabatch.plan_batch(str(folder / "**" / "none*.sim"), **asked)


def test_a_name_is_itself_whether_it_is_there_or_not(folder):
    """A missing file fails by itself."""
    assert names(folder / "zzz.sim") == ["zzz.sim"]


def test_what_holds_nothing_is_said_with_what_is_there(folder):
    """Folder and pattern, a folder too many, a folder that is not there."""
    with pytest.raises(SourceError, match=r"holds no \.sim file\. It holds e\.txt"):
        named_files([folder / "empty"])
    with pytest.raises(SourceError, match=r"No file matches .*zz\*\.sim.*holds 2 \.sim files: a\.SIM, b\.sim"):
        named_files([folder / "zz*.sim"])
    with pytest.raises(SourceError, match=r"Folders below it do: .*sims"):
        named_files([folder.parent])
    with pytest.raises(SourceError, match="There is no folder"):
        named_files([folder / "none" / "*.sim"])


def test_run_batch_takes_a_folder_and_a_pattern(orcaflex, sims):
    """The values are those of the list."""
    listed = orcabatch.run_batch(sorted(sims), postprocess=largest_tension, orcaflex="simulated", progress=False)
    for source in (sims[0].parent, str(sims[0].parent / "*.sim")):
        result = orcabatch.run_batch(source, postprocess=largest_tension, orcaflex="simulated", progress=False)
        assert result.values == listed.values


# --- functions that take a path


def annotated(path: str):
    return path


def positional(path, _more):
    return path


def kind_and_case(path, case=None):
    return type(path).__name__, case


def test_a_function_opens_by_what_the_files_were_named_by(orcaflex, sims):
    """Text where the list holds text, as from a pool; a load case comes along; a missing file fails as ever."""
    calls = {"orcaflex": "simulated", "progress": False, "performance": {"loads": False}}
    paths = orcabatch.run_batch(sims, postprocess=kind_and_case, **calls)
    text = orcabatch.run_batch([*map(str, sims), "none.sim"], postprocess=kind_and_case, cases=r"_l(?P<l>\d+)", **calls)
    assert {value[0] for value in paths.values} <= {"PosixPath", "WindowsPath"}
    assert text.values[0] == ("str", {"l": 15})
    assert "none.sim" in text.failed[0].error
    assert not orcaflex.counters.loads_by_file


def test_a_function_that_says_it_takes_a_path_is_refused_with_the_remedy(sims):
    """Before anything runs; with `loads: false` it is taken, and one that wants more than the path is not."""
    with pytest.raises(TypeError, match=r"annotated takes a path \(path: str\).*`loads: false`"):
        orcabatch.plan_batch(sims, postprocess=annotated)
    assert orcabatch.plan_batch(sims, postprocess=annotated, performance={"loads": False}).files
    with pytest.raises(TypeError, match="called with the path"):
        orcabatch.plan_batch(sims, postprocess=positional, performance={"loads": False})


def test_a_plan_says_what_a_function_leaves(sims, tmp_path):
    """Nothing; in a folder the list of failed files, and the values where they are kept."""

    def writes(**more):
        return orcabatch.plan_batch(sims, postprocess=largest_tension, **more).writes

    assert writes()[0].startswith("nothing; values are handed over")
    (failed,) = writes(output_dir=tmp_path)
    assert failed == f"{tmp_path}: largest_tension_failed_files.csv where files fail"
    (kept,) = writes(output_dir=tmp_path, performance={"keep_values": True})
    assert "largest_tension_values.bin, " in kept


def test_digitalmodels_own_post_process_works_on_loaded_models(tmp_path):
    """`loads: false` beside it would mean nothing."""
    with pytest.raises(SettingsError, match="for functions that take a path"):
        orcabatch.plan_batch({"Analysis": {}, "file_management": {}, "performance": {"loads": False}})


# --- what a failure says


def opens_again(path):
    import OrcFxAPI

    return OrcFxAPI.Model(path)


def basename(path):
    return os.path.basename(path)  # noqa: PTH119 - as scripts have it


def as_path(path):
    return Path(path).stem


def own_key(model):
    return {"Line01": 1.0}["Line1"]


def frame_key(model):
    import pandas as pd

    return pd.DataFrame({"a": [1]})["b"]


def own_variable(model):
    if model is None:
        found = 1
    return found


def no_object(model):
    return model["Nobody"]


OWN = r"line \d+ of test_named_files\.py, in {},"
SAID = {
    opens_again: "was given the loaded model, and uses it as a path.*`loads: false` .*`performance.loads=false`",
    basename: "was given the loaded model, and uses it as a path",
    as_path: "was given the loaded model, and uses it as a path",
    own_key: OWN.format("own_key") + " asks a dictionary or table of its own",
    frame_key: OWN.format("frame_key") + " asks a dictionary or table of its own",
    own_variable: OWN.format("own_variable") + " reads a variable that nothing set before",
    no_object: "the model has no object 'Nobody'",
}


@pytest.mark.parametrize("function", SAID, ids=lambda function: function.__name__)
def test_a_failure_says_what_the_function_did(orcaflex, sims, function):
    """Not what Python or OrcaFlex made of it."""
    result = orcabatch.run_batch(sims[:1], postprocess=function, orcaflex="simulated", progress=False)
    assert re.search(SAID[function], result.failed[0].error)


class Share:
    """A folder that answers a number of questions, and then says that it is gone."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.left = str(folder), 0
        for name in ("stat", "lstat", "listdir", "scandir", "open"):
            monkeypatch.setattr(os, name, self.asked(getattr(os, name)))

    def asked(self, question):
        def ask(path=".", *more, **also):
            if isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(self.folder):
                self.left -= 1
                if self.left < 0:
                    raise OSError(errno.EIO, "Input/output error", os.fspath(path))
            return question(path, *more, **also)

        return ask


@pytest.mark.parametrize("pattern", ["", "*.sim", "**/*.sim"])
def test_a_share_that_goes_away_while_a_batch_is_planned_is_one_sentence(folder, monkeypatch, pattern):
    """Whichever question it does not answer any more: the plan is made, or the error names what cannot be read."""
    share, ended, said = Share(folder, monkeypatch), False, []
    for answers in range(200):
        share.left = answers
        try:
            orcabatch.plan_batch(str(folder / pattern), postprocess=largest_tension, orcaflex="simulated", version="1")
        except SourceError as error:
            said.append(str(error))
        if share.left >= 0:
            ended = True
            break
    assert ended
    assert said
    assert any("cannot be read: Input/output error" in text and str(folder) in text for text in said)
