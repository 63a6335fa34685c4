"""What some systems lack is asked for before it is used: by capability, not by the system's name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from capabilities import HAS, needs, require

TESTS = Path(__file__).parent
WORDS = {
    "symbolic links": r"\.symlink_to\(|os\.symlink\(",
    "SIGKILL": r"\bsignal\.SIGKILL\b",
    "SIGSTOP": r"\bsignal\.SIGSTOP\b",
    "SIGHUP": r"\bsignal\.SIGHUP\b",
    "fork": r"\bos\.fork\(",
    "/proc": r"""["'(]/proc/""",
    "named pipes": r"\bos\.mkfifo\(",
    "process groups": r"\bos\.(killpg|setsid)\(|start_new_session",
    "terminals": r"^\s*import (pty|fcntl|termios)\b",
    "resource": r"^\s*import resource\b",
}
"""How each looks where it is used; what `HAS` has besides is only asked for."""
UNASKED = {
    "capabilities.py": "asks",
    "test_capabilities.py": "speaks of them",
    "host/test_linux.py": "makes folders of that name",
    "engine/travellers.py": "runs in worker processes: who sends it there asks",
}
"""Files that may say these words. `faults` is skipped as a whole where there is no `fork`."""


def pieces(path: Path) -> list[str]:
    """Functions, classes and statements of a file, each with its decorators."""
    source = path.read_text("utf-8")
    lines = source.splitlines()
    found = []
    for node in ast.parse(source).body:
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
        found.append("\n".join(lines[first - 1 : node.end_lineno]))
    return found


def unasked(path: Path) -> list[str]:
    """What it uses without asking, there or for the whole file."""
    found = pieces(path)
    whole = "\n".join(piece for piece in found if piece.startswith(("pytestmark", "require(")) or " = needs(" in piece)
    return [
        f"{path.relative_to(TESTS).as_posix()}: {piece.splitlines()[0]} uses {name}"
        for piece in found
        for name, pattern in WORDS.items()
        if re.search(pattern, piece, re.MULTILINE) and f'"{name}"' not in piece + whole
    ]


def test_what_a_system_may_lack_is_asked_for() -> None:
    """In the test itself, in the helper that uses it, or once for the file."""
    files = [path for path in TESTS.rglob("*.py") if path.relative_to(TESTS).as_posix() not in UNASKED]
    assert [said for path in files if "faults" not in path.parts for said in unasked(path)] == []


def test_no_test_is_skipped_by_the_name_of_a_system() -> None:
    """But for those about what that very system does."""
    pattern = re.compile(r"skipif\([^)]*(sys\.platform|os\.name)")
    own = {"engine/test_entry.py", "engine/test_gil_measure.py"}  # its allocator, its C library
    allowed = {"digitalmodel/test_installed.py", "cli/test_commands.py", *own}
    found = {
        path.relative_to(TESTS).as_posix() for path in TESTS.rglob("*.py") if pattern.search(path.read_text("utf-8"))
    }
    assert found - {"test_capabilities.py"} == allowed


def test_a_use_without_asking_is_found(tmp_path, monkeypatch) -> None:
    """With the line; asking for something else does not help."""
    monkeypatch.setattr("test_capabilities.TESTS" if __name__ == "test_capabilities" else f"{__name__}.TESTS", tmp_path)
    file = tmp_path / "test_x.py"
    file.write_text('@needs("fork")\ndef test_x(tmp_path):\n    (tmp_path / "a").symlink_to("b")\n', encoding="utf-8")
    assert unasked(file) == ['test_x.py: @needs("fork") uses symbolic links']
    file.write_text('pytestmark = needs("symbolic links")\n' + file.read_text("utf-8"), encoding="utf-8")
    assert unasked(file) == []


def test_what_is_lacking_skips_with_the_reason(monkeypatch) -> None:
    """Whoever reads the summary sees what the system has not."""
    monkeypatch.setitem(HAS, "wings", lambda: False)
    mark = needs("wings").mark
    assert (mark.args, mark.kwargs) == ((True,), {"reason": "this system has no wings"})
    with pytest.raises(pytest.skip.Exception, match="no wings"):
        require("wings")
