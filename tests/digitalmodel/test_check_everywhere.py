"""The check over every configuration that is meant to be right, and over those made wrong by one slip.

Right are examples, documentation, benchmarks, the tests' own, and YAMLs as engineers have them: no error at all, and
each word that is said of them stands here.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import cli_batches
from benchmarks import broker, travel
from dm_proof.configurations import CASES, configuration
from dm_proof.real_yamls import BASE, YAMLS
from docs_pages import ROOT, blocks, pages
from orcabatch.digitalmodel.base_config import builtin_configuration
from orcabatch.digitalmodel.check import check_configuration, lines_of
from orcabatch.digitalmodel.check.effective import effective_groups
from orcabatch.digitalmodel.check.sections import computes, shape_faults
from orcabatch.digitalmodel.check.vocabulary import LEVELS
from orcabatch.digitalmodel.mappings import merged
from orcabatch.digitalmodel.outputs import SETTINGS_OF

if TYPE_CHECKING:
    import pytest

BUILT_IN = builtin_configuration("orcaflex_post_process")


def completed(asked: Mapping[str, Any], base: Mapping[str, Any] = BUILT_IN) -> dict[str, Any]:
    """What digitalmodel's post-process gets of a YAML."""
    cfg: dict[str, Any] = merged(copy.deepcopy(base), copy.deepcopy(asked))
    cfg["file_management"] = {**cfg["file_management"], "input_files": {"sim": ["/in/c1.sim", "/in/c2.sim"]}}
    cfg["Analysis"] = {"result_folder": "/results", "file_name": "dm_x", "file_name_for_overwrite": "dm_x"}
    return cfg


def texts() -> Iterator[tuple[str, str]]:
    """The YAMLs that stand in files: the examples, and what the documentation shows of them."""
    for path in sorted((ROOT / "examples").glob("*.yml")):
        yield path.name, path.read_text(encoding="utf-8")
    for page in pages():
        for block in blocks(page) if page.exists() else ():
            if block.language in {"yaml", "yml"}:
                yield f"{block.page}, line {block.line}", block.code


def said_of_all() -> dict[str, list[str]]:
    """What is said of each configuration, by a name for it."""
    said: dict[str, list[str]] = {}
    for name, text in texts():
        asked = yaml.safe_load(text)
        if isinstance(asked, dict) and not asked.keys() <= {"performance"}:
            lines = lines_of(yaml.compose(text), name)
            said[name] = _said(completed(asked), asked=asked, lines=lines)
    for base, content in (("built in", BUILT_IN), ("a clone's", BASE)):
        said[f"the base alone: {base}"] = _said(completed({}, content))
        for name, asked in YAMLS.items():
            said[f"{name}, over {base}"] = _said(completed(asked, content), asked=asked)
            said[f"{name}, over {base}, as a script gives it"] = _said(completed(asked, content))
    for name, (on, sections) in CASES.items():
        said[f"case {name}"] = _said(configuration(["a.sim"], Path("/results"), *on, **copy.deepcopy(sections)))
    for case in (*broker.CASES, *travel.CASES):
        cfg = {**case.cfg, "file_management": {"input_files": {"sim": ["a.sim"]}}}
        said[f"benchmark {case.name}"] = _said({**cfg, "default": BUILT_IN["default"]})
    said["the command line's tests"] = _said(completed(cli_batches.configuration()), asked=cli_batches.configuration())
    return said


def _said(cfg: Mapping[str, Any], **known: Any) -> list[str]:
    return [("error: " if one.proven else "") + str(one) for one in check_configuration(cfg, **known)]


def test_no_configuration_that_is_meant_raises_an_alarm(record_property: pytest.RecordProperty) -> None:
    """Nothing is said but what bleeds from column to column in case A, which is what that case is for."""
    said = said_of_all()
    record_property("configurations", len(said))
    assert len(said) > 80
    assert {"dm_fsts.yml", "case A", "benchmark 900 columns"} <= said.keys()
    alarms = {name: texts for name, texts in said.items() if texts}
    bled = (
        "summary_settings, group 'dyn', column 'l2_mean': takes Variable: 'Bend moment' from the column 'l1_max' "
        "before it, not 'Effective Tension' from the master, because digitalmodel merges in place."
    )
    assert alarms == {"case A": [bled], "case A+C": [bled]}


COLUMN = LEVELS["summary_settings.groups[].Columns[]"].read
Mapped = dict[str, Any]


