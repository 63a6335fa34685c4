"""Text that waits in memory until it is written: how much may, and that it is the same text."""

from __future__ import annotations

from pathlib import Path

import pytest

from orcabatch.store import write_behind
from orcabatch.store.atomic import WAITS_S
from orcabatch.store.write_behind import Room, TextBehind

PIECES = [b"first\n", b"second\n", b"third\n"]


@pytest.mark.parametrize("most", range(25))
def test_the_same_text_is_written_whatever_may_wait(tmp_path: Path, most: int) -> None:
    """All, some or none of it waits: the file is the same, and no room is kept."""
    room = Room()
    text = TextBehind(tmp_path / "a", most, room)
    text.add(PIECES)
    assert room.held_bytes == text.kept_bytes <= most
    assert (text.kept_bytes > 0) == (most >= 19)
    text.write()
    assert (tmp_path / "a").read_bytes() == b"first\nsecond\nthird\n"
    assert room.held_bytes == 0


def test_nothing_is_on_the_disk_while_it_waits(tmp_path: Path) -> None:
    """A table that is dropped leaves neither a file nor room taken."""
    room = Room()
    text = TextBehind(tmp_path / "a", 100, room)
    text.add(PIECES)
    assert not (tmp_path / "a").exists()
    text.drop()
    text.write()
    assert not (tmp_path / "a").exists()
    assert room.held_bytes == 0


def test_room_is_shared_by_all_tables_of_a_process(tmp_path: Path) -> None:
    """The second table finds what the first one left, and goes to the disk at once."""
    room = Room()
    one, other = (TextBehind(tmp_path / name, 30, room) for name in "ab")
    one.add(PIECES)
    other.add(PIECES)
    assert (one.kept_bytes, other.kept_bytes, room.held_bytes) == (19, 0, 19)
    assert (tmp_path / "b").read_bytes() == b"".join(PIECES)


@pytest.mark.parametrize("most", [0, 19, 100])
@pytest.mark.parametrize("longer", [True, False])
def test_a_compressed_form_takes_the_place_of_the_text(tmp_path: Path, most: int, longer: bool) -> None:
    """Where it waits or lies; also where it is longer and finds no room."""
    room = Room()
    text = TextBehind(tmp_path / "a", most, room)
    text.add(PIECES)
    text.compress(lambda content: content * 3 if longer else content[:4])
    assert room.held_bytes == text.kept_bytes <= most
    text.write()
    assert (tmp_path / "a").read_bytes() == (b"".join(PIECES) * 3 if longer else b"firs")
    assert room.held_bytes == 0


def test_a_disk_that_refuses_keeps_no_room(tmp_path: Path) -> None:
    """The error is the system's, and what waited is forgotten."""
    room = Room()
    text = TextBehind(tmp_path / "no folder" / "a", 100, room)
    text.add(PIECES)
    with pytest.raises(FileNotFoundError):
        text.write()
    assert room.held_bytes == 0


@pytest.mark.parametrize("denied", ["rb", "wb"])
def test_a_table_that_a_scanner_looks_at_is_compressed_once_it_is_let_go(tmp_path, monkeypatch, denied) -> None:
    """On Windows neither reading nor replacing is allowed meanwhile: both wait as renaming does."""
    text, waits, opened = TextBehind(tmp_path / "a", 0, Room()), list[float](), Path.open
    text.add(PIECES)

    def scanned(self, mode="r", *args, **kwargs):
        if mode == denied and not waits:
            raise PermissionError(13, "The process cannot access the file", str(self))
        return opened(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", scanned)
    monkeypatch.setattr(write_behind.patiently, "__defaults__", (waits.append,))
    text.compress(lambda content: content[:4])
    monkeypatch.undo()
    assert waits == [WAITS_S[0]]
    assert (tmp_path / "a").read_bytes() == b"firs"
