"""digitalmodel's sources, looked at without importing any of it.

What has to be known before anything of it is imported, and what the ledger has to know before it can say that nothing
need be done: where the post-process lives, which sources decide its results, and which habits of newer clones it has.
Those sources are the post-process and every module of digitalmodel that it imports, directly or through another one: a
list of names would miss the module that the next clone adds. Does not cover modules that are imported by a name made at
run time, what a package's `__init__` does, nor packages beside digitalmodel (their versions stand in the ledger's key).
`orcabatch.digitalmodel.installed` says what the digitalmodel offers that was imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from orcabatch.digitalmodel.check.vocabulary import words_of

PACKAGES = ("digitalmodel.solvers.orcaflex", "digitalmodel.orcaflex", "digitalmodel.modules.orcaflex")
"""Where the post-process may live, the newest place first; in the newest the second leads to the first."""
POST_PROCESS = "opp"
TESTED = frozenset({"8c22764c722e8081927d6508de1d40945df2daf512b050e569c1f07d93d62d0d"})
"""Digests (see `SourceCode.digest`) of the sources that the proof was run with."""

_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]*(\([^)]*\)|(?:[^\n\\]|\\\r?\n)*)|import[ \t]+([^\n]*))",
    re.MULTILINE,
)
"""An import statement, as it may stand anywhere in a source. No parser: that would warn of digitalmodel's own escapes,
and a text that looks like an import costs nothing but one source more."""
_COMMENT = re.compile(r"#.*")


@dataclass(frozen=True, slots=True)
class SourceCode:
    """The installed digitalmodel, from outside.

    Attributes:
        package: the package its post-process lives in.
        digest: one hash over the sources that decide its results.
        has_pool: whether its own post-process runs a pool of processes unless told otherwise.
        discovers: whether merging masters may look into `.sim` files.
        has_gate: whether it wants to import OrcFxAPI itself, before anybody else.
        folder: where its post-process lies.
    """

    package: str
    digest: str
    has_pool: bool
    discovers: bool
    has_gate: bool
    folder: Path

    @property
    def tested(self) -> bool:
        """Whether exactly these sources passed the proof."""
        return self.digest in TESTED

    def words(self) -> frozenset[str]:
        """Every text in its sources: among them the keys that it reads, whatever they are."""
        return words_of(self.folder.glob("*.py"))


def find_source_code() -> SourceCode | None:
    """The installed digitalmodel; None where there is none, or it cannot be told without importing it."""
    found = post_process_place()
    if found is None:
        return None
    package, folder = found
    place = place_of(package, folder)
    try:
        text = (place / f"{POST_PROCESS}.py").read_text(encoding="utf-8")
        digest = digest_of(source_hashes(package, folder))
    except (OSError, UnicodeDecodeError):
        return None
    return SourceCode(
        package=package,
        digest=digest,
        has_pool="\ndef process_single_file(" in text,
        discovers="_discover_line_names" in text,
        has_gate=(place / "orcaflex_api.py").exists(),
        folder=place,
    )


def post_process_place() -> tuple[str, Path] | None:
    """The package in which the installed digitalmodel has its post-process, and digitalmodel's own folder.

    Imports nothing of digitalmodel: a newer one's package imports its post-process, and that wants OrcFxAPI.
    """
    found = importlib.util.find_spec("digitalmodel")
    folders = [Path(folder) for folder in (found.submodule_search_locations or ())] if found is not None else []
    for package in PACKAGES:
        for folder in folders:
            if (place_of(package, folder) / f"{POST_PROCESS}.py").is_file():
                return package, folder
    return None


def place_of(name: str, folder: Path) -> Path:
    """Where the package or module `name` lies below digitalmodel's own `folder`, without a suffix."""
    return folder.joinpath(*name.split(".")[1:])


def source_hashes(package: str, folder: Path) -> dict[str, str]:
    """SHA-256 of each source that decides what one file's results are, by module, line ends not counted.

    Raises:
        OSError: one cannot be read.
    """
    return {
        name: hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
        for name, path in source_files(package, folder).items()
    }


def source_files(package: str, folder: Path) -> dict[str, Path]:
    """The post-process and all of digitalmodel that it imports, by module.

    Raises:
        OSError: one cannot be read.
    """
    found: dict[str, Path] = {}
    waiting = [f"{package}.{POST_PROCESS}"]
    while waiting:
        name = waiting.pop()
        path = place_of(name, folder).with_suffix(".py")
        if name not in found and path.is_file():
            found[name] = path
            waiting += _imported(name, path.read_bytes())
    return found


def digest_of(hashes: Mapping[str, str]) -> str:
    """One hash over the hashes of sources, by module."""
    return hashlib.sha256("".join(f"{k}={v};" for k, v in sorted(hashes.items())).encode()).hexdigest()


@lru_cache(maxsize=256)
def _imported(module: str, source: bytes) -> tuple[str, ...]:
    """What of digitalmodel a source may import, wherever in it; names that are no modules among them."""
    names: set[str] = set()
    for dots, origin, listed, plain in _IMPORT.findall(source.decode("utf-8", "replace")):
        parents = module.split(".")[: -len(dots)] if dots else []
        start = ".".join([*parents, *filter(None, [origin])])
        names |= {start, *(f"{start}.{name}" for name in _first_words(listed)), *_first_words(plain)}
    return tuple(sorted(name for name in names if name.startswith("digitalmodel.")))


def _first_words(listed: str) -> Iterator[str]:
    """The names of an import's list, without what they are called there."""
    for part in _COMMENT.sub("", listed).strip("()").split(","):
        yield from part.replace("\\", " ").split()[:1]
