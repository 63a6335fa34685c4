"""Rows that anybody wrote into the ledger, with a right checksum: a run ends well, in its own folder."""

from __future__ import annotations

import os
import sqlite3
import sys
import zlib
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import orcabatch
from batch_functions import largest_tension
from cli_batches import configuration
from fuzzing import STRANGE, changed, drawn, torn
from orcabatch import simulated
from orcabatch.store.ledger import rows
from orcabatch.store.values import NotStorable, decode, encode


class Kept:
    """A batch that was run once, and what the ledger keeps of it."""

    def __init__(self, folder, source, **arguments):
        self.folder, self.source, self.ledger = folder, source, folder / "ledger.db"
        performance = {"executor": "serial", "ledger": {"enabled": True, "path": str(self.ledger)}}
        self.arguments = {"performance": performance, "orcaflex": "simulated", "progress": False, **arguments}
        self.first = self.run()
        with closing(sqlite3.connect(self.ledger)) as connection:
            self.rows = list(connection.execute("SELECT key, kind, file, label, payload FROM entries"))

    def run(self):
        """The same call."""
        return orcabatch.run_batch(self.source, **self.arguments)

    def payload(self, row):
        """A row's content."""
        return zlib.decompress(self.rows[row][4])

    def put(self, row, content):
        """The row with another content, as whoever knows the checksum writes it; the others as they were."""
        with closing(sqlite3.connect(self.ledger)) as connection, connection:
            connection.execute("DELETE FROM entries")
            for place, (key, kind, file, label, packed) in enumerate(self.rows):
                written = zlib.compress(content) if place == row else packed
                checksum = rows._checksum(key, (kind, file, label), written)
                connection.execute(
                    "INSERT INTO entries VALUES (?, ?, ?, ?, 0, ?, ?)", (key, kind, file, label, written, checksum)
                )


@pytest.fixture(scope="module")
def batches(tmp_path_factory):
    """One of a function, one of digitalmodel."""
    folder = tmp_path_factory.mktemp("fuzzed")
    before = Path.cwd(), dict(os.environ)
    os.environ["XDG_STATE_HOME"] = os.environ["LOCALAPPDATA"] = str(folder / "state")
    os.chdir(folder)
    (folder / "sims").mkdir()
    for number in range(2):
        simulated.write_sim(
            folder / "sims" / f"a{number}.sim", simulated.SimSpec(size_bytes=40_000, stop_time_s=10.0, seed=number)
        )
    (folder / "b.yml").write_text(yaml.safe_dump(configuration(performance={}), sort_keys=False))
    sims = sorted((folder / "sims").iterdir())
    yield {
        "function": Kept(folder / "function", sims, postprocess=largest_tension, version="1"),
        "digitalmodel": Kept(folder / "digitalmodel", "b.yml"),
    }
    os.chdir(before[0])
    os.environ.clear()
    os.environ.update(before[1])
    if simulated.is_simulated(sys.modules.get("OrcFxAPI")):
        simulated.uninstall()


def storable(content):
    """Its bytes; nothing where it has none."""
    try:
        return encode(content)
    except NotStorable:
        return b""


@pytest.mark.parametrize("kind", ["function", "digitalmodel"])
@drawn(12, 1500)
@given(data=st.data())
def test_a_row_of_any_content(batches, kind, data):
    """Values, outputs, warnings of any kind, bytes that are none."""
    batch = batches[kind]
    row = data.draw(st.integers(0, len(batch.rows) - 1))
    content = decode(batch.payload(row))
    shapes = changed(content, STRANGE | st.binary(max_size=9)).map(storable) if isinstance(content, dict) else st.none()
    batch.put(row, data.draw(torn(batch.payload(row)) | shapes | STRANGE.map(storable)) or b"")
    before = set(batch.folder.parent.rglob("*"))
    result = batch.run()
    assert result.ok
    assert {path.name for path in set(batch.folder.parent.rglob("*")) - before if "ledger" not in path.name} == set()
