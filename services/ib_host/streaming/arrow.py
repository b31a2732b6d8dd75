"""One Arrow IPC stream, cut into pieces at its batches."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import pyarrow as pa

DEFAULT_BATCH_ROWS: Final = 16_384
FEWEST_BATCH_ROWS: Final = 1_024
MOST_BATCH_ROWS: Final = 32_768
"""2 MiB: well below the 4 MiB that clients take in one message unless they are told otherwise."""

_END: Final = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""End of an Arrow IPC stream: a message of no length, says its format."""


class Piece(NamedTuple):
    """The next bytes of the stream.

    Attributes:
        parts: bytes; those of all pieces, joined, are one Arrow IPC stream. The large ones are Arrow's own memory, so
            that whoever joins them is the first to copy them.
        size: bytes of all parts.
        rows: bars in them.
    """

    parts: tuple[bytes | memoryview, ...]
    size: int
    rows: int


def pieces(tables: Iterable[pa.Table], schema: pa.Schema, batch_rows: int) -> Iterator[Piece]:
    """Yield the stream of some tables: schema and first batch, the other batches, the end.

    Args:
        tables: with columns as `schema` has them; read one by one, as they are needed.
        schema: of all of them.
        batch_rows: bars in a batch; the last may be shorter.
    """
    head: bytes = schema.serialize().to_pybytes()
    for batch in _batches(tables, schema, batch_rows):
        content = memoryview(batch.serialize())
        yield Piece((head, content), len(head) + content.nbytes, batch.num_rows)
        head = b""
    yield Piece((head, _END), len(head) + len(_END), 0)


def _batches(tables: Iterable[pa.Table], schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Yield batches of equal size. What lies within one table is not copied for it."""
    rest = schema.empty_table()
    for table in tables:
        if rest.num_rows:
            missing = batch_rows - rest.num_rows
            rest = pa.concat_tables([rest, table.slice(0, missing)])
            if rest.num_rows < batch_rows:
                continue
            yield _batch(rest)
            table = table.slice(missing)  # noqa: PLW2901 - what is left of it
        whole = table.num_rows // batch_rows * batch_rows
        for start in range(0, whole, batch_rows):
            yield _batch(table.slice(start, batch_rows))
        rest = table.slice(whole)
    if rest.num_rows:
        yield _batch(rest)


def _batch(table: pa.Table) -> pa.RecordBatch:
    batches: list[pa.RecordBatch] = table.to_batches()
    return batches[0] if len(batches) == 1 else table.combine_chunks().to_batches()[0]
