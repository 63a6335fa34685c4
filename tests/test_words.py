"""What a newcomer reads: lines that surprise say why, and a file's way through the house is short."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

from docs_pages import ROOT

SOURCES = Path(__file__).parents[1] / "src" / "orcabatch"

HEARTS = {
    "dispatcher": ("engine/dispatcher.py",),
    "scheduler": ("engine/scheduler.py",),
    "concurrency": ("engine/concurrency.py",),
    "memory admission": ("engine/memory_admission.py",),
    "broker": tuple(path.relative_to(SOURCES).as_posix() for path in SOURCES.glob("orcaflex/broker/*.py")),
    "ledger": ("store/ledger/sqlite_ledger.py",),
}
"""The modules in which most decisions stand."""

LEAST = 2.5
"""Comments per 100 lines; well-kept engines of this kind have three to nine."""

NO_WORDS = re.compile(r"#\s*(noqa|type:|fmt:|pragma|---)")
"""What is for a tool, or a ruler between sections."""


def comments(source: str) -> int:
    """How many lines of comment say something to the reader; docstrings and those of constants do not count."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return sum(token.type == tokenize.COMMENT and not NO_WORDS.match(token.string) for token in tokens)


@pytest.mark.parametrize("heart", HEARTS)
def test_a_heart_says_why_it_decides_so(heart: str) -> None:
    """There are `LEAST` comments per 100 lines, pragmas and rulers not counted."""
    sources = [(SOURCES / name).read_text("utf-8") for name in HEARTS[heart]]
    lines = sum(len(source.splitlines()) for source in sources)
    density = 100 * sum(map(comments, sources)) / lines
    print(f"{heart}: {density:.1f} comments per 100 lines of {lines}")
    assert density >= LEAST


def test_a_files_way_opens_at_most_eight_modules_of_the_engine() -> None:
    """The list in `docs/architecture.md` counts them, and each module in it is there."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    block = page.partition("A file's way, ")[2].split("```")[1]
    engine = re.findall(r"^(\d)  (engine/\S+\.py)  ", block, re.MULTILINE)
    others = re.findall(r"^   (\w+/\w+\.py)\b", block, re.MULTILINE)
    assert [number for number, _ in engine] == [str(number) for number in range(1, len(engine) + 1)]
    assert 6 <= len(engine) <= 8
    assert all((SOURCES / name).is_file() for name in [*others, *(name for _, name in engine)])


def test_pragmas_rulers_and_strings_are_no_comments() -> None:
    """Only what a reader reads counts."""
    source = 'a = 1  # noqa: X\n# --- reading ---\nb = "# no comment"\n# why\nc = 2  # type: ignore\n# fmt: off\n'
    assert comments(source) == 1


TUNED = ("engine", "store/ledger")
"""Rooms whose numbers decide how a run goes."""


def numbers_without_words(source: str) -> list[str]:
    """Constants of a module that are numbers, where no string follows, not even after those beside them."""
    silent: list[str] = []
    pending: list[str] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and re.fullmatch(r"[\d_.e+\-*/<() ,]+", ast.unparse(node.value)):
            pending += [ast.unparse(target) for target in node.targets]
            continue
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            silent += pending
        pending = []
    return silent + pending


@pytest.mark.parametrize("room", TUNED)
def test_a_number_that_decides_says_what_it_trades(room: str) -> None:
    """Below it stands what less of it costs, and what more."""
    silent = {
        path.name: names
        for path in (SOURCES / room).rglob("*.py")
        if (names := numbers_without_words(path.read_text("utf-8")))
    }
    assert not silent


def test_a_number_without_words_is_found() -> None:
    """One string may stand for several numbers in a row; strings and names are no numbers."""
    assert numbers_without_words('A = 1\nB = 2.0, 3\n"""Both."""\nC = "x"\nD = A\nE = 1 << 20\nF = 4\n') == ["E", "F"]
