"""docs/journal.md, taken at its word: a reader of its own that knows that page alone."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

from ktrdr_bridge import Bridge

Row = tuple[int, int, int, int, float, dict[str, float]]


def read_by_the_page(data: bytes) -> dict[str, Any]:
    magic, version, header_bytes, incarnation, _created, *sizes = struct.unpack_from("<8sII16sqIII4xQQ", data)
    assert (magic, version, header_bytes) == (b"KTRDRJNL", 2, 65_536)
    assert zlib.crc32(data[:72]) == struct.unpack_from("<I", data, 72)[0]
    first_bytes, doublings, generation, complete_from_seq, rows_left_out = sizes
    flags, segments = struct.unpack_from("<QQ", data, 128)
    slots = []
    for offset in (1_024, 2_048):
        crc, length = struct.unpack_from("<II", data, offset)
        rest = data[offset + 8 : offset + 8 + length]
        if length and crc == zlib.crc32(rest):
            numbers = struct.unpack_from("<QQQdqqdq", data, offset + 8)
            texts, position = [], offset + 72
            for _ in range(4):
                (size,) = struct.unpack_from("<H", data, position)
                texts.append(data[position + 2 : position + 2 + size].decode())
                position += 2 + size
            slots.append((*numbers, *texts))
    rows: list[Row] = []
    offset = 65_536
    for number in range(segments):
        rows += rows_of_segment(data, offset, number, incarnation)
        sequence, segment_flags = struct.unpack_from("<QQ", data, offset + 88)
        (thinned,) = struct.unpack_from("<Q", data, offset + 56)
        assert segment_flags & 8 == (8 if number < segments - 1 and not thinned else 0)
        offset += first_bytes * 2 ** min(number, doublings)
    assert (sequence, segment_flags) == (max(slots)[0], flags)
    thinning = generation, complete_from_seq, rows_left_out
    return {"incarnation": incarnation.hex(), "flags": flags, "state": max(slots), "rows": rows, "thinning": thinning}


def rows_of_segment(data: bytes, offset: int, expected_number: int, incarnation: bytes) -> list[Row]:
    magic, crc, number, first_seq, owner, _, _, *more = struct.unpack_from("<4sIQQ8sqQQQII", data, offset)
    assert (magic, number, owner) == (b"KSEG", expected_number, incarnation[:8])
    assert crc == zlib.crc32(data[offset + 8 : offset + 72])
    completed_seq, end_seq, row_count, lost = more
    assert lost == 0
    (published,) = struct.unpack_from("<Q", data, offset + 80)
    if not end_seq:
        assert (completed_seq, row_count) == (first_seq, 0)
        row_count = published - first_seq
    position = offset + 128
    schemas: dict[int, list[str]] = {}
    rows: list[Row] = []
    seq = first_seq - 1
    while len(rows) < row_count:
        crc, context_crc, words, kind, flags, schema, _phase, detail = struct.unpack_from("<IIHBBHHq", data, position)
        body = data[position + 24 : position + 8 * words]
        assert crc == zlib.crc32(body)
        assert context_crc == zlib.crc32(data[position + 8 : position + 24])
        if kind == 0:
            assert end_seq or detail == 0
            schemas[schema] = json.loads(body)
        else:
            names = schemas[schema]
            seconds, low_seq, step = struct.unpack_from("<dI4xq" if flags & 1 else "<dII", body)
            values = struct.unpack_from(f"<{len(names)}d", body, 24 if flags & 1 else 16)
            assert low_seq == seq + 1 or (end_seq and low_seq > seq)
            seq = low_seq
            assert len(body) == (24 if flags & 1 else 16) + 8 * len(names)
            rows.append((low_seq, kind, step, detail, seconds, dict(zip(names, values, strict=True))))
        position += 8 * words
    return rows


def test_the_page_is_enough_to_read_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    expected: list[tuple[int, int, int, dict[str, float]]] = []
    with Bridge.create(path, segment_bytes=65_536) as bridge:
        bridge.set_phase("train", total=60, unit="epochs")
        for number in range(1, 5_000):
            bridge.on_batch(number % 36 + 1, 36, {"loss": number, "accuracy": number / 2})
            expected.append((1, number % 36 + 1, 36, {"loss": number, "accuracy": number / 2}))
            if number % 500 == 0:
                bridge.on_epoch(number, {"val_loss": number})
                expected.append((2, number, 0, {"val_loss": number}))
                bridge.on_rows(-number, rows=2**40, metrics={"loss": -1})
                expected.append((3, -number, 2**40, {"loss": -1}))
        bridge.wait_reason("IB pacing: 41 s")
        bridge.advance(7, step="a step")
        read = read_by_the_page(path.read_bytes())
        assert read["incarnation"] == bridge.incarnation
        assert read["flags"] == 0
    assert [(kind, step, detail, metrics) for _, kind, step, detail, _, metrics in read["rows"]] == expected
    assert [row[0] for row in read["rows"]] == list(range(len(expected)))
    times = [row[4] for row in read["rows"]]
    assert times == sorted(times)
    sequence, ordinal, mark, completed, total, started, _, updated, *texts = read["state"]
    assert (sequence, ordinal, mark, completed, total) == (3, 1, len(expected), 7.0, 60)
    assert 0 < started < updated
    assert texts == ["train", "epochs", "a step", "IB pacing: 41 s"]
    assert read_by_the_page(path.read_bytes())["flags"] == 4


def test_the_page_is_enough_to_read_a_thinned_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    names = [f"metric {number}" for number in range(200)]
    with Bridge.create(path, limit_bytes=2**20) as bridge:
        bridge.set_phase("train", total=60, unit="epochs")
        for number in range(1_500):
            bridge.on_batch(number % 36 + 1, 36, {name: number + column / 256 for column, name in enumerate(names)})
            if number % 36 == 35:
                bridge.on_epoch(number // 36 + 1, {"val_loss": number})
        assert bridge.recording
    read = read_by_the_page(path.read_bytes())
    generation, complete_from_seq, rows_left_out = read["thinning"]
    seqs = [row[0] for row in read["rows"]]
    assert generation > 1
    assert complete_from_seq - sum(1 for seq in seqs if seq < complete_from_seq) == rows_left_out
    assert [seq for seq in seqs if seq >= complete_from_seq] == list(range(complete_from_seq, 1_500 + 1_500 // 36))
    for seq, kind, step, _, _, metrics in read["rows"]:
        epochs, batch = divmod(seq, 37)
        if kind == 2:
            assert (batch, step, metrics) == (36, epochs + 1, {"val_loss": epochs * 36 + 35})
        else:
            number = epochs * 36 + batch
            assert (step, metrics["metric 7"]) == (batch + 1, number + 7 / 256)
