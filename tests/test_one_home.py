"""Rules that several rooms follow have one home: what they say, and that nobody states them a second time."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest
from pydantic import BaseModel

from orcabatch.engine.executors import EXECUTORS
from orcabatch.monitor.schema import StatusName
from orcabatch.network import is_network_share
from orcabatch.outcome import Status
from orcabatch.settings import TIERS, Settings
from orcabatch.text import and_more, shortened_list
from orcabatch.versions import installed_version, installed_versions

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

SOURCES = Path(__file__).parents[1] / "src" / "orcabatch"

DECISIVE_ROOMS = ("plan", "engine", "host", "settings", "monitor")

HOMES = {
    r"and \{[^{}]*\} more\b": {"text.py", "digitalmodel/check/finding.py", "digitalmodel/output_capture.py"},
    r"metadata\.version\(": {"versions.py", "digitalmodel/reference_run.py"},
    r"""[(\[]["']small["'], ["']medium["'], ["']large["']""": set(),
    r"heapreplace\(": set(),
    r"\.tiers\.get\(": {"engine/limits.py"},
    r"type\((error|value|kind)\)\.__(name|qualname|module)__": {
        "doctor/child.py",
        "doctor/threads.py",
        "simulated/exports/base.py",
    },
    r"format_exception\(": {"text.py"},
    r"""["']nfs\b""": {"network.py"},
    r"\bWinDLL\(|\bwindll\b": {"win32.py", "simulated/dll.py"},
    r"\{32, 33\b": {"win32.py"},
    r"\bmkdtemp\(": {"simulated/world.py", "bench/measure.py"},
    r"\bpython\(\)": {"console.py"},
    r"\b(attempt|Caught)\(": {"engine/worker.py"},
    r"Callable\[\[tuple\[int, \.\.\.\]\], ": {"engine/scheduler_messages.py"},
    r"OVERHEAD = |\b1\.5 \*? ?size": {"engine/limits.py"},
    r"\.wall_s - ": set(),
    r"MOST_PROCESSES = ": {"plan/workers.py"},
    r"cpu_times\(": {"host/usage.py", "bench/side/contender.py", "engine/executors/starting.py"},
    r"\bThread\(|\(threading\.Thread\)|\bTimer\(|start_new_thread|import .*ThreadPoolExecutor": {
        "own_thread.py",
        "engine/executors/threads.py",
        "bench/real_cost.py",
        "bench/side/contender.py",
    },
    r"RunState\(\)": {"monitor/performance.py", "monitor/displays.py"},
    r"""["']<file>["']""": {"outcome.py"},
    r"""(executor|workers\.name) (==|!=|in|not in) [{"']""": {"settings/models.py", "plan/history.py"},
}
"""A rule as it would be written anew, and where it may stand: `finding` and `output_capture` know only how many more
there are, the reference run stays free of orcabatch, as the measured side of `bench` does, `starting` asks whether a
process moves at all, a display without a monitor shows a run that does not begin, errors are values in the worker's
entry only, threads of ours are `OwnThread`s, those of the pool of workers too, but not those of what `bench` compares
with, and what is true of an executor is asked of its facts, but for which ones a mode or `auto` takes."""


ANY_PACKAGE = ("batch", "plan", "monitor", "results", "engine", "orcaflex", "store")
"""Rooms that the batches of every package go through."""


def words_in(path: Path) -> Iterator[str]:
    """The texts of a module, docstrings aside."""
    tree = ast.parse(path.read_text("utf-8"))
    explained = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in explained:
            yield node.value


def test_what_is_said_of_any_packages_batch_names_no_package() -> None:
    """The plan, the report and the notebook of another package's batch do not speak of digitalmodel."""
    paths = [path for room in ANY_PACKAGE for path in (SOURCES / room).rglob("*.py")]
    named = {text for path in paths for text in words_in(path) if "digitalmodel" in text}
    assert named == {"orcabatch.digitalmodel.reader"}


@pytest.mark.parametrize("rule", HOMES)
def test_a_rule_is_stated_in_its_home_only(rule: str) -> None:
    """Who needs it asks its owner: two owners come to disagree."""
    found = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if re.search(rule, path.read_text("utf-8"))
    }
    assert found == HOMES[rule]


def test_whoever_catches_everything_says_why() -> None:
    """A broad `except` stands at borders to foreign code, and each with its reason."""
    silent = [
        f"{path.relative_to(SOURCES)}: {line.strip()}"
        for path in SOURCES.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"# noqa:.*\bBLE001\b", line) and not re.search(r"BLE001[^-]* - \S+ \S+", line)
    ]
    assert not silent


