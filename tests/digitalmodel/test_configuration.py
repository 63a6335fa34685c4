"""`load_configuration` resolves a YAML as digitalmodel's own command line does, and says what is wrong with one."""

from __future__ import annotations

import copy
import errno
import json
import locale
import os
import pickle
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capabilities import needs
from orcabatch.digitalmodel import base_config, input_files
from orcabatch.digitalmodel import configuration as reading
from orcabatch.digitalmodel.base_config import builtin_configuration
from orcabatch.digitalmodel.configuration import AttributeDict, Configuration, load_configuration
from orcabatch.digitalmodel.mappings import merged
from orcabatch.errors import OutputError, SettingsError, SourceError

NOW = datetime(2024, 5, 17, 9, 8, 7)

# The steps of digitalmodel's engine up to the post-process, in a process that knows nothing of orcabatch.
ENGINE = """
import json, sys
from assetutilities.common.ApplicationManager import ConfigureApplicationInputs
from assetutilities.common.file_management import FileManagement
from assetutilities.common.update_deep import AttributeDict
from assetutilities.common.yml_utilities import WorkingWithYAML
manager = ConfigureApplicationInputs()
file, overrides = manager.validate_arguments_run_methods(None)
cfg = AttributeDict(WorkingWithYAML().ymlInput(file, updateYml=None))
basename = cfg["basename"] if "basename" in cfg else cfg["meta"]["basename"]
cfg = manager.configure(cfg, "digitalmodel", basename, overrides)
cfg = FileManagement().router(cfg)
_, cfg = manager.configure_result_folder(None, cfg)
assert not any(name.split(".")[0] == "orcabatch" for name in sys.modules)
with open("cfg.json", "w") as out:
    json.dump(dict(cfg), out, default=str)
"""

YAMLS: dict[str, dict[str, Any]] = {
    "plain": {},
    "pattern_and_label": {
        "meta": {"basename": "orcaflex_post_process", "label": "03c_0100yr_l015_hwl"},
        "file_management": {"input_directory": "sims", "filename": {"pattern": "b_"}},
    },
    "filters": {
        "file_management": {
            "input_directory": "sims",
            "output_directory": "out/deep",
            "filename": {"filters": {"contains": ["b"], "not_contains": ["3"], "max_size_kb": 3.5, "regex": "[0-9]$"}},
        }
    },
    "stamped": {"default": {"config": {"overwrite": {"output": False}}}, "Analysis": {"fe_folder": "here"}},
    "performance": {"performance": {"threading": {"mode": "static"}}, "summary_settings": {"groups": []}},
}


@pytest.fixture
def project() -> Iterator[Path]:
    """A folder without "pytest" in its name: digitalmodel takes such a path for a sign that it is being tested."""
    with tempfile.TemporaryDirectory(prefix="orcabatch_") as folder:
        (Path(folder) / "elsewhere").mkdir()
        yield Path(folder).resolve()


def _batch(folder: Path, asked: dict[str, Any], name: str = "dm_fsts.yml") -> Path:
    for place in (folder, folder / "sims"):
        place.mkdir(parents=True, exist_ok=True)
        for index in range(6):
            (place / f"{'ab'[index % 2]}_case{(index * 7) % 5}.sim").write_bytes(b"x" * 1024 * index)
    yaml_file = folder / name
    yaml_file.write_text(yaml.safe_dump({"basename": "orcaflex_post_process", **asked}))
    return yaml_file


