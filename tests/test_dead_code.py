"""What nothing uses is not kept: vulture over the sources, against the reviewed list in pyproject.toml."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["vulture"]

SOURCES = ROOT / "src" / "orcabatch"
BY_NAME = {"main", "build", "READER"}
"""What a registry takes from its modules by name: commands, executors, readers."""


def unused(config: Path, *paths: Path) -> list[str]:
    """What vulture says, line by line."""
    pytest.importorskip("vulture", reason="vulture is not installed; the extra orcabatch[test] has it")
    command = [sys.executable, "-m", "vulture", "--config", str(config), *map(str, paths)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()


def without_list(folder: Path) -> Path:
    """The same settings without the list of names."""
    config = folder / "vulture.toml"
    config.write_text(f"[tool.vulture]\nmin_confidence = {SETTINGS['min_confidence']}\n", encoding="utf-8")
    return config


def test_nothing_in_the_sources_is_unused() -> None:
    """Delete what is named here; only what is public, or called by name from outside, belongs on the list."""
    assert unused(ROOT / "pyproject.toml") == []


def test_every_name_on_the_list_would_be_reported_without_it(tmp_path: Path) -> None:
    """A name whose code has gone, or is used by now, goes from the list: it would hide the next one of that name."""
    said = "\n".join(unused(without_list(tmp_path), ROOT / "src"))
    reported = set(re.findall(r"unused \w+ '(\w+)'", said))
    assert [name for name in SETTINGS["ignore_names"] if name not in reported] == []


def test_new_dead_code_is_found(tmp_path: Path) -> None:
    """A function that nobody calls is named, with its file."""
    (tmp_path / "left_over.py").write_text("def nobody_calls_it():\n    pass\n", encoding="utf-8")
    (line,) = unused(ROOT / "pyproject.toml", tmp_path)
    assert "left_over.py:1: unused function 'nobody_calls_it'" in line


def asked_for(module: str, tree: ast.Module, modules: set[str]) -> set[tuple[str, str]]:
    """Which names of which modules this module uses, its own included."""
    found, bound = set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {(node.module, each.name) for each in node.names}
            bound |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add((module, node.id))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and bound.get(node.value.id) in modules:
            found.add((bound[node.value.id], node.attr))
    return found


def defined(tree: ast.Module) -> set[str]:
    """Functions, classes and constants of a module."""
    found = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    found |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not exported(node)}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found |= {each.id for target in targets if target for each in ast.walk(target) if isinstance(each, ast.Name)}
    return {name for name in found if not name.startswith("__")}


def exported(node: ast.FunctionDef) -> bool:
    """Whether the simulated DLL hands it out by name."""
    decorators = {ast.unparse(each.func) for each in node.decorator_list if isinstance(each, ast.Call)}
    return bool(decorators & {"export", "bare"})


def public(tree: ast.Module) -> set[str]:
    """What stands in the module's `__all__`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def test_what_a_module_defines_is_used_there_or_imported_from_there() -> None:
    """Vulture counts a name as used wherever something else is called so; here it has to be this one."""
    trees = {
        ".".join(path.relative_to(SOURCES.parent).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
            path.read_text("utf-8")
        )
        for path in SOURCES.rglob("*.py")
        if path.parent.name != "side"  # the measured side of `bench` finds its modules by their names
    }
    used = set().union(*(asked_for(module, tree, set(trees)) for module, tree in trees.items()))
    allowed = BY_NAME | set(SETTINGS["ignore_names"])
    left = {(module, name) for module, tree in trees.items() for name in defined(tree) - public(tree)} - used
    assert sorted(f"{module}.{name}" for module, name in left if name not in allowed) == []
