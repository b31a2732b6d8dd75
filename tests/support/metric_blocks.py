"""Points, and blocks of them, for tests of histories."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from hypothesis import strategies as st
from ktrdr.host.v1.metrics_pb2 import MetricRows, MetricSeries
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.blocks import build_series, pack

FIRST_TIME_NS: Final = 1_764_000_000_000_000_000

Row = Mapping[str, float]
"""The values of an event, by series."""

Point = tuple[str, str, int, int, str, int]
"""Journal, series, sequence number, step, value as text (so that NaN equals NaN), and time of a point."""

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
ROWS: st.SearchStrategy[list[dict[str, float]]] = st.lists(
    st.dictionaries(st.sampled_from("abc"), NUMBERS, max_size=3), max_size=40
)


def step_of(seq: int) -> int:
    """Return the step of a row: it rises, and begins again with each phase."""
    return seq % 13 - 2


def series_of_rows(rows: Sequence[Row], *, first_seq: int = 0) -> list[MetricSeries]:
    """Return rows as a host tells them."""
    names = dict.fromkeys(name for row in rows for name in row)
    found = []
    for name in names:
        seqs = [first_seq + place for place, row in enumerate(rows) if name in row]
        values = [rows[seq - first_seq][name] for seq in seqs]
        found.append(build_series(name, seqs, map(step_of, seqs), values, [FIRST_TIME_NS + seq for seq in seqs]))
    return found


def block_of_rows(rows: Sequence[Row], *, first_seq: int = 0) -> bytes:
    """Return rows as a small block."""
    return pack(series_of_rows(rows, first_seq=first_seq))


def points_of_rows(rows: Sequence[Row], journal: str = "x", *, first_seq: int = 0) -> list[Point]:
    """Return each point of rows."""
    return [
        (journal, name, seq, step_of(seq), repr(value), FIRST_TIME_NS + seq)
        for seq, row in enumerate(rows, first_seq)
        for name, value in row.items()
    ]


def points_of_series(series: Iterable[MetricSeries], journal: str = "x") -> list[Point]:
    """Return each point of series."""
    found: list[Point] = []
    for one in series:
        count = len(one.values)
        seqs = list(one.seqs) or list(range(one.first_seq, one.first_seq + count))
        columns = zip(seqs, one.steps, map(repr, one.values), one.times, strict=True)
        found += [(journal, one.name, seq, step, value, time) for seq, step, value, time in columns]
    return found


def points_of_answer(answer: pb.QueryMetricsResponse) -> list[Point]:
    """Return each point of an answer, whether it has columns or raw rows."""
    found: list[Point] = []
    for history in answer.series:
        if history.HasField("rows"):
            found += _points_of_rows(history.rows, history.incarnation)
        else:
            found += points_of_series([history.points], history.incarnation)
    return found


def _points_of_rows(rows: MetricRows, journal: str) -> list[Point]:
    layout = struct.Struct(f"<Qqq{len(rows.names)}d")
    assert len(rows.data) == rows.row_count * layout.size
    return [
        (journal, name, seq, step, repr(value), time)
        for seq, step, time, *values in layout.iter_unpack(rows.data)
        for name, value in zip(rows.names, values, strict=True)
    ]
