"""Reading the documentation's code blocks.

A fence's language says how a block is treated:

- `python`: runs; all blocks of a page run in order, in one fresh process, in a folder with a batch in it. With
  `title="name.py"` it is a file of the reader's: written there, imported by later blocks.
- `sh`, `console`: every line is an `orcabatch` command and runs; `# exit code 1` at its end says what it ends with.
- `yaml`: is read, and its `performance:` section checked.
- `text`, `powershell`: is shown only.

`<!-- not run: why -->` before a block leaves it out, with its reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = {"python", "sh", "console"}
READ = {"yaml", "yml", "json", "html"}
SHOWN = {"text", "powershell", "mermaid"}

_BLOCK = re.compile(
    r"^(?P<mark><!--\s*not run:\s*(?P<why>[^>]+?)\s*-->\n+)?^```(?P<language>\S*)(?P<info>[^\n]*)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page.

    Attributes:
        page: relative to the project's folder.
        line: of its first fence, from 1.
        language: the fence's; empty where it has none.
        title: the file that it is; empty for none.
        code: its text.
        why_not: why it does not run here; empty where it does.
    """

    page: str
    line: int
    language: str
    title: str
    code: str
    why_not: str = ""

    @property
    def runs(self) -> bool:
        return self.language in RUNS and not self.why_not


def pages() -> list[Path]:
    """README and every page of the documentation."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page=page.relative_to(ROOT).as_posix(),
            line=text.count("\n", 0, found.start("language")) + 1,
            language=found["language"],
            title="".join(re.findall(r'title="([^"]+)"', found["info"])),
            code=found["code"],
            why_not=found["why"] or "",
        )
        for found in _BLOCK.finditer(text)
    ]