def _digitalmodel_resolves(yaml_file: Path, working_folder: Path, *words: str) -> dict[str, Any]:
    base = working_folder / "src" / "digitalmodel" / "tests" / "test_data" / "orcaflex_post_process.yml"
    base.parent.mkdir(parents=True)
    base.write_text(yaml.safe_dump(builtin_configuration("orcaflex_post_process")))
    command = [sys.executable, "-c", ENGINE, str(yaml_file), *words]
    done = subprocess.run(command, cwd=working_folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    resolved: dict[str, Any] = json.loads((working_folder / "cfg.json").read_text())
    return resolved


def _comparable(cfg: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(dict(cfg), default=str))
    analysis = plain["Analysis"]
    del analysis["start_time"]
    analysis["file_name"] = analysis["file_name"].split("_2")[0]
    # digitalmodel makes a missing output folder below the *working* folder and names that one; its post-process never
    # reads the key, and its results go where both say `result_folder`.
    del analysis["file_management_output_directory"]
    return plain


@pytest.mark.parametrize("name", YAMLS)
def test_the_configuration_is_the_one_that_digitalmodel_resolves(name: str, project: Path) -> None:
    """Merging, names, folders and the files in their order equal those of digitalmodel's own engine path."""
    yaml_file = _batch(project / "here", YAMLS[name])
    theirs = _digitalmodel_resolves(yaml_file, project / "elsewhere")
    ours = load_configuration(yaml_file)
    assert _comparable(ours.cfg) == _comparable(theirs)
    assert [str(file) for file in ours.files] == theirs["file_management"]["input_files"]["sim"]


def test_overrides_win_over_the_yaml_as_in_digitalmodel(project: Path) -> None:
    """A dictionary on the command line is merged over the YAML, section by section, as digitalmodel merges it."""
    yaml_file = _batch(project / "here", YAMLS["pattern_and_label"])
    overrides = {"meta": {"label": "new"}, "file_management": {"filename": {"pattern": "case1"}}}
    theirs = _digitalmodel_resolves(yaml_file, project / "elsewhere", repr(overrides))
    ours = load_configuration(yaml_file, overrides)
    assert _comparable(ours.cfg) == _comparable(theirs)
    assert ours.name == "dm_fsts_new"
    assert {file.stem for file in ours.files} == {"b_case1"}


def test_nothing_is_created_before_the_folders_are_asked_for(tmp_path: Path) -> None:
    """Loading a configuration, as a plan does, leaves the project folder as it was; create_folders makes four."""
    yaml_file = _batch(tmp_path, {"file_management": {"output_directory": "out"}})
    before = sorted(tmp_path.rglob("*"))
    configuration = load_configuration(yaml_file)
    assert sorted(tmp_path.rglob("*")) == before
    configuration.create_folders()
    made = {str(path.relative_to(tmp_path)) for path in set(tmp_path.rglob("*")) - set(before)}
    assert made == {"out", str(Path("out/Data")), str(Path("out/Plot")), "logs"}


def test_an_output_folder_given_by_the_caller_takes_results_and_logs(tmp_path: Path) -> None:
    """With output_dir nothing is made beside the YAML, so that a read-only project can be post-processed."""
    yaml_file = _batch(tmp_path / "project", {"file_management": {"output_directory": "out"}})
    before = sorted((tmp_path / "project").rglob("*"))
    configuration = load_configuration(yaml_file, output_dir=tmp_path / "mine")
    configuration.create_folders()
    assert configuration.result_folder == tmp_path / "mine"
    assert configuration.cfg["Analysis"]["result_folder"] == str(tmp_path / "mine")
    assert configuration.log_folder == tmp_path / "mine" / "logs"
    assert sorted((tmp_path / "project").rglob("*")) == before


def test_names_carry_the_label_and_the_time_stamp(tmp_path: Path) -> None:
    """The label stands in both names, the time stamp only where outputs are not overwritten."""
    asked = {"meta": {"label": "03c"}, "default": {"config": {"overwrite": {"output": False}}}}
    cfg = load_configuration(_batch(tmp_path, asked, "dm_fsts.v2.yml"), now=NOW).cfg
    assert cfg["Analysis"]["file_name"] == "dm_fsts_03c_20240517_09h08m"
    assert cfg["Analysis"]["file_name_for_overwrite"] == "dm_fsts_03c"


def test_the_configuration_has_attribute_access_also_as_a_copy(tmp_path: Path) -> None:
    """Digitalmodel reads cfg.orcaflex; copies, deep copies and pickles of the configuration still allow that."""
    cfg = load_configuration(_batch(tmp_path, {})).cfg
    for same in (cfg, copy.copy(cfg), copy.deepcopy(cfg), pickle.loads(pickle.dumps(cfg))):  # noqa: S301 - our own
        assert isinstance(same, AttributeDict)
        assert same.orcaflex is same["orcaflex"]
        same.update({"later": 1})
        assert same.later == 1
        same.other = 2
        assert same["other"] == 2
        with pytest.raises(AttributeError, match="never"):
            _ = same.never
        del same.other
        with pytest.raises(AttributeError, match="other"):
            del same.other


def test_the_performance_section_is_handed_on_as_it_stands(tmp_path: Path) -> None:
    """The raw section, overrides merged in, is there for the settings; without one it is None."""
    asked = {"performance": {"threading": {"mode": "static"}}}
    overrides = {"performance": {"threading": {"max_threads": 3}}}
    configuration = load_configuration(_batch(tmp_path, asked), overrides)
    assert configuration.performance == {"threading": {"mode": "static", "max_threads": 3}}
    assert load_configuration(_batch(tmp_path, {})).performance is None


def test_a_default_yaml_named_in_the_yaml_is_read_with_it(project: Path) -> None:
    """Digitalmodel reads the file under default_yaml behind the YAML; its sections win."""
    default = project / "default.yml"
    default.write_text("extra: 1\nmeta: {label: theirs}\n")
    yaml_file = _batch(project, {"default_yaml": str(default), "meta": {"label": "ours"}})
    cfg = load_configuration(yaml_file).cfg
    assert (cfg["extra"], cfg["Analysis"]["file_name"]) == (1, "dm_fsts_theirs")
    assert _comparable(cfg) == _comparable(_digitalmodel_resolves(yaml_file, project / "elsewhere"))


def test_listed_files_are_taken_where_the_search_is_switched_off(tmp_path: Path) -> None:
    """With file_management.flag off the files listed under input_files.sim are the batch."""
    listed = [str(tmp_path / "b.sim"), str(tmp_path / "a.sim")]
    asked = {"file_management": {"flag": False, "input_files": {"sim": listed}}}
    assert load_configuration(_batch(tmp_path, asked)).files == tuple(map(Path, listed))
    with pytest.raises(SourceError, match=r"input_files\.sim lists no file"):
        load_configuration(_batch(tmp_path, {"file_management": {"flag": False}}))


def test_the_installed_base_configuration_comes_before_the_built_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clone that ships its base configuration gets its own defaults, so that it behaves as without orcabatch."""
    shipped = builtin_configuration("orcaflex_post_process") | {"parallel_processing": {"enabled": True}}
    file = tmp_path / "clone" / "base_configs" / "modules" / "orcaflex_post_process" / "orcaflex_post_process.yml"
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump(shipped))
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path / "clone")])
    monkeypatch.setattr(base_config.importlib.util, "find_spec", lambda name: spec)
    base, origin = base_config.base_configuration("orcaflex_post_process")
    assert (base, origin) == (shipped, str(file))


def test_what_is_no_post_process_is_said(tmp_path: Path) -> None:
    """A YAML that also asks to run models gets a note; models are never run here."""
    asked = {"basename": "orcaflex_analysis", "orcaflex": {"analysis": {"static": True, "iterate": {"flag": True}}}}
    notes = "\n".join(load_configuration(_batch(tmp_path, asked)).notes)
    assert "orcaflex.analysis.static, orcaflex.analysis.iterate: models are not run" in notes
    assert "no output is asked for" in notes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("basename: [unclosed", "not valid YAML at line 1, column"),
        ("basename: x\nmeta:\n\tlabel: 1\n", "at line 3, column 1: found .* use spaces instead of the tab"),
        ("meta:\n  label: 1\n\tother: 2\n", "use spaces instead of the tab"),
        ("just words", "holds text"),
        ("", "holds nothing"),
        ("summary_settings: {}", "has no basename"),
        ("basename: aqwa", "basename 'aqwa' is not an OrcaFlex post-process"),
        ("meta: [1]", "has no basename"),
        (b"label: \xff\xfe\xe9", "not a text file in UTF-8"),
    ],
)
def test_what_is_no_digitalmodel_yaml_is_refused_in_words(text: str | bytes, says: str, tmp_path: Path) -> None:
    """Each thing that is not a post-process YAML gets one message that names the file."""
    yaml_file = tmp_path / "dm.yml"
    yaml_file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(SourceError, match=says) as refused:
        load_configuration(yaml_file)
    assert str(yaml_file) in str(refused.value)


@pytest.mark.parametrize(
    ("label", "encoding", "said"),
    [("Lnge", "cp1252", False), ("Länge", "cp1252", True), ("Länge", "utf-8", False), ("Länge", "UTF8", False)],
)
def test_letters_that_digitalmodel_reads_otherwise_are_said(
    label: str, encoding: str, said: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opens the YAML in the code page of Windows: names of its files and columns are not the ones made here."""
    yaml_file = _batch(tmp_path, {})
    yaml_file.write_text(f"{yaml_file.read_text()}meta:\n  label: {label}  # \N{GREEK CAPITAL LETTER DELTA}\n", "utf-8")
    monkeypatch.setattr(locale, "getencoding", lambda: encoding)
    monkeypatch.setattr(reading, "sys", SimpleNamespace(flags=SimpleNamespace(utf8_mode=0)))
    notes = [note for note in load_configuration(yaml_file).notes if "PYTHONUTF8" in note]
    assert ["'Länge'" in note and "LÃ¤nge" in note for note in notes] == [True] * said
    monkeypatch.setattr(reading, "sys", SimpleNamespace(flags=SimpleNamespace(utf8_mode=1)))
    assert not [note for note in load_configuration(yaml_file).notes if "PYTHONUTF8" in note]


def test_a_missing_yaml_is_named_with_the_working_folder(tmp_path: Path) -> None:
    """The message says where was looked."""
    with pytest.raises(SourceError, match="does not exist"):
        load_configuration(tmp_path / "none.yml")
    with pytest.raises(SourceError, match="cannot be read"):
        load_configuration(tmp_path)


def test_sections_that_are_none_are_all_named_at_once(tmp_path: Path) -> None:
    """Every section of the wrong kind stands in the one error."""
    asked = {"file_management": None, "orcaflex": {"postprocess": {"summary": True}}, "default": {"config": 3}}
    with pytest.raises(SettingsError) as refused:
        load_configuration(_batch(tmp_path, asked), output_dir=None)
    for key in ("file_management:", "orcaflex.postprocess.summary:", "default.config:", "filename.extension:"):
        assert key in str(refused.value)


UNUSABLE = {
    "input_directory": {"input_directory": 5},
    "output_directory": {"output_directory": ["a"]},
    "filters": {"filename": {"filters": ["a"]}},
    "contains": {"filename": {"filters": {"contains": 5}}},
    "not_contains": {"filename": {"filters": {"not_contains": ["a", 5]}}},
    "min_size_kb": {"filename": {"filters": {"min_size_kb": "5"}}},
    "regex": {"filename": {"filters": {"regex": 5}}},
}


@pytest.mark.parametrize("key", UNUSABLE)
def test_values_with_which_no_file_can_be_looked_for_are_named(key: str, tmp_path: Path) -> None:
    """digitalmodel ends in a TypeError or AttributeError for each of them."""
    asked = {"file_management": {"input_directory": "sims", **UNUSABLE[key]}}
    with pytest.raises(SettingsError, match=rf"dm_fsts\.yml:\n  file_management\..*{key}.* needed"):
        load_configuration(_batch(tmp_path, asked))


def test_an_empty_section_of_filters_filters_nothing(tmp_path: Path) -> None:
    """`filters:` with all its keys commented out; digitalmodel's own search dies of it."""
    asked = {"file_management": {"input_directory": "sims", "filename": {"filters": None}}}
    assert len(load_configuration(_batch(tmp_path, asked)).files) == 6


@pytest.mark.parametrize("pattern", ["case*", "*case", ""])
def test_a_pattern_with_stars_at_its_ends_is_refused_in_words(pattern: str, tmp_path: Path) -> None:
    """digitalmodel adds them itself, and up to Python 3.12 pathlib takes no two in a row."""
    asked = {"file_management": {"input_directory": "sims", "filename": {"pattern": pattern}}}
    if sys.version_info >= (3, 13):
        assert load_configuration(_batch(tmp_path, asked)).files
        return
    with pytest.raises(SourceError, match=rf"dm_fsts\.yml: .*pattern: {re.escape(repr(pattern))} cannot be looked for"):
        load_configuration(_batch(tmp_path, asked))


def test_no_match_says_pattern_and_folder_and_what_is_there(tmp_path: Path) -> None:
    """The message holds the pattern, the filters, the folder and how many .sim files it has."""
    filename = {"pattern": "nowhere", "filters": {"contains": ["x"]}}
    asked = {"file_management": {"input_directory": "sims", "filename": filename}}
    with pytest.raises(SourceError) as refused:
        load_configuration(_batch(tmp_path, asked))
    for words in ("*nowhere*.sim", "{'contains': ['x']}", str(tmp_path / "sims"), "6 .sim files"):
        assert words in str(refused.value)


def test_a_folder_that_may_not_be_looked_into_is_not_called_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digitalmodel's search finds nothing in it without a word, whatever it holds."""
    yaml_file, folder = _batch(tmp_path, {"file_management": {"input_directory": "sims"}}), tmp_path / "sims"
    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, _denied(folder, getattr(os, name)))
    with pytest.raises(SourceError, match=rf"{re.escape(str(folder))} cannot be read: Permission denied"):
        load_configuration(yaml_file)


