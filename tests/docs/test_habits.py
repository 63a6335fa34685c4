"""The development commands are there and do what CONTRIBUTING says."""

from __future__ import annotations

import runpy
import subprocess
import sys

import yaml

from docs_pages import ROOT
from orcabatch.settings.reference import settings_reference


def test_the_checks_list_their_steps_and_name_what_is_not_installed(capsys):
    """A step whose tool is missing fails with the words that install it."""
    check = runpy.run_path(str(ROOT / "tools" / "check.py"), run_name="check")
    assert [step.name for step in check["QUICK"]][-1] == "quick tests"
    assert [step.name for step in check["ALL"]][-1] == "documentation"
    nothing = check["Step"]("nothing", ("-c", "pass"), "no_such_module", "lint")
    assert check["passes"](nothing) is False
    assert '".[lint]"' in capsys.readouterr().out
    assert check["passes"](check["Step"]("good", ("-c", "pass"), "sys", "")) is True
    assert check["passes"](check["Step"]("bad", ("-c", "raise SystemExit(3)"), "sys", "")) is False


def test_hooks_are_local():
    """Nothing is downloaded by a commit."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]
    assert all(hook["language"] == "system" for hook in hooks["repos"][0]["hooks"])


def test_one_command_writes_the_settings_page_as_it_stands(tmp_path):
    """Run as the reader would, it changes nothing."""
    page = ROOT / "docs" / "reference" / "settings.md"
    before = page.read_text(encoding="utf-8")
    subprocess.run([sys.executable, str(ROOT / "tools" / "settings_page.py")], check=True, cwd=tmp_path)
    assert page.read_text(encoding="utf-8") == before
    assert before.endswith(settings_reference())
