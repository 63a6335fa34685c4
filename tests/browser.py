"""Opening pages in headless Chromium, where there is one: nothing may be asked of a network, nothing complained of.

Pictures are kept in the folder that the environment variable ORCABATCH_ARTEFACTS names.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), "")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
]

needs_browser = pytest.mark.skipif(not BROWSER, reason="no Chromium on this machine")


@dataclass
class Visit:
    """What a browser did with a page: console messages, and requests that the page made (not the browser itself)."""

    console: list[str]
    requests: list[str]


def visit(page: Path, picture: Path, theme: str = "light", height: int = 6500) -> Visit:
    """Open a page in a browser that can reach no network, and keep a picture of it."""
    log = picture.with_suffix(".net.json")
    done = subprocess.run(
        [
            BROWSER,
            *QUIET,
            f"--window-size=1200,{height}",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={picture.with_suffix('.profile')}",
            f"--log-net-log={log}",
            f"--blink-settings=preferredColorScheme={0 if theme == 'dark' else 1}",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    noted = [event.get("params", {}) for event in json.loads(log.read_text(encoding="utf-8"))["events"]]
    requests = [each["url"] for each in noted if each.get("initiator", "not an origin") != "not an origin"]
    if kept := os.environ.get("ORCABATCH_ARTEFACTS"):
        shutil.copy(picture, kept)
    return Visit([line for line in done.stderr.splitlines() if "CONSOLE" in line], requests)
