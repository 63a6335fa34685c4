"""Reference pages say what the code does."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

import orcabatch
from docs_pages import ROOT, blocks
from orcabatch import cli
from orcabatch.cli.bench import SUITES
from orcabatch.settings import all_keys
from orcabatch.settings.reference import settings_reference

REFERENCE = ROOT / "docs" / "reference"


def page(name):
    return (REFERENCE / name).read_text(encoding="utf-8")


def test_the_settings_page_is_the_models():
    """`python tools/settings_page.py` writes it anew."""
    assert settings_reference() in page("settings.md")
    keys = [key.rsplit(".", 1)[-1] for key, _ in all_keys()]
    assert all(f"`{key}`" in page("settings.md") for key in keys)


def test_the_command_page_names_every_option(capsys, monkeypatch):
    """Of every command that there is, as its own help says; and no option that is not there."""
    monkeypatch.setenv("COLUMNS", "100")
    text = page("command-line.md")
    helps = "--debug --version\n"
    for command in documented():
        with pytest.raises(SystemExit) as ended:
            cli.main([command, "--help"])
        assert ended.value.code == 0
        helps += capsys.readouterr().out
        assert f"## {command}" in text
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", helps)) - {"--help", "--workers"}
    written = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--help", "--workers"}
    assert written == options


def test_the_command_page_names_every_suite_of_bench():
    """As `bench --help` lists them; without one it is the tour."""
    rows = page("command-line.md").partition("| suite |")[2].partition("\n\n")[0].splitlines()
    assert {name for row in rows for name in re.findall(r"`([a-z]+)`", row.split("|")[1])} == {*SUITES} - {"tour"}


def test_what_the_page_on_mistakes_shows_is_what_is_said(tmp_path, monkeypatch, capsys):
    """To the number of the line, over the example as it is."""
    made, shown = [block for block in blocks(ROOT / "docs" / "how-to" / "check-a-yaml.md") if block.language != "sh"][
        :2
    ]
    (tmp_path / "dm_fsts.yml").write_bytes((ROOT / "examples" / "dm_fsts.yml").read_bytes())
    (tmp_path / "sims").mkdir()
    (tmp_path / "sims" / "fsts_l015_hwl_ncl_000deg_seed01.sim").touch()
    monkeypatch.chdir(tmp_path)
    exec(made.code, {})  # noqa: S102 - the page's own code
    assert cli.main(["plan", "dm_misspelt.yml"]) == 2
    assert capsys.readouterr().err.split() == shown.code.split()


def documented():
    """The commands that are there."""
    import importlib.util

    return [name for name in cli.COMMANDS if importlib.util.find_spec(f"orcabatch.cli.{name}") is not None]


def test_the_api_page_has_every_public_name():
    """Each is documented from its docstring, and has one."""
    text = page("api.md")
    for name in orcabatch.__all__:
        home = getattr(orcabatch, name)
        assert f"::: {home.__module__}.{home.__qualname__}" in text, name
        assert home.__doc__


def test_the_metrics_page_names_every_top_level_key():
    """The schema is the contract; the page is its first look."""
    schema = json.loads((ROOT / "docs" / "metrics.schema.json").read_text(encoding="utf-8"))
    missing = [key for key in schema["properties"] if f"`{key}`" not in page("metrics.md")]
    assert missing == []


def test_every_dependency_has_its_sentence():
    """Extras too; and nothing is explained that is not there any more."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.match(r"[\w.-]+", item)[0].lower() for group in groups for item in group}
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    explained = {name.lower() for name in re.findall(r"^\| `([\w.-]+)`", text, re.MULTILINE)}
    assert explained == names


def test_the_rooms_of_the_architecture_are_those_of_the_contract():
    """Every room that the import contract names has its line."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = contracts["contracts"][0]["layers"]
    rooms = {room.strip().removeprefix("orcabatch.") for layer in layers for room in layer.split("|")}
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert [room for room in sorted(rooms) if f"| `{room}`" not in text] == []


def test_the_documentation_claims_nothing_that_was_not_run():
    """Windows and a real OrcaFlex were never there; the page that a reader starts on says so."""
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert "Nothing has run on Windows or on a real OrcaFlex yet" in " ".join(text.split())
