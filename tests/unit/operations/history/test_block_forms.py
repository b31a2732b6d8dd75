"""Points survive every form that the store has for them, to the bit."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.host.v1.session_pb2 import Session

from services.operations.blocks import build_series, pack, rows_between, seqs_of, unpack
from services.operations.history import block_layout
from services.operations.history.blocks import tables_of_blocks
from services.operations.history.marks import MarkedBlock, marks_of
from services.operations.history.row_pattern import RowPattern
from services.operations.history.series_wire import to_series
from services.operations.history.tables import joined
from services.operations.history.wire import varint, varints, zigzag
from tests.support.metric_blocks import ROWS, Row, block_of_rows, points_of_rows, points_of_series, series_of_rows

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.one_of(INT64, st.integers(-70, 70))))
def test_columns_of_integers_are_what_protobuf_writes(numbers: list[int]) -> None:
    column = np.array(numbers, np.int64)
    packed = varints(zigzag(column))
    assert list(MetricSeries.FromString(varint(4 << 3 | 2) + varint(len(packed)) + packed).steps) == numbers
    seqs = [number & 2**63 - 1 for number in numbers]
    packed = varints(np.array(seqs, np.uint64))
    assert list(MetricSeries.FromString(varint(3 << 3 | 2) + varint(len(packed)) + packed).seqs) == seqs


@given(ROWS)
def test_a_small_block_is_the_message_of_a_session(rows: list[Row]) -> None:
    series = series_of_rows(rows)
    assert list(Session.FromString(pack(series)).metrics) == unpack(pack(series))
    assert points_of_series(unpack(pack(series))) == points_of_series(series)


@settings(deadline=None)
@given(ROWS, st.integers(1, 9), st.integers(0, 2**40))
def test_merged_blocks_hold_the_same_points(rows: list[Row], size: int, first_seq: int) -> None:
    blocks = [
        block_of_rows(rows[place : place + size], first_seq=first_seq + place) for place in range(0, len(rows), size)
    ]
    blocks = [block for block in blocks if block]
    merged = block_layout.encode(tables_of_blocks(blocks))
    assert merged.startswith(b"\0")
    expected = sorted(points_of_rows(rows, first_seq=first_seq))
    assert sorted(points_of_series(unpack(merged))) == expected
    # merged ones and small ones beside each other, and merged ones once more
    half = len(blocks) // 2
    both = [block_layout.encode(tables_of_blocks(blocks[:half])), *blocks[half:]]
    assert sorted(points_of_series(to_series(tables_of_blocks(both)))) == expected
    assert unpack(block_layout.encode(tables_of_blocks(both))) == unpack(merged)


@given(st.lists(st.tuples(INT64, INT64, st.floats()), max_size=20), st.integers(0, 2**62))
def test_any_steps_times_and_values_survive(points: list[tuple[int, int, float]], first_seq: int) -> None:
    seqs = list(range(first_seq, first_seq + len(points)))
    steps, times, values = zip(*points, strict=True) if points else ((), (), ())
    series = [build_series("a", seqs, steps, values, times), build_series("b ö", seqs, steps, values, times)]
    merged = unpack(block_layout.encode(tables_of_blocks([pack(series)])))
    assert points_of_series(merged) == points_of_series(series)


def test_numbers_of_all_sizes_in_one_series_do_not_make_a_pattern_of_their_own() -> None:
    """Blocks that are equally long, but not alike, are read one by one."""
    blocks = [
        pack([build_series("a", [seq], [step], [0.5], [1])]) for seq, step in ((5, 300), (200, 3), (201, 4), (300, 5))
    ]
    assert len({len(block) for block in blocks}) == 1
    found = points_of_series(to_series(tables_of_blocks(blocks)))
    assert [(seq, step) for _, _, seq, step, _, _ in found] == [(5, 300), (200, 3), (201, 4), (300, 5)]


def test_names_of_the_same_length_are_not_mixed_up() -> None:
    blocks = [pack([build_series(name, [seq], [seq], [0.5], [1])]) for seq, name in enumerate("aabab", start=1)]
    assert [(name, seq) for _, name, seq, *_ in points_of_series(to_series(tables_of_blocks(blocks)))] == [
        ("a", 1),
        ("a", 2),
        ("a", 4),
        ("b", 3),
        ("b", 5),
    ]


def test_a_block_of_one_row_is_a_pattern_for_others() -> None:
    pattern = RowPattern.of(block_of_rows([{"a": 1.0, "b": math.nan}], first_seq=7))
    assert pattern is not None
    tables = pattern.tables([block_of_rows([{"a": float(seq), "b": -1.0}], first_seq=seq) for seq in range(20, 60)])
    assert tables is not None
    (table,) = tables
    assert table.names == ("a", "b")
    assert table.seqs.tolist() == list(range(20, 60))
    assert RowPattern.of(block_of_rows([{"a": 1.0}, {"a": 2.0}])) is None
    assert RowPattern.of(Session(id="x").SerializeToString()) is None


def test_series_that_are_written_together_share_their_columns() -> None:
    rows = [{"a": 1.0, "b": 2.0}] * 5 + [{"a": 1.0, "b": 2.0, "c": 3.0}] * 5
    tables = joined(tables_of_blocks([block_of_rows(rows)]))
    assert [table.names for table in tables] == [("a", "b"), ("c",)]
    assert len(block_layout.encode(tables)) < 10 * 3 * 8 + 15 * 2 * 8


def test_a_block_of_a_later_version_is_not_guessed_at() -> None:
    merged = bytearray(block_layout.encode(tables_of_blocks([block_of_rows([{"a": 1.0}])])))
    merged[1] = 9
    with pytest.raises(block_layout.UnknownLayoutError, match="layout 9"):
        unpack(bytes(merged))


def test_sequence_numbers_that_are_contiguous_are_left_implicit() -> None:
    def series(name: str, seqs: list[int]) -> MetricSeries:
        return build_series(name, seqs, seqs, [float(seq) for seq in seqs], seqs)

    assert not series("loss", [4, 5, 6]).seqs
    assert seqs_of(series("loss", [4, 5, 6])) == [4, 5, 6]
    assert seqs_of(series("loss", [4, 6])) == [4, 6]
    assert seqs_of(series("loss", [])) == []


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), min_size=1, max_size=12),
    st.integers(0, 12),
    st.integers(-1, 40),
    st.integers(-1, 40),
    st.data(),
)
def test_marks_tell_which_rows_were_shown_when(
    sizes: list[tuple[int, int]], cut: int, after: int, up_to: int, data: st.DataObject
) -> None:
    """Whatever was merged with what, and merged again: each row is told at its own revision."""
    blocks, revisions, seq, revision = [], [], 0, 1
    for rows, further in sizes:
        revision += further
        blocks.append(
            (
                block_of_rows([{"a": float(seq + place)} for place in range(rows)], first_seq=seq),
                seq + rows - 1,
                revision,
            )
        )
        revisions += [revision] * rows
        seq += rows
    marked = [(MarkedBlock(last_seq, shown, None), packed) for packed, last_seq, shown in blocks]
    if marked[:cut]:
        first = marked[:cut]
        merged = block_layout.encode(tables_of_blocks([packed for _, packed in first]))
        marks = marks_of([mark for mark, _ in first])
        marked = [(MarkedBlock(first[-1][0].last_seq, first[-1][0].revision, marks), merged), *marked[cut:]]
    if data.draw(st.booleans()):
        merged = block_layout.encode(tables_of_blocks([packed for _, packed in marked]))
        marked = [(MarkedBlock(seq - 1, revision, marks_of([mark for mark, _ in marked])), merged)]
    found = [
        int(float(value))
        for mark, packed in marked
        for *_, value, _ in points_of_series(rows_between(packed, mark.marks, mark.revision, after, up_to))
    ]
    assert found == [row for row, shown in enumerate(revisions) if after < shown <= up_to]