def read_of(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """What decides of a configuration: the keys that digitalmodel reads, columns as they are computed."""
    read = {key: value for key, value in cfg.items() if not key.endswith(("_settings", "_master"))}
    read.pop("basename", None)  # meta's does as well, and where no other does it is refused before the check
    decides = {"": _read(read, "")}
    for section in SETTINGS_OF.values():
        if computes(cfg, section):
            faulty = shape_faults(cfg, section)
            decides[section] = faulty or [
                (
                    group.values.get("Label"),
                    [{key: column.values.get(key) for key in COLUMN} for column in group.columns],
                )
                for group in effective_groups(cfg, section)
            ]
    return decides


def _read(value: Any, pattern: str) -> Any:
    if not isinstance(value, Mapping) or pattern not in LEVELS:
        return value
    below = {key: _read(item, f"{pattern}.{key}".removeprefix(".")) for key, item in value.items()}
    return {key: item for key, item in below.items() if key in LEVELS[pattern].read}


def sections_of(value: Any, pattern: str = "") -> Iterator[tuple[Mapped, str]]:
    """Every section of which digitalmodel reads keys, but the name of the batch's record, which is in no table."""
    if isinstance(value, list):
        for item in value:
            yield from sections_of(item, f"{pattern}[]")
    elif isinstance(value, dict) and pattern in LEVELS:
        yield value, pattern
        for key, item in value.items():
            yield from sections_of(item, f"{pattern}.{key}".removeprefix("."))


def slip(cfg: Mapped, data: st.DataObject) -> None:
    """One letter of a key is wrong: missing, doubled, another one, or two have changed places."""
    section, pattern = data.draw(st.sampled_from(list(sections_of(cfg))))
    key = data.draw(st.sampled_from(sorted(section.keys() & LEVELS[pattern].read) or [""]))
    assume(key)
    i = data.draw(st.integers(0, len(key) - 1))
    other = data.draw(st.sampled_from("aeikmnrstxyAELS_ "))
    wrong = data.draw(
        st.sampled_from([key[:i] + key[i + 1 :], key[:i] + other + key[i:], key[:i] + other + key[i + 1 :],
                         key[:i] + key[i : i + 2][::-1] + key[i + 2 :], key[:i] + key[i].swapcase() + key[i + 1 :]])
    )  # fmt: skip
    assume(wrong not in section)
    items = [(wrong if name == key else name, value) for name, value in section.items()]
    section.clear()
    section.update(items)


def move(cfg: Mapped, data: st.DataObject) -> None:
    """A key stands a level above, or below."""
    pairs = [(above, way, below) for above, pattern in sections_of(cfg) for way, below in _children(above, pattern)]
    above, way, below = data.draw(st.sampled_from(pairs))
    source, target = (above, below) if data.draw(st.booleans()) else (below, above)
    key = data.draw(st.sampled_from([key for key in source if key not in target and key != way] or [""]))
    assume(key)
    target[key] = source.pop(key)


def _children(section: Mapped, pattern: str) -> Iterator[tuple[str, Mapped]]:
    """Sections directly below, each with the key that leads to it."""
    for key, value in section.items():
        name = f"{pattern}.{key}".removeprefix(".")
        if name in LEVELS and isinstance(value, dict):
            yield key, value
        if f"{name}[]" in LEVELS and isinstance(value, list):
            yield from ((key, item) for item in value)


def label_again(cfg: Mapped, data: st.DataObject) -> None:
    """A column was copied and its label, or what it asks for, was not changed."""
    columns = [section["Columns"] for section, _ in sections_of(cfg) if len(section.get("Columns") or ()) > 1]
    assume(columns)
    one, other = data.draw(st.permutations(data.draw(st.sampled_from(columns))))[:2]
    if data.draw(st.booleans()):
        assume("Label" in one and "Label" in other)
        one["Label"] = other["Label"]
    else:
        label = one.get("Label")
        one.clear()
        one.update(copy.deepcopy(other), Label=label)


@settings(max_examples=300, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(st.sampled_from(sorted(YAMLS)), st.sampled_from([slip, move, label_again]), st.data())
def test_one_slip_that_changes_what_is_computed_is_never_silent(name: str, mistake: Any, data: st.DataObject) -> None:
    """A key misspelt or a level off, a column copied: where digitalmodel reads something else then, it is said."""
    asked = copy.deepcopy(YAMLS[name])
    mistake(asked, data)
    assume(isinstance(asked.get("file_management", {}), dict))
    try:
        cfg = completed(asked)
        differs = read_of(cfg) != read_of(completed(YAMLS[name]))
    except (KeyError, TypeError, AttributeError):
        assume(False)  # a section is no section any more: refused before the check
    assume("meta" in asked and "orcaflex" in asked)  # refused, or said to ask for nothing, before the check
    if differs:
        assert check_configuration(cfg, asked=asked)
