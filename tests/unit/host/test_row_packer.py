import math
import struct
from array import array

from hypothesis import given
from hypothesis import strategies as st
from ktrdr.host.v1.metrics_pb2 import MetricRows, MetricSeries
from ktrdr.host.v1.session_pb2 import Session
from ktrdr_bridge import NewRow

from services.host.row_packer import RowPacker

seqs = st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1))
steps = st.one_of(st.integers(-100, 300), st.integers(-(2**63), 2**63 - 1))
times = st.integers(-(2**63), 2**63 - 1)
values = st.floats(width=64)
names = st.lists(st.text(min_size=1, max_size=200), max_size=9, unique=True).map(tuple)


@st.composite
def rows(draw: st.DrawFn) -> list[NewRow]:
    """Rows of a few sets of names, in any order."""
    sets = draw(st.lists(names, min_size=1, max_size=3))
    found = []
    for _ in range(draw(st.integers(1, 8))):
        chosen = draw(st.sampled_from(sets))
        cells = array("d", (draw(values) for _ in chosen))
        found.append(NewRow(chosen, draw(seqs), draw(steps), draw(times), cells))
    return found


@given(rows(), st.booleans())
def test_a_row_is_packed_as_protobuf_packs_it(written: list[NewRow], raw_rows: bool) -> None:
    packer = RowPacker()
    for row in written:
        expected = raw(row) if raw_rows else columns(row)
        assert merged(packer, row, raw_rows=raw_rows) == expected
        assert merged(packer, row, raw_rows=raw_rows) == expected, "a second reader gets the same"
        assert merged(packer, row, raw_rows=not raw_rows) == (columns(row) if raw_rows else raw(row))


def test_what_is_no_number_stays_so() -> None:
    row = NewRow(("a", "b"), 1, 1, 1, array("d", [math.nan, -math.inf]))
    session = Session()
    session.MergeFromString(RowPacker().pack(row, raw_rows=False))
    assert math.isnan(session.metrics[0].values[0])
    assert session.metrics[1].values[0] == -math.inf


def merged(packer: RowPacker, row: NewRow, *, raw_rows: bool) -> bytes:
    session = Session(id="a", metrics=[MetricSeries(name="before")])
    session.MergeFromString(packer.pack(row, raw_rows=raw_rows))
    assert session.id == "a"
    del session.metrics[0]
    session.id = ""
    return session.SerializeToString()


def columns(row: NewRow) -> bytes:
    session = Session()
    for name, value in zip(row.names, row.values, strict=True):
        session.metrics.add(name=name, first_seq=row.seq, steps=[row.step], values=[value], times=[row.time_ns])
    return session.SerializeToString()


def raw(row: NewRow) -> bytes:
    data = struct.pack("<Qqq", row.seq, row.step, row.time_ns) + struct.pack(f"<{len(row.values)}d", *row.values)
    return Session(metric_rows=[MetricRows(names=row.names, row_count=1, data=data)]).SerializeToString()
