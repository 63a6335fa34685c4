"""A virus scanner looks into each new table, which Windows denies to others meanwhile: it costs only a wait."""

from __future__ import annotations

from pathlib import Path

from orcabatch.digitalmodel import caching, combine
from orcabatch.outcome import FileOutcome, Status
from orcabatch.store.atomic import patiently


def test_rows_for_failed_files_wait_for_a_scanner(tmp_path, monkeypatch):
    """It may look into the table that was just closed: on Windows reading it is denied meanwhile."""
    table, opened, waits = tmp_path / "t.csv", Path.open, []
    table.write_text("fe_filename,a\nx.sim,1\n")

    def scanned(path, *args, **kwargs):
        if path == table and not waits:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", scanned)
    monkeypatch.setattr(combine, "patiently", lambda act: patiently(act, waits.append))
    outcomes = [FileOutcome(Path("x.sim"), "b", Status.OK), FileOutcome(Path("y.sim"), "b", Status.FAILED, error="no")]
    combine._row_inserter(outcomes)(table)
    assert len(waits) == 1
    assert [line.partition(",")[0] for line in table.read_text().splitlines()] == ["fe_filename", "x.sim", "y.sim"]


def test_common_outputs_wait_for_a_scanner(tmp_path, monkeypatch):
    """Else the next run folds them again, without a word."""
    table, read, waits = tmp_path / "b_t.csv", Path.read_bytes, []
    table.write_bytes(b"x")

    def scanned(path):
        if path == table and not waits:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", scanned)
    monkeypatch.setattr(caching, "patiently", lambda act: patiently(act, waits.append))
    ((_, content),) = caching.common_outputs({table: None}, tmp_path, "b")
    assert (content, len(waits)) == (b"x", 1)
