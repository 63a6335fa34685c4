"""`ResourceManager`, hosts written by hand, sizes and fingerprints."""

import math
import os
import stat
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcabatch.host import Disk, HostResources, ResourceManager, fingerprint, full_hash, measure, sim_sizes
from orcabatch.host.files import hash_of, hash_of_text

GB, MB = 10**9, 10**6
BIG = HostResources(64, 256 * GB)


def test_a_host_needs_only_cpus_and_memory() -> None:
    """The other attributes follow: half as many cores, one node, everything available."""
    assert (BIG.physical_cpus, BIG.numa_nodes, BIG.available_ram_bytes) == (32, 1, 256 * GB)
    assert BIG.numa_cpus == (tuple(range(64)),)
    two = HostResources(8, GB, numa_nodes=2)
    assert two.numa_cpus == ((0, 1, 2, 3), (4, 5, 6, 7))
    assert HostResources(1, GB).physical_cpus == 1
    assert HostResources(2, GB, available_ram_bytes=0).available_ram_bytes == 0
    assert HostResources(4, GB, numa_cpus=((0, 1), (2, 3))).numa_nodes == 2


@pytest.mark.parametrize(("cpus", "ram"), [(0, GB), (-1, GB), (4, 0)])
def test_a_host_without_cpu_or_memory_is_refused(cpus: int, ram: int) -> None:
    """A slip in a hand-written host is said at once."""
    with pytest.raises(ValueError, match="at least 1 CPU"):
        HostResources(cpus, ram)


@pytest.mark.parametrize(
    ("sizes", "ram", "threads"),
    [
        ([100 * MB], 256 * GB, 48),
        ([1 * GB, 3 * GB], 30 * GB, 10),
        ([4 * GB], 20 * GB, 3),
        ([4 * GB], 1, 1),
        ([], 256 * GB, 48),
        ([0, 0], 256 * GB, 48),
        ([0, 2 * GB], 15 * GB, 10),
        ([1 * GB], 0, 1),
        ([1 * GB], -5, 1),
    ],
)
def test_optimal_threads_are_the_specified_number(sizes: list[int], ram: int, threads: int) -> None:
    """R2: floor(min(RAM / (mean x 1.5), 75% of 64 CPUs)), at least 1."""
    assert ResourceManager(BIG).calculate_optimal_threads(sizes, ram) == threads


def test_any_sequence_of_numbers_serves_as_sizes() -> None:
    """Arrays, generators and tuples, as the specification's np.mean would take."""
    manager = ResourceManager(BIG)
    sizes = [1 * GB, 3 * GB]
    for given_as in (np.array(sizes), (size for size in sizes), tuple(sizes)):
        assert manager.calculate_optimal_threads(given_as, 30 * GB) == 10


numbers = st.one_of(st.floats(), st.integers(), st.sampled_from([10**400, -(10**400), math.nan, math.inf, 5e-324]))


@given(st.lists(numbers, max_size=5), numbers, st.integers(1, 5000))
def test_optimal_threads_are_never_an_exception_nor_infinity(sizes: list[float], ram: float, cpus: int) -> None:
    """R2: whatever is asked, the answer is a whole number from 1 to 75% of the CPUs."""
    threads = ResourceManager(HostResources(cpus, GB)).calculate_optimal_threads(sizes, ram)
    assert isinstance(threads, int)
    assert 1 <= threads <= max(1, cpus * 0.75)


@given(st.lists(st.integers(1, 10**11), min_size=1, max_size=20), st.integers(0, 10**13), st.integers(1, 512))
def test_optimal_threads_equal_the_specifications_formula(sizes: list[int], ram: int, cpus: int) -> None:
    """R2: same inputs, the specified number."""
    specified = min(ram / (float(np.mean(sizes)) * 1.5), cpus * 0.75)
    threads = ResourceManager(HostResources(cpus, GB)).calculate_optimal_threads(sizes, ram)
    assert threads == max(1, math.floor(specified)) or abs(specified - round(specified)) < 1e-9 * specified


def test_a_given_host_is_planned_for_and_none_measures_this_one() -> None:
    """`host=` replaces measuring; without it the figures are this machine's."""
    assert ResourceManager(BIG).measure() is BIG
    assert ResourceManager(BIG).memory().used_percent == 0
    assert ResourceManager().measure().logical_cpus >= 1
    assert ResourceManager().memory().total_bytes > 0


