"""One Arrow IPC stream, cut into pieces at its batches."""

import io
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import pyarrow as pa

from services.ib_host.store.columns import SCHEMA

DEFAULT_BATCH_ROWS: Final = 16_384
FEWEST_BATCH_ROWS: Final = 1_024
MOST_BATCH_ROWS: Final = 32_768
"""2 MiB: well below the 4 MiB that clients take in one message unless they are told otherwise."""


class Piece(NamedTuple):
    """The next bytes of the stream.

    Attributes:
        content: bytes; those of all pieces, joined, are one Arrow IPC stream.
        rows: bars in them.
    """

    content: bytes
    rows: int


def pieces(tables: Iterable[pa.Table], batch_rows: int) -> Iterator[Piece]:
    """Yield the stream of some tables: schema and first batch, the other batches, the end.

    Args:
        tables: with the columns of stored bars; read one by one, as they are needed.
        batch_rows: bars in a batch; the last may be shorter.
    """
    sink = _Sink()
    with pa.ipc.new_stream(sink.file, SCHEMA) as writer:
        for batch in _batches(tables, batch_rows):
            writer.write_batch(batch)
            yield Piece(sink.take(), batch.num_rows)
    yield Piece(sink.take(), 0)


def _batches(tables: Iterable[pa.Table], batch_rows: int) -> Iterator[pa.RecordBatch]:
    rest = SCHEMA.empty_table()
    for table in tables:
        rest = pa.concat_tables([rest, table])
        while rest.num_rows >= batch_rows:
            yield _batch(rest.slice(0, batch_rows))
            rest = rest.slice(batch_rows)
    if rest.num_rows:
        yield _batch(rest)


def _batch(table: pa.Table) -> pa.RecordBatch:
    return table.combine_chunks().to_batches()[0]


class _Sink:
    """Collects what is written until it is taken."""

    def __init__(self) -> None:
        self.file = io.BytesIO()

    def take(self) -> bytes:
        content = self.file.getvalue()
        self.file.seek(0)
        self.file.truncate()
        return content
