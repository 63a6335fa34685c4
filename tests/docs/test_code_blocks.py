"""Every code block of README and documentation runs, or says why it cannot."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from docs_pages import READ, ROOT, RUNS, SHOWN, blocks, pages
from orcabatch.settings import parse_settings

RUN_PAGE = Path(__file__).with_name("run_page.py")
PAGES = [page for page in pages() if page.exists()]
FILES_FAIL = ("docs/how-to/check-a-yaml.md", "docs/plain-loop.md")
"""Pages that show how files fail; on all others a block whose files failed would pass for one that works."""
WITH_CODE = [page for page in PAGES if any(block.runs for block in blocks(page))]


def name_of(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_the_blocks_of_a_page_run_in_order(page, tmp_path):
    """In a fresh process, in an empty folder but for a generated batch, as a reader would type them."""
    pytest.importorskip("digitalmodel", reason="the pages run digitalmodel: pip install .[digitalmodel]")
    given = json.dumps([asdict(block) for block in blocks(page) if block.runs])
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "LOCALAPPDATA": str(tmp_path / "state")}
    folder = tmp_path / "reader"
    folder.mkdir()
    ended = subprocess.run(
        [sys.executable, str(RUN_PAGE)],
        input=given, cwd=folder, env={**os.environ, **state}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, f"{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
    assert ("failed: " in ended.stderr) == (name_of(page) in FILES_FAIL), ended.stderr[-3000:]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_what_it_is(page):
    """A language that is run, read or shown; nothing escapes because its fence has none or another one."""
    for block in blocks(page):
        assert block.language in RUNS | READ | SHOWN, f"{block.page}:{block.line}: {block.language!r}"


def test_blocks_that_do_not_run_are_these():
    """Listed here by page and reason, so that leaving one out is a decision that somebody sees."""
    left_out = {(block.page, block.why_not) for page in PAGES for block in blocks(page) if block.why_not}
    assert left_out == {
        ("README.md", "run by .ci/run, word for word"),
        ("CONTRIBUTING.md", "sets up an environment"),
        ("CONTRIBUTING.md", "runs the tests themselves"),
        ("docs/installation.md", "sets up an environment"),
    }


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_yaml_on_the_pages_is_valid(page):
    """A reader pastes it: keys and values of `performance:` are right."""
    for block in blocks(page):
        if block.language in {"yaml", "yml"}:
            content = yaml.safe_load(block.code)
            assert isinstance(content, dict), f"{block.page}:{block.line}"
            parse_settings(content.get("performance"), origin=f"{block.page}:{block.line}")


def test_links_between_pages_lead_somewhere():
    """README and CONTRIBUTING are not part of the site, whose own check covers the rest."""
    links = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
    named = {target for page in PAGES if page.parent == ROOT for target in links.findall(page.read_text("utf-8"))}
    assert {target for target in named if not (ROOT / target).exists()} == set()
