"""Journals of the layout before are read to their end, and never written."""

import json
import struct
import zlib
from pathlib import Path

from ktrdr_bridge import Bridge, JournalReader, Position

INCARNATION = bytes(range(16))
NAMES = ["loss", "accuracy"]


def with_crc(data: bytes, crc_at: int, first: int) -> bytes:
    """Put the CRC of everything from `first` on at a place."""
    return data[:crc_at] + struct.pack("<I", zlib.crc32(data[first:])) + data[crc_at + 4 :]


def row(kind: int, detail: int, body: bytes) -> bytes:
    words = (24 + len(body)) // 8
    context = with_crc(struct.pack("<IHBBHHq", 0, words, kind, 0, 0, 1 if kind else 0, detail), 0, 4)
    return struct.pack("<I", zlib.crc32(body)) + context + body


def segment(number: int, first_seq: int, rows: int, size: int) -> bytes:
    head = with_crc(struct.pack("<4sIQQ8sqQ", b"KSEG", 0, number, first_seq, INCARNATION[:8], 0, 1), 4, 8)
    names = json.dumps(NAMES).encode()
    data = head.ljust(64, b"\0") + struct.pack("<Q", rows).ljust(64, b"\0")
    data += row(0, 0, names.ljust(-(-len(names) // 8) * 8))
    for index in range(rows):
        seq = first_seq + index
        data += row(1, 100, struct.pack("<dIIdd", 1e9 + seq, index, seq + 1, seq / 8, -float(seq)))
    return data.ljust(size, b"\0")


def journal_of_version_1(rows: tuple[int, int]) -> bytes:
    """Return a journal of two segments, as version 1 lays it out."""
    identity = struct.pack("<8sII16sqI", b"KTRDRJNL", 1, 65_536, INCARNATION, 1, 65_536)
    header = (identity + struct.pack("<I", zlib.crc32(identity))).ljust(64, b"\0") + struct.pack("<QQ", 0, 2)
    numbers = struct.pack("<QQQdqqdq", 1, 1, 0, 0.0, 4, 5, 0.0, 6)
    texts = b"".join(struct.pack("<H", len(text)) + text for text in (b"train", b"epochs", b"", b""))
    state = struct.pack("<II", zlib.crc32(numbers + texts), len(numbers + texts)) + numbers + texts
    header = (header.ljust(2_048, b"\0") + state).ljust(65_536, b"\0")
    return header + segment(0, 0, rows[0], 65_536) + segment(1, rows[0], rows[1], 131_072)


def test_a_journal_of_version_1_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(journal_of_version_1((700, 100)))
    reader = JournalReader(path)
    tokens = {reader.change_token()}
    seen: list[int] = []
    after: Position | None = None
    while len(seen) < 800:
        found = reader.read(after, max_points=500)
        assert (found.damage, found.thinning, found.incarnation) == ("", None, INCARNATION.hex())
        loss, accuracy = found.series
        assert list(loss.values) == [seq / 8 for seq in loss.seqs]
        assert list(accuracy.values) == [-float(seq) for seq in accuracy.seqs]
        assert list(loss.steps) == [seq + 1 for seq in loss.seqs]
        seen += loss.seqs
        after = found.next
    assert seen == list(range(800))
    assert (found.progress.phase, found.progress.step) == ("train", "epoch 1/4, batch 800/100")
    assert reader.change_token() in tokens
    path.write_bytes(journal_of_version_1((700, 103)))
    assert reader.change_token() not in tokens
    assert list(reader.read(after).series[0].seqs) == [800, 801, 802]
    reader.close()


def test_a_journal_of_version_1_is_moved_aside_by_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    data = journal_of_version_1((700, 100))
    path.write_bytes(data)
    with Bridge.resume(path) as bridge:
        assert bridge.incarnation != INCARNATION.hex()
        bridge.on_epoch(1, {"loss": 1.0})
    assert (tmp_path / "journal.unusable-1").read_bytes() == data
    reader = JournalReader(path)
    assert reader.read().next == Position(bridge.incarnation, 1)
    reader.close()
