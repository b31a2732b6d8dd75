"""What a load counts goes on where an earlier life of it stopped; a crash costs at most the last line."""

from pathlib import Path

import pytest

from services.ib_host.loading.session_ledger import NAME, ChunkRecord, SessionLedger


def record(number: int, instrument: int = 0, source: str = "SOURCE_REPLAY", new: int = 5) -> ChunkRecord:
    return ChunkRecord(
        instrument=instrument, chunk=f"chunk {number}", outcome="done", received=10, new=new, source=source
    )


def test_what_was_added_is_read_back(tmp_path: Path) -> None:
    ledger = SessionLedger.open(tmp_path)
    for added in (record(1), record(2), record(1, instrument=1)):
        ledger.add(added)
    again = SessionLedger.open(tmp_path)
    assert again.records(0) == [record(1), record(2)]
    assert again.records(1) == [record(1, instrument=1)]
    assert again.sources == {"SOURCE_REPLAY"}


def test_a_chunk_that_was_stored_twice_counts_once_with_all_that_was_new(tmp_path: Path) -> None:
    ledger = SessionLedger.open(tmp_path)
    ledger.add(record(1, new=5))
    ledger.add(record(1, new=0))
    assert SessionLedger.open(tmp_path).records(0) == [record(1, new=5)]


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_last_line_counts_as_not_written(tmp_path: Path, cut: int) -> None:
    ledger, path = SessionLedger.open(tmp_path), tmp_path / NAME
    ledger.add(record(1))
    ledger.add(record(2))
    path.write_bytes(path.read_bytes()[:-cut])
    torn = SessionLedger.open(tmp_path)
    assert torn.records(0) == [record(1)]
    torn.add(record(3))
    assert SessionLedger.open(tmp_path).records(0) == [record(1), record(3)]


def test_a_damaged_line_costs_its_own_chunk_only(tmp_path: Path) -> None:
    ledger, path = SessionLedger.open(tmp_path), tmp_path / NAME
    for number in range(3):
        ledger.add(record(number))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = b"{rubbish}\n"
    path.write_bytes(b"".join(lines))
    assert SessionLedger.open(tmp_path).records(0) == [record(0), record(2)]
