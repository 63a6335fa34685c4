"""Drives of Windows by their letters: a share whose server is gone is listed, told from a disk, and never asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from orcabatch import network
from orcabatch.network import Drives, is_on_network, is_unc, mounts
from orcabatch.orcaflex.sim_files import unreadable
from orcabatch.store.ledger.location import network_share

REMOVABLE, FIXED, REMOTE, CD, NOTHING = 2, 3, 4, 5, 1


@dataclass
class FakeKernel32:
    """Knows letters and types; whatever else it is asked, as a share would have to be, is not there."""

    types: dict[str, int] = field(default_factory=lambda: {"C": FIXED, "D": CD, "E": NOTHING, "Z": REMOTE})

    def GetLogicalDrives(self) -> int:  # noqa: N802 - Windows' name
        return sum(1 << (ord(letter) - ord("A")) for letter in self.types)

    def GetDriveTypeW(self, root) -> int:  # noqa: N802 - Windows' name
        return self.types[root.value[0]]


@pytest.fixture
def drives(monkeypatch):
    """As on a Windows machine with a mapped drive whose server is gone: psutil would wait for it."""

    def hangs(**_):
        raise AssertionError("psutil asks every drive, and waits for one that is gone")

    monkeypatch.setattr(psutil, "disk_partitions", hangs)
    found = Drives(FakeKernel32())
    monkeypatch.setattr(network, "system_drives", lambda: found)
    return found


def test_drives_are_listed_without_asking_any(drives):
    """Letters and types only; a letter behind which nothing is, is left out; psutil's words for the rest."""
    listed = {partition.mount: partition.options for partition in mounts()}
    assert listed == {"C:\\": "rw,fixed", "D:\\": "cdrom", "Z:\\": "rw,remote"}
    assert network.is_network_share("", listed["Z:\\"])
    assert not network.is_network_share("", listed["C:\\"])


@pytest.mark.parametrize(
    ("path", "unc", "remote"),
    [
        (r"\\server\share\a.sim", True, True),
        ("//server/share/a.sim", True, True),
        (r"\\?\UNC\server\share\a.sim", True, True),
        (r"\\?\unc\server\share\a.sim", True, True),
        (r"\\?\C:\cases\a.sim", False, False),
        (r"\\?\Z:\cases\a.sim", False, True),
        (r"\\.\C:", False, False),
        (r"Z:\cases\a.sim", False, True),
        ("z:/cases/a.sim", False, True),
        (r"C:\cases\a.sim", False, False),
        (r"E:\cases\a.sim", False, False),
        ("cases/a.sim", False, False),
        ("", False, False),
    ],
)
def test_a_path_on_the_network_is_told_by_its_server_or_its_drive(drives, path, unc, remote):
    """The long form names a disk, unless it says UNC; a mapped letter is as far away as its server."""
    assert (is_unc(path), is_on_network(path)) == (unc, remote)


def test_elsewhere_no_letter_means_anything():
    """Without drives only a path that names its server is one."""
    assert [is_on_network(path) for path in ("Z:/a.sim", "//server/a.sim", "/z/a.sim")] == [False, True, False]


def test_a_file_that_is_missing_on_a_mapped_drive_may_come_back(drives):
    """As on a UNC path: the drive may be gone for a moment, so the load is tried again."""
    paths = ("Z:/a.sim", "//server/share/a.sim", "C:/a.sim")
    said = [unreadable(Path(path), FileNotFoundError(2, "No such file or directory", path)) for path in paths]
    assert [error.may_heal for error in said] == [True, True, False]
    assert "network drive" in said[0].remedy


def test_the_ledger_is_not_put_on_a_unc_path(drives):
    """Said before a drive is looked for."""
    assert network_share(Path("//server/share/orcabatch")) == "UNC path"
