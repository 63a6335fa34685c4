"""The house stays in order: no module imports in a circle, and no two public classes share a name."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "src" / "orcabatch"


def modules() -> dict[str, ast.Module]:
    """Every module of the library, by its dotted name."""
    found = {}
    for path in SOURCES.rglob("*.py"):
        name = ".".join(("orcabatch", *path.relative_to(SOURCES).with_suffix("").parts)).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text("utf-8"))
    return found


def imports(tree: ast.Module, known: set[str]) -> set[str]:
    """What it imports of the library: for types only, and inside functions, too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {whole if (whole := f"{node.module}.{each.name}") in known else node.module for each in node.names}
    return found & known


def test_no_module_imports_in_a_circle() -> None:
    """Types and lazy imports count: two modules that cannot be read one after the other are one, or three."""
    trees = modules()
    arrows = {name: imports(tree, set(trees)) - {name} for name, tree in trees.items()}
    while ends := {name for name, to in arrows.items() if not to}:
        arrows = {name: to - ends for name, to in arrows.items() if name not in ends}
    # What is left stands in a circle, or leads into one.
    assert arrows == {}


def test_a_name_means_one_thing() -> None:
    """One public class, one name: whoever searches for it finds one."""
    homes = defaultdict(list)
    for module, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module)
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}
