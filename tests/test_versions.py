"""What this runs on, in words: on Windows without asking WMI, which may never answer."""

from __future__ import annotations

import ast
import platform
from types import SimpleNamespace

import pytest

from docs_pages import ROOT
from orcabatch import versions

NEVER_ASKED = frozenset(
    ["machine", "node", "platform", "processor", "release", "system", "uname", "version", "win32_ver"]
)
"""Each asks WMI for all of them, on Windows, from Python 3.12 on."""


def test_no_run_on_windows_waits_for_wmi(monkeypatch):
    """There it hangs on some machines, and ends the process on others; `sys` knows the same."""

    def hangs():
        raise AssertionError("WMI was asked")

    for name in ("system", "release", "version", "machine", "node", "uname", "platform"):
        monkeypatch.setattr(platform, name, hangs)
    told = SimpleNamespace(major=10, minor=0, build=22631, product_type=1)
    monkeypatch.setattr(versions.sys, "platform", "win32")
    monkeypatch.setattr(versions.sys, "getwindowsversion", lambda: told, raising=False)
    assert versions.system_version() == "Windows 11 (10.0.22631)"


@pytest.mark.parametrize(
    ("numbers", "is_server", "called"),
    [
        ((10, 0, 19045), False, "Windows 10 (10.0.19045)"),
        ((10, 0, 22000), False, "Windows 11 (10.0.22000)"),
        ((10, 0, 20348), True, "Windows Server (10.0.20348)"),
        ((10, 0, 26100), True, "Windows Server (10.0.26100)"),
    ],
)
def test_what_windows_is_called_goes_by_its_build(numbers, is_server, called):
    """Windows 11 still numbers itself 10.0."""
    assert versions.windows_version(numbers, is_server=is_server) == called


def test_nobody_else_asks_platform_what_goes_by_wmi():
    """Python's version, which it knows by itself, may be asked for; the rest only where this is no Windows."""
    asking = []
    for file in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "platform":
                asking += [file.name] if node.attr in NEVER_ASKED else []
            if isinstance(node, ast.ImportFrom) and node.module == "platform":
                asking.append(file.name)
    assert set(asking) == {"versions.py"}
