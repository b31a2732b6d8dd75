"""A chunk that is in the ledger is never asked for again; a crash costs at most the last line."""

from pathlib import Path

import pytest

from services.ib_host.loading.ledger import ChunkRecord, Ledger


def record(number: int, source: str = "SOURCE_REPLAY") -> ChunkRecord:
    return ChunkRecord(key=f"0/1/{number}", outcome="done", received=10, new=5, source=source)


def test_what_was_added_is_read_back(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.jsonl")
    assert "0/1/1" not in ledger
    ledger.add(record(1))
    ledger.add(record(2))
    again = Ledger.open(tmp_path / "ledger.jsonl")
    assert "0/1/1" in again
    assert again.records(["0/1/2", "0/1/3", "0/1/1"]) == [record(2), record(1)]
    assert again.sources == {"SOURCE_REPLAY"}


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_last_line_counts_as_not_written(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger.open(path)
    ledger.add(record(1))
    ledger.add(record(2))
    path.write_bytes(path.read_bytes()[:-cut])
    torn = Ledger.open(path)
    assert "0/1/1" in torn
    assert "0/1/2" not in torn
    torn.add(record(3))
    assert Ledger.open(path).records(["0/1/1", "0/1/2", "0/1/3"]) == [record(1), record(3)]


def test_a_damaged_line_costs_its_own_chunk_only(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger.open(path)
    for number in range(3):
        ledger.add(record(number))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = b"{rubbish}\n"
    path.write_bytes(b"".join(lines))
    assert Ledger.open(path).records([f"0/1/{number}" for number in range(3)]) == [record(0), record(2)]
