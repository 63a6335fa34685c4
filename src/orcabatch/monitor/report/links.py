"""Where a report's links lead: to output files, relative to the page where that can be, so that both may be moved.

Only files are linked, never an address: every part of a path is quoted, so that no name can be taken for one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from orcabatch.monitor.report.html import Html, named, tag
from orcabatch.outcome import name_in


@dataclass(frozen=True, slots=True)
class Links:
    """From a page in a folder to output files.

    Attributes:
        page: the folder of the page; None: not known, links are whole.
        folder: the result folder that the names of outputs are relative to; None: they are whole paths.
        base: where that is, from the page; empty where this system does not know such a path.
    """

    page: Path | None
    folder: Path | None
    base: str

    @classmethod
    def of(cls, metrics: Mapping[str, Any], page: Path | None) -> Links:
        """Those of a batch."""
        folder = Path(metrics["result_folder"]) if metrics.get("result_folder") else None
        return cls(page, folder, _from(page, folder) if folder else "")

    def to(self, output: str, shown: str = "") -> Html:
        """A link to an output; its name alone where this system does not know such a path."""
        href = self._href(output)
        words = shown or named(name_in(output))
        return tag("a", words, href=href) if href else tag("span", words)

    def to_folder(self) -> Html:
        """A link to the result folder."""
        shown = named(str(self.folder))
        return tag("a", shown, href=self.base) if self.base else tag("span", shown)

    def _href(self, output: str) -> str:
        if os.path.isabs(output):  # noqa: PTH117 - asked 8,000 times for a page
            return _from(self.page, Path(output))
        return f"{self.base}/{_quoted(output)}" if self.base else ""


def _from(page: Path | None, path: Path) -> str:
    if not path.is_absolute():
        return ""
    if page is None:
        return path.as_uri()
    try:
        return _quoted(Path(os.path.relpath(path, page)).as_posix())
    except ValueError:  # on another drive
        return path.as_uri()


def _quoted(path: str) -> str:
    return quote(path.encode("utf-8", "surrogateescape"))
