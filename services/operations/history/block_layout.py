"""How a large block of points lies in the store: columns that NumPy takes as they are.

All numbers are little-endian. A block begins with a byte 0, which no protobuf message does, and then has

- the version of the layout, 1 byte, and the number of tables, 2 bytes;
- for each table: rows (4 bytes), flags (2 bytes), number of series (2 bytes); then two 8-byte numbers for the sequence
  numbers and two for the steps: the first one, and the distance from each to the next; then for each series the
  length of its name (2 bytes) and the name in UTF-8;
- zeros up to a multiple of 8 bytes;
- for each table its columns, 8 bytes a row: sequence numbers and steps, each only where the flags say that the
  distances are not all the same; times; and the values of each series.
"""

import struct
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final, NamedTuple

import numpy as np

from services.operations.history.tables import Integers, Table

MARK: Final = b"\0"
_VERSION: Final = 1
_START: Final = struct.Struct("<BBH")
_TABLE: Final = struct.Struct("<IHHqqqq")
_NAME: Final = struct.Struct("<H")
_SEQS_LISTED: Final = 1
_STEPS_LISTED: Final = 2
_WIDTH: Final = 8
_COUNTED: Final = 2**20


class UnknownLayoutError(Exception):
    """A block was written by a later version."""


class _Head(NamedTuple):
    rows: int
    flags: int
    series: int
    first_seq: int
    seq_distance: int
    first_step: int
    step_distance: int


def encode(tables: Iterable[Table]) -> bytes:
    """Return tables as a block."""
    written = list(tables)
    heads, columns = [_START.pack(0, _VERSION, len(written))], []
    for table in written:
        seqs, steps = _distance(table.seqs), _distance(table.steps)
        flags = (_SEQS_LISTED if seqs is None else 0) | (_STEPS_LISTED if steps is None else 0)
        first_seq, first_step = (int(column[0]) if len(column) else 0 for column in (table.seqs, table.steps))
        heads.append(
            _TABLE.pack(len(table.seqs), flags, len(table.names), first_seq, seqs or 0, first_step, steps or 0)
        )
        for name in table.names:
            text = name.encode()
            heads.append(_NAME.pack(len(text)) + text)
        columns += [table.seqs.astype("<i8", copy=False)] if seqs is None else []
        columns += [table.steps.astype("<i8", copy=False)] if steps is None else []
        columns.append(table.times.astype("<i8", copy=False))
        columns += [column.astype("<f8", copy=False) for column in table.values]
    head = b"".join(heads)
    return b"".join([head, bytes(-len(head) % _WIDTH), *(column.tobytes() for column in columns)])


def decode(data: bytes) -> list[Table]:
    """Return the tables of a block. Their columns are views of `data`.

    Raises:
        UnknownLayoutError: The block is of a later version.
    """
    _, version, count = _START.unpack_from(data)
    if version != _VERSION:
        message = f"a block of metrics has layout {version}, which only a later version reads"
        raise UnknownLayoutError(message)
    place = _START.size
    heads: list[tuple[_Head, tuple[str, ...]]] = []
    for _ in range(count):
        head = _Head(*_TABLE.unpack_from(data, place))
        place += _TABLE.size
        names = []
        for _ in range(head.series):
            (length,) = _NAME.unpack_from(data, place)
            place += _NAME.size
            names.append(data[place : place + length].decode())
            place += length
        heads.append((head, tuple(names)))
    columns = _Columns(data, place + -place % _WIDTH)
    return [_table(head, names, columns) for head, names in heads]


class _Columns:
    """Takes one column after the other."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self._place = place

    def integers(self, rows: int) -> Integers:
        return np.frombuffer(self._data, "<i8", rows, self._advance(rows))

    def numbers(self, rows: int, series: int) -> Iterator["np.ndarray[tuple[int, ...], np.dtype[np.float64]]"]:
        for _ in range(series):
            yield np.frombuffer(self._data, "<f8", rows, self._advance(rows))

    def _advance(self, rows: int) -> int:
        place = self._place
        self._place += rows * _WIDTH
        return place


def _table(head: _Head, names: tuple[str, ...], columns: _Columns) -> Table:
    rows = head.rows
    seqs = columns.integers(rows) if head.flags & _SEQS_LISTED else _line(head.first_seq, head.seq_distance, rows)
    steps = columns.integers(rows) if head.flags & _STEPS_LISTED else _line(head.first_step, head.step_distance, rows)
    times = columns.integers(rows)
    return Table(names, seqs, steps, times, tuple(columns.numbers(rows, head.series)))


def _distance(column: Integers) -> int | None:
    """Return the distance between each number and the next, None if they differ."""
    if len(column) < 2:
        return 0
    distance = int(column[1]) - int(column[0])
    # A distance within 64 bits is enough: adding it up again wraps around just as taking the differences did.
    fits = -(2**63) <= distance < 2**63
    return distance if fits and bool((np.diff(column) == distance).all()) else None


def _line(first: int, distance: int, rows: int) -> Integers:
    if distance == 1 and 0 <= first <= _COUNTED - rows:
        return _counted()[first : first + rows]
    end = first + distance * rows
    if distance and -(2**63) <= end < 2**63:
        return np.arange(first, end, distance, dtype=np.int64)
    return first + distance * np.arange(rows, dtype=np.int64)


@cache
def _counted() -> Integers:
    """Return the numbers from 0 on, made once: most sequence numbers and steps are a part of them."""
    numbers = np.arange(_COUNTED, dtype=np.int64)
    numbers.setflags(write=False)
    return numbers