def test_sizes_come_in_input_order_and_a_missing_file_has_none(tmp_path: Path) -> None:
    """R1: sizes of .sim files; one that cannot be asked does not stop the others."""
    (tmp_path / "a.sim").write_bytes(b"12345")
    (tmp_path / "b.sim").write_bytes(b"")
    files = [tmp_path / "b.sim", str(tmp_path / "a.sim"), tmp_path / "missing.sim", "nul\0byte.sim"]
    assert sim_sizes(files) == ResourceManager().sim_sizes(files) == (0, 5, None, None)


def _same(path: Path, data: bytes, mtime_ns: int) -> str:
    path.write_bytes(data)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return fingerprint(path).head_tail_hash


def test_a_fingerprint_sees_a_change_at_head_tail_or_in_size(tmp_path: Path) -> None:
    """Head and tail tell, even where time and size are the same; the middle needs the full hash."""
    file, data = tmp_path / "a b é.sim", bytearray(os.urandom(400_000))
    first = _same(file, bytes(data), 10**18)
    seen = fingerprint(file)
    assert (seen.path, seen.size, seen.mtime_ns) == (file.absolute(), 400_000, 10**18)
    whole = full_hash(file)
    hashes = {first}
    for position in (0, 399_999):
        changed = bytearray(data)
        changed[position] ^= 1
        hashes.add(_same(file, bytes(changed), 10**18))
    hashes.add(_same(file, bytes(data[:-1]), 10**18))
    assert len(hashes) == 4
    data[200_000] ^= 1
    assert _same(file, bytes(data), 10**18) == first
    assert full_hash(file) != whole


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000])
def test_every_byte_of_a_small_file_counts_and_reading_changes_nothing(tmp_path: Path, size: int) -> None:
    """Up to 128 KiB head and tail are the whole file; a read-only file stays as it is."""
    file, data = tmp_path / "a.sim", bytearray(size)
    before = _same(file, bytes(data), 10**18)
    file.chmod(stat.S_IREAD)
    status = file.stat()
    assert fingerprint(file).head_tail_hash == before
    assert (file.stat().st_mtime_ns, file.stat().st_mode) == (status.st_mtime_ns, status.st_mode)
    file.chmod(stat.S_IREAD | stat.S_IWRITE)
    for position in {0, size // 3, size - 1} if 0 < size <= 131_072 else ():
        data[position] ^= 1
        assert _same(file, bytes(data), 10**18) != before
        data[position] ^= 1


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 100_000, 131_071, 131_072, 131_073, 400_000])
@pytest.mark.parametrize("piece", [1_000, 65_536, 90_000, 500_000])
def test_text_has_the_hash_of_the_file_that_it_becomes(tmp_path: Path, size: int, piece: int) -> None:
    """However it is cut into pieces; of the whole file too."""
    content = np.random.default_rng(size).bytes(size)
    file = tmp_path / "a"
    file.write_bytes(content)
    pieces = [content[at : at + piece] for at in range(0, size, piece)]
    assert hash_of_text(pieces) == fingerprint(file).head_tail_hash
    assert hash_of(content) == full_hash(file)


def test_a_missing_file_has_no_fingerprint(tmp_path: Path) -> None:
    """The error is the system's, and names the file."""
    with pytest.raises(FileNotFoundError, match=r"gone\.sim"):
        fingerprint(tmp_path / "gone.sim")


def test_a_folder_lies_on_the_disk_with_the_longest_mount_point() -> None:
    """/ and /data are both above /data/sims; a relative folder lies nowhere."""
    disks = (Disk(Path("/"), "a", "ssd"), Disk(Path("/data"), "b", "network"))
    host = HostResources(2, 4 * 10**9, disks=disks)
    assert host.disk_of(Path("/data/sims")) == disks[1]
    assert host.disk_of(Path("/database")) == disks[0]
    assert host.disk_of(Path("D:/temp")) is None
    assert HostResources(2, 4 * 10**9).disk_of(Path("/data")) is None


def test_the_systems_folder_for_temporary_files_is_measured() -> None:
    """The one that Python uses."""
    assert measure().temporary == Path(tempfile.gettempdir())