def _denied(folder: Path, look: Callable[..., Any]) -> Callable[..., Any]:
    def denied(path: Any) -> Any:
        if not isinstance(path, int) and Path(path) == folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path)

    return denied


def test_a_missing_input_folder_says_where_was_looked(tmp_path: Path) -> None:
    """The message names the folder, the YAML's folder and the remedy."""
    with pytest.raises(
        SourceError, match=r"dm_fsts\.yml: The input folder gone does not exist .*file_management\.input_directory"
    ):
        load_configuration(_batch(tmp_path, {"file_management": {"input_directory": "gone"}}))


def test_a_result_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file where the result folder should be gives an OutputError naming it."""
    configuration: Configuration = load_configuration(
        _batch(tmp_path, {"file_management": {"output_directory": "out"}})
    )
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match=r"out cannot be made.*output_directory"):
        configuration.create_folders()


@needs("symbolic links")
def test_a_link_to_nowhere_stays_in_the_list(tmp_path: Path) -> None:
    """Digitalmodel's search dies of a dangling link; here the file stays in the batch and fails on its own."""
    yaml_file = _batch(tmp_path, {"file_management": {"input_directory": "sims"}})
    (tmp_path / "sims" / "gone.sim").symlink_to(tmp_path / "nowhere.sim")
    found = {file.stem for file in load_configuration(yaml_file).files}
    assert "gone" in found
    assert len(found) == 7


SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "pattern": st.sampled_from([None, "a_", "case", "zzz", "[ab]"]),
        "filters": st.fixed_dictionaries(
            {},
            optional={
                "contains": st.sampled_from([None, [], "NULL", ["a"], ["a", "case"], "ac"]),
                "not_contains": st.sampled_from([None, [], ["a"], ["1", "2"]]),
                "min_size_kb": st.sampled_from([None, 0, 1, 2.5]),
                "max_size_kb": st.sampled_from([None, 0, 3]),
                "regex": st.sampled_from([None, "NULL", "^a", "(", "3$"]),
            },
        ),
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(section=SECTIONS)
def test_the_own_search_finds_what_digitalmodel_finds(section: dict[str, Any], tmp_path: Path) -> None:
    """Without digitalmodel installed the same files come in the same order, for every pattern and filter."""
    _batch(tmp_path, {})
    filename = {"extension": ["sim", "yml"], **section}
    management = {"input_directory": "sims", "output_directory": None, "filename": filename}
    analysis = {"analysis_root_folder": str(tmp_path), "result_folder": str(tmp_path / "results")}
    cfg = AttributeDict(file_management=management, Analysis=analysis)
    folder = input_files.input_directory(cfg)
    pytest.importorskip("assetutilities", reason="compares with assetutilities itself: install orcabatch[digitalmodel]")
    assert input_files.search(folder, filename) == input_files._as_installed(cfg, folder)


