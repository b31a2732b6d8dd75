"""The pieces of a stream, joined, are one Arrow IPC stream with exactly the bars that went in."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ib_host.store.columns import SCHEMA
from services.ib_host.streaming.arrow import MOST_BATCH_ROWS, Piece, pieces


def table(rows: int, first: int = 0) -> pa.Table:
    numbers = np.arange(first, first + rows)
    columns = [pa.array(numbers * 1_000_000).cast(SCHEMA.field(0).type)]
    columns += [pa.array(numbers.astype(float)) for _ in range(6)]
    return pa.Table.from_arrays([*columns, pa.array(numbers)], schema=SCHEMA)


def content(stream: Iterable[Piece]) -> bytes:
    return b"".join(part for piece in stream for part in piece.parts)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5_000), max_size=5), st.integers(1_024, 4_096))
def test_joined_pieces_are_the_bars(sizes: list[int], batch_rows: int) -> None:
    tables = [table(rows, first=sum(sizes[:n])) for n, rows in enumerate(sizes)]
    stream = list(pieces(tables, SCHEMA, batch_rows))
    read = pa.ipc.open_stream(content(stream)).read_all()
    assert read.equals(table(sum(sizes)))
    assert [piece.size for piece in stream] == [len(content([piece])) for piece in stream]
    assert sum(piece.rows for piece in stream) == sum(sizes)
    assert [piece.rows for piece in stream[:-2]] == [batch_rows] * len(stream[:-2])


def test_the_schema_comes_first() -> None:
    first = next(pieces([table(10)], SCHEMA, 1_024))
    assert first.rows == 10
    assert pa.ipc.open_stream(content([first])).schema == SCHEMA


@pytest.mark.parametrize("rows", [0, 100_000])
def test_every_piece_stays_below_what_stock_clients_take(rows: int) -> None:
    assert max(piece.size for piece in pieces([table(rows)], SCHEMA, MOST_BATCH_ROWS)) < 4 * 2**20 - 65_536
