"""`orcabatch verify A B` and `orcabatch verify --prove RESULT`: is the output the same?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Protocol

from orcabatch.errors import SourceError
from orcabatch.store.atomic import check_place, write_bytes
from orcabatch.store.paths import place_of, what_cannot_be_read_is_said
from orcabatch.text import utf8

SAME, DIFFERENT, NOT_TOLD = 0, 1, 2


class Compared(Protocol):
    """What a comparison and a proof have in common."""

    @property
    def equal(self) -> bool:
        """Whether it is the same."""

    @property
    def differs(self) -> bool:
        """Whether it is not; neither of both where something could not be read."""

    def to_text(self) -> str:
        """For the terminal; at most a page."""

    def to_dict(self) -> dict[str, Any]:
        """For a program."""


def main(words: list[str]) -> int:
    """Compare or prove; 0 the same, 1 different, 2 what was read is the same but not all could be."""
    parser = argparse.ArgumentParser(
        prog="orcabatch verify",
        usage="orcabatch verify A B [--rtol R] [--atol A] [--json]\n       orcabatch verify --prove RESULT [--files N]",
        epilog="--prove runs some files of a finished batch once more through digitalmodel's own loop, in a process "
        "that knows nothing of orcabatch, and compares. --debug shows tracebacks.",
    )
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="two result folders")
    parser.add_argument("--rtol", type=float, default=0.0, help="relative tolerance for numbers; default 0: the same")
    parser.add_argument("--atol", type=float, default=0.0, help="absolute tolerance for numbers; default 0: the same")
    parser.add_argument("--prove", type=Path, metavar="RESULT", help="a result folder, or a batch's metrics file")
    parser.add_argument("--files", type=int, default=3, help="how many files are proven; default 3")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write what is printed to a file too")
    arguments = parser.parse_args(words)
    if arguments.output:
        check_place(arguments.output)  # a proof takes minutes
    with what_cannot_be_read_is_said():
        finding = _proof(arguments) if arguments.prove else _comparison(arguments)
    text = json.dumps(finding.to_dict(), indent=2) if arguments.json else finding.to_text()
    print(text)
    if arguments.output:
        write_bytes(arguments.output, utf8(f"{text}\n"))
    return SAME if finding.equal else DIFFERENT if finding.differs else NOT_TOLD


def _proof(arguments: argparse.Namespace) -> Compared:
    from orcabatch.digitalmodel.prove import prove

    return prove(arguments.prove, arguments.files)


def _comparison(arguments: argparse.Namespace) -> Compared:
    from orcabatch.batch.readers import row_keys
    from orcabatch.store.compare import compare_folders

    if len(arguments.folders) != 2:
        raise SourceError("give two result folders, `orcabatch verify A B`, or `--prove RESULT`")
    first, second = arguments.folders
    if place_of(first) == place_of(second):
        raise SourceError(f"{first} and {second} are one folder, which always equals itself: name two")
    return compare_folders(first, second, rtol=arguments.rtol, atol=arguments.atol, row_keys=row_keys())
