"""The command line is understood in digitalmodel's habits, and a word that means nothing is never ignored."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orcabatch.batch.readers import readers
from orcabatch.cli import overrides
from orcabatch.cli.overrides import parse_overrides, read_value
from orcabatch.digitalmodel.outputs import SECTIONS
from orcabatch.errors import SettingsError


@pytest.mark.parametrize(
    ("words", "mapping"),
    [
        ([], {}),
        (["file_management.input_directory=./sims"], {"file_management": {"input_directory": "./sims"}}),
        (["performance.threading.mode=static"], {"performance": {"threading": {"mode": "static"}}}),
        (["meta.label=a=b"], {"meta": {"label": "a=b"}}),
        (["meta.label="], {"meta": {"label": ""}}),
        (["--meta", "label=x", "a.b=1"], {"meta": {"label": "x", "a": {"b": 1}}}),
        (["--quiet"], {"quiet": True}),
        (["--basename", "orcaflex"], {"basename": "orcaflex"}),
        (["--meta.label=x"], {"meta": {"label": "x"}}),
        (["{'meta': {'label': 'x', 'n': [1, None]}}"], {"meta": {"label": "x", "n": [1, None]}}),
        (["{'meta': {'label': 'x'}}", "meta.label=y"], {"meta": {"label": "y"}}),
        (["meta.a=1", "--meta", "b=2", "{'meta': {'c': 3}}"], {"meta": {"a": 1, "b": 2, "c": 3}}),
        (
            ["file_management.filename.filters.contains=[abc, 'd e']"],
            {"file_management": {"filename": {"filters": {"contains": ["abc", "d e"]}}}},
        ),
    ],
)
def test_each_form_gives_its_sections(words: list[str], mapping: dict[str, Any]) -> None:
    """Dotted keys, dictionary text and `--section key=value` all become sections to merge; the later one wins."""
    overrides = parse_overrides(words)
    assert overrides.mapping == mapping
    assert overrides.notes == ()


TEXT = st.text(alphabet="abceEfF019.-_+'\"trunolsTN ", max_size=8)


@settings(deadline=None)
@given(text=TEXT)
def test_values_are_read_as_digitalmodel_reads_them(text: str) -> None:
    """For arbitrary short texts the value and its type equal digitalmodel's own parser's (but for `null`)."""
    from assetutilities.common.cli_parser import parse_cli_arguments

    theirs = parse_cli_arguments(["--meta", f"label={text}"])["meta"]["label"]
    # A lone quote is both a start and an end for digitalmodel, which makes it an empty text.
    expected = None if text.lower() == "null" else text if text in {"'", '"'} else theirs
    assert repr(read_value(text)) == repr(expected)


@pytest.mark.parametrize("words", [["--workers", "30"], ["--workers=30"], ["workers=30"], ["{'workers': 30}"]])
def test_workers_is_the_wish_for_threads(words: list[str]) -> None:
    """Digitalmodel ignores --workers; here it becomes max_threads, and that is said."""
    overrides = parse_overrides(words)
    assert overrides.mapping == {"performance": {"threading": {"max_threads": 30}}}
    assert overrides.notes == (
        "--workers 30: understood as performance.threading.max_threads (digitalmodel itself ignores --workers)",
    )


def test_an_explicit_max_threads_wins_over_workers() -> None:
    """Where both are given the precise key is taken, and the note says so."""
    overrides = parse_overrides(["performance.threading.max_threads=4", "--workers", "30"])
    assert overrides.mapping == {"performance": {"threading": {"max_threads": 4}}}
    assert "max_threads=4 wins" in overrides.notes[0]


@pytest.mark.parametrize("number", ["0", "-3", "many", "2.5", "true"])
def test_workers_needs_a_number(number: str) -> None:
    """A number of workers that is none is refused with an example."""
    with pytest.raises(SettingsError, match=r"a whole number of threads .* --workers 30"):
        parse_overrides([f"--workers={number}"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["dm_fst.yml"], "neither a YAML that exists nor key=value"),
        (["=3"], "neither a YAML that exists nor key=value"),
        (["meta..label=3"], "neither a YAML that exists nor key=value"),
        (["{'a': __import__('os').getcwd()}"], "not a dictionary of plain values"),
        (["{'a', 'b'}"], "not a dictionary of plain values"),
        (["{1: 2}"], "not a dictionary of plain values"),
        (["{'a': true}"], "True, False, None as in Python"),
        (["perfomance.threading.mode=static"], "Did you mean performance?"),
        (["--frsh"], "Did you mean --fresh?"),
        (["threading.max_threads=3"], "Did you mean performance.threading.max_threads?"),
        (["max_threads=3"], "Did you mean performance.threading.max_threads?"),
        (["timeout=60"], "Did you mean performance.timeout?"),
        (["--threading", "max_threads=3"], "Did you mean performance.threading?"),
        (["--zzzz", "3"], "neither an option (`--help` lists them) nor a section of"),
        (["--meta", "label=x", "loose"], "behind --meta only key=value is understood"),
        (["--meta", "label=x", "performance.threading.mode=static"], "Write it before --meta"),
        (["meta.label=[1, 2"], "not a list or section in brackets"),
    ],
)
def test_a_word_that_means_nothing_is_refused(words: list[str], says: str) -> None:
    """Every misspelt word gets a message with what is possible; nothing is executed and nothing ignored."""
    with pytest.raises(SettingsError) as refused:
        parse_overrides(words, options=["--fresh", "--orcaflex"])
    assert says in str(refused.value)


def test_another_packages_sections_are_known_by_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """The grammar is the command line's; which sections a YAML has is asked of those who read one."""
    with pytest.raises(SettingsError, match="no section"):
        parse_overrides(["extremes.limit=3"])
    own = SimpleNamespace(sections=frozenset({"extremes"}))
    monkeypatch.setattr(overrides, "readers", lambda: [*readers(), own])
    assert parse_overrides(["extremes.limit=3", "meta.label=x"]).mapping == {
        "extremes": {"limit": 3},
        "meta": {"label": "x"},
    }


def test_all_faults_are_said_at_once() -> None:
    """One error names every word that is wrong."""
    with pytest.raises(SettingsError) as refused:
        parse_overrides(["nonsense", "meta.label=x", "perfomance.a=1", "{oops}"])
    assert len(str(refused.value).splitlines()) == 3


def test_a_dictionary_may_hold_sections_that_are_not_known() -> None:
    """A dictionary from an existing run script is passed on as it stands, with a note."""
    overrides = parse_overrides(["{'own_section': {'a': 1}}"])
    assert overrides.mapping == {"own_section": {"a": 1}}
    assert "own_section" in overrides.notes[0]
    assert "own_section" not in SECTIONS
