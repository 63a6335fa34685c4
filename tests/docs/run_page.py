"""Runs the code blocks of one page, given as JSON on standard input, in this process and working folder.

Given to the blocks: the simulated OrcaFlex as OrcFxAPI, the example YAMLs (with `orcaflex: simulated` added), a folder
`sims` of generated files, and, for blocks that speak of "your" files and function, `files` and `my_function`.
"""

from __future__ import annotations

import json
import linecache
import runpy
import shlex
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
YAMLS = ("dm_fsts.yml", "dm_fsts_lngc.yml", "dm_fsts_optimized.yml")


def main() -> None:
    sys.path.insert(0, str(Path.cwd()))
    names = given()
    for block in json.load(sys.stdin):
        where = f"{block['page']}:{block['line']}"
        sys.stdout.write(f"-- {where}\n")
        sys.stdout.flush()
        if block["language"] == "python":
            run_python(block, where, names)
        else:
            run_commands(block["code"], where)


def given() -> dict[str, Any]:
    from orcabatch import simulated

    runpy.run_path(str(ROOT / "examples" / "generate_sims.py"))["generate_sims"](
        Path("sims"), lngc=2, standard=4, scale=0.2
    )
    for name in YAMLS:
        text = (ROOT / "examples" / name).read_text(encoding="utf-8")
        section = "performance:\n"
        assert text.count(section) == 1, name
        Path(name).write_text(text.replace(section, f"{section}  orcaflex: simulated\n"), encoding="utf-8")
    simulated.install()
    return {
        "__name__": "__main__",
        "files": sorted(Path("sims").glob("*.sim")),
        "my_function": lambda model: float(model["Line01"].TimeHistory("Effective tension", None, _end_a()).max()),
    }


def _end_a() -> Any:
    import OrcFxAPI

    return OrcFxAPI.oeEndA


def run_python(block: dict[str, Any], where: str, names: dict[str, Any]) -> None:
    if block["title"]:
        Path(block["title"]).write_text(block["code"], encoding="utf-8")
        return
    linecache.cache[where] = (len(block["code"]), None, block["code"].splitlines(keepends=True), where)
    exec(compile(block["code"], where, "exec"), names)  # noqa: S102 - the page's own code is what is tested


def orcabatch(words: list[str]) -> int:
    """The command, in this process: starting one for each line would take most of the time."""
    from orcabatch import cli

    return cli.main(words)


def run_commands(code: str, where: str) -> None:
    for line in filter(None, (line.strip().removeprefix("$ ") for line in code.splitlines())):
        command, _, remark = line.partition("  # ")
        words = shlex.split(command)
        if words[0] != "orcabatch":
            sys.exit(f"{where}: only orcabatch commands run here, not {line!r}: mark the block with its reason")
        expected = int(remark.removeprefix("exit code ")) if remark.startswith("exit code ") else 0
        ended = orcabatch(words[1:])
        if ended != expected:
            sys.exit(f"{where}: {command!r} ended with {ended}, not {expected}")


if __name__ == "__main__":
    main()