def test_a_sentence_is_written_once() -> None:
    """What several modules of the decisive rooms say has a name."""
    places: dict[str, set[str]] = {}
    for path in (path for room in DECISIVE_ROOMS for path in (SOURCES / room).rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in set(ast.walk(tree)) - docstrings:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value.split()) >= 5:
                places.setdefault(node.value, set()).add(path.relative_to(SOURCES).as_posix())
    assert {text: where for text, where in places.items() if len(where) > 1} == {}


def test_a_list_of_names_is_shortened_and_says_by_how_many() -> None:
    """Three unless asked otherwise; large numbers as all displays write them."""
    assert [shortened_list("abcd"[:count]) for count in range(5)] == ["", "a", "a, b", "a, b, c", "a, b, c and 1 more"]
    assert shortened_list(["a"] * 1502, "; ", most=2) == "a; a and 1,500 more"
    assert [and_more(5, 3, "files"), and_more(3, 3, "files"), and_more(2, 3)] == ["and 2 more files", "", ""]


@pytest.mark.parametrize(
    "fstype",
    [
        "nfs",
        "nfs4",
        "NFS",
        "cifs",
        "smb3",
        "smbfs",
        "fuse.sshfs",
        "ceph",
        "fuse.glusterfs",
        "davfs2",
        "9p",
        "beegfs",
        "ncpfs",
    ],
)
def test_a_network_share_is_told_by_its_type(fstype: str) -> None:
    """The plan's disks and the ledger's place ask the same list; they had two that differed."""
    assert is_network_share(fstype, "rw")


@pytest.mark.parametrize("fstype", ["ext4", "xfs", "NTFS", "tmpfs", "nfsd", "fuse.mergerfs", ""])
def test_a_disk_of_this_machine_is_none(fstype: str) -> None:
    """Unless the system says that it is remote."""
    assert not is_network_share(fstype, "rw,noatime")
    assert is_network_share(fstype, "rw,remote")


def test_a_version_is_empty_where_a_package_is_missing() -> None:
    """Of several, those that are installed are named."""
    assert installed_version("no-such-package") == ""
    assert list(installed_versions(("psutil", "no-such-package", "numpy"))) == ["psutil", "numpy"]


def test_the_tiers_are_those_of_the_specification_in_its_order() -> None:
    """Whoever adds one to the settings adds it to all."""
    assert TIERS == ("small", "medium", "large")


def words_of(annotation: object) -> list[str]:
    """The words that a type of fixed words takes, without None and what is no word."""
    return [word for part in (annotation, *get_args(annotation)) for word in get_args(part) if isinstance(word, str)]


def choices(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """All keys of the settings that take one of some words."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from choices(field.annotation)
        elif words_of(field.annotation):
            yield name, field


def test_types_of_fixed_words_name_what_their_owners_have() -> None:
    """A type checker wants the words written out: where they are written twice, they are the same."""
    assert get_args(StatusName) == tuple(Status)
    assert set(words_of(Settings.model_fields["executor"].annotation)) == set(EXECUTORS)
    found = dict(choices(Settings))
    assert {"mode", "executor", "scope", "check"} <= found.keys()
    for name, field in found.items():
        said = str(dict(field.json_schema_extra)["allowed"]).removeprefix("one of ").split(", ")
        assert sorted(said) == sorted(dict.fromkeys(words_of(field.annotation))), name
