"""Rows carry the low half of their seqs: beyond 2**32 rows nothing changes for anybody."""

from pathlib import Path

import pytest
from ktrdr_bridge import Bridge, JournalReader, Position
from ktrdr_bridge.identity import HEADER_BYTES
from ktrdr_bridge.segment_head import WORDS, WORDS_OFFSET, SegmentHead

from tests.support.journal_model import Seen

NAMES = [f"metric {number}" for number in range(200)]
LIMIT = 1_024 * 1_024


def journal_from(path: Path, first_seq: int) -> str:
    """Make an empty journal whose first row will have a seq, as after billions of rows; return its incarnation."""
    with Bridge.create(path, limit_bytes=LIMIT) as bridge:
        incarnation = bridge.incarnation
    head = SegmentHead(0, first_seq, 0, 0, first_seq)
    with path.open("r+b") as file:
        file.seek(HEADER_BYTES)
        file.write(head.encode(bytes.fromhex(incarnation)))
        file.seek(HEADER_BYTES + WORDS_OFFSET)
        file.write(WORDS.pack(first_seq % 2**32, 0, 0))
    return incarnation


@pytest.mark.parametrize("first_seq", [2**32 - 150, 2**32 - 1, 2**32, 5 * 2**32 + 7])
def test_the_seqs_go_on_over_the_edge_and_through_thinning(tmp_path: Path, first_seq: int) -> None:
    path = tmp_path / "journal"
    incarnation = journal_from(path, first_seq)
    reader, seen, tokens = JournalReader(path), Seen(Position(incarnation, first_seq)), set()
    with Bridge.resume(path, limit_bytes=LIMIT) as bridge:
        assert bridge.incarnation == incarnation
        for number in range(800):
            bridge.on_batch(number, 800, {name: float(number) for name in NAMES})
            tokens.add(reader.change_token())
            found = reader.read(seen.after, max_points=10**6)
            assert (found.damage, found.reset) == ("", False)
            seen.add(found)
        assert len(tokens) == 800
        last = reader.read(seen.after, max_points=10**6)
        seen.add(last)
        assert bridge.recording
    assert last.next.seq == first_seq + 800
    assert last.thinning is not None
    for points in seen.points.values():
        assert [(seq, step, value) for seq, step, value in points] == [
            (first_seq + number, number, float(number)) for number in range(800)
        ]
    kept = Seen(Position(incarnation, first_seq))
    found = reader.read(kept.after, max_points=10**6)
    kept.add(found)
    assert found.damage == ""
    assert kept.seqs < seen.seqs
    assert {first_seq, first_seq + 799} <= kept.seqs
    assert all(value == seq - first_seq for seq, _, value in kept.points["metric 5"])
    reader.close()
    with Bridge.resume(path, limit_bytes=LIMIT) as bridge:
        bridge.on_epoch(1, {"val_loss": 0.5})
    reader = JournalReader(path)
    assert list(reader.read(last.next).series[0].seqs) == [first_seq + 800]
    reader.close()
