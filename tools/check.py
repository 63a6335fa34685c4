"""The checks of a working copy: `python tools/check.py --quick` before a commit, `python tools/check.py` for all.

Runs with the Python it is started with, in whichever environment that is; every step is that Python's own module.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Step:
    """One check.

    Attributes:
        name: what is shown.
        words: the command after `python`.
        module: what has to be installed for it.
        extra: the extra of pyproject.toml that brings it.
    """

    name: str
    words: tuple[str, ...]
    module: str
    extra: str


LINT = (
    Step("format", ("-m", "ruff", "format", "--check", "."), "ruff", "lint"),
    Step("style", ("-m", "ruff", "check", "."), "ruff", "lint"),
    Step("types", ("-m", "mypy"), "mypy", "lint"),
    Step("types on Windows", ("-m", "mypy", "--platform", "win32"), "mypy", "lint"),
    Step("arrows between the rooms", ("-c", "from importlinter.cli import lint_imports_command as run; run()"),
         "importlinter", "lint"),
)  # fmt: skip
QUICK = (*LINT, Step("quick tests", ("-m", "pytest", "-q", "-n", "2", "-m", "not slow"), "pytest", "test"))
ALL = (
    *LINT,
    Step("all tests", ("-m", "pytest", "-q", "-n", "2"), "pytest", "test"),
    Step("documentation", ("-m", "mkdocs", "build", "--strict", "--quiet"), "mkdocs", "docs"),
)


def main() -> int:
    """Run the steps one after the other; 1 where any failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without slow tests and documentation")
    steps = QUICK if parser.parse_args().quick else ALL
    failed = [step.name for step in steps if not passes(step)]
    print(f"\n{', '.join(failed)}: failed" if failed else "\nall checks passed")
    return 1 if failed else 0


def passes(step: Step) -> bool:
    """Run one step."""
    print(f"\n== {step.name}", flush=True)
    if importlib.util.find_spec(step.module) is None:
        print(f'{step.module} is not installed: python -m pip install -e ".[{step.extra}]"')
        return False
    begun = time.perf_counter()
    ended = subprocess.run([sys.executable, *step.words], cwd=ROOT, check=False)
    print(f"{'passed' if ended.returncode == 0 else 'FAILED'} after {time.perf_counter() - begun:.0f} s")
    return ended.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
