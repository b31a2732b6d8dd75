"""Pieces of a stream read like the bytes they are, wherever they are cut."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr_client.arrow_pieces import ArrowPieces


@settings(deadline=None)
@given(st.lists(st.binary(max_size=9), max_size=8), st.lists(st.integers(0, 12), max_size=20))
def test_reads_return_the_bytes_in_order(pieces: list[bytes], sizes: list[int]) -> None:
    file, left = ArrowPieces(pieces), b"".join(pieces)
    for size in sizes:
        assert bytes(file.read(size)) == left[:size]
        left = left[size:]
    assert bytes(file.read()) == left
    assert bytes(file.read(3)) == b""


@pytest.mark.parametrize("cut", [1, 7, 64, 100, 1_000, 100_000])
def test_a_stream_cut_anywhere_is_the_same_table(cut: int) -> None:
    table = pa.table({"time": list(range(50)), "close": [float(n) for n in range(50)]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=20)
    content = sink.getvalue().to_pybytes()
    pieces = [content[start : start + cut] for start in range(0, len(content), cut)]
    with pa.ipc.open_stream(pa.PythonFile(ArrowPieces(pieces), mode="r")) as reader:
        assert reader.read_all().equals(table)


def test_a_part_of_one_piece_is_not_copied() -> None:
    piece = b"0123456789"
    assert ArrowPieces([piece]).read(4).obj is piece