ASKING = """
import json, sys
from pathlib import Path
from orcabatch.digitalmodel import input_files
before = input_files._follows_the_installed()
seen = sorted({"assetutilities", "pandas", "matplotlib", "plotly"} & set(sys.modules))
input_files.FOLLOWED = frozenset()
other = input_files._follows_the_installed()
input_files.FOLLOWED = frozenset({"b9b98b7a4af40dff1bac2a1e9ade84f087386178e390d9d7a50871bdcab38486"})
import assetutilities.common.file_management
print(json.dumps([before, seen, other, input_files._follows_the_installed()]))
"""


def test_a_known_file_management_is_not_imported_to_list_files() -> None:
    """Its sources are told by their digest; another one, or one that is there already, is asked itself."""
    pytest.importorskip("assetutilities", reason="looks at assetutilities itself: install orcabatch[digitalmodel]")
    asked = subprocess.run([sys.executable, "-c", ASKING], capture_output=True, text=True, check=True)
    assert json.loads(asked.stdout) == [True, [], False, False]


VALUES = st.recursive(
    st.none() | st.integers() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@settings(deadline=None)
@given(below=MAPPINGS, above=MAPPINGS)
def test_merging_is_digitalmodels_merge_without_changing_its_arguments(
    below: dict[str, Any], above: dict[str, Any]
) -> None:
    """For arbitrary nested sections the result equals assetutilities' own, and both inputs stay as they were."""
    from assetutilities.common.update_deep import update_deep_dictionary

    kept = copy.deepcopy((below, above))
    theirs = update_deep_dictionary(copy.deepcopy(below), copy.deepcopy(above))
    assert merged(below, above) == theirs
    assert (below, above) == kept
