"""Read bars from files: CSV and Parquet."""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from ktrdr_client.bar_formats.columns import NotBars
from ktrdr_client.bar_formats.faults import RowFaults, refusal
from ktrdr_client.bar_formats.tables import ReadBars, Reading, bars_from
from ktrdr_client.errors import InvalidArgument

_PARQUET: Final = (".parquet", ".pq")
_GZIP: Final = b"\x1f\x8b"
_DELIMITERS: Final = (",", ";", "\t", "|")


def read_bars(path: Path, reading: Reading) -> ReadBars:
    """Return the bars of a file. Its suffix says what it is: .parquet (.pq), or else CSV, also compressed (.gz).

    Args:
        path: The file.
        reading: How its times are meant.

    Raises:
        InvalidArgument: It holds no bars, or some of them are at fault; the message says where, by line.
        OSError: It cannot be read.
    """
    if path.suffix.lower() in _PARQUET:
        with path.open("rb") as file:
            return _parquet(str(path), file, reading)
    return read_csv(str(path), path.read_bytes(), reading)


def read_csv(name: str, content: bytes, reading: Reading) -> ReadBars:
    """Return the bars of a CSV file; the delimiter is a comma, a semicolon, a tab or a bar, whichever its titles have.

    Args:
        name: What it is, for people.
        content: The whole file.
        reading: How its times are meant.

    Raises:
        InvalidArgument: It holds no bars, or some of them are at fault; the message says where, by line.
    """
    if content[:2] == _GZIP:
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError):
            message = f"{name} is compressed, and damaged: bring it again"
            raise InvalidArgument(message) from None
    faults = RowFaults()
    try:
        table = _csv_table(content, faults)
        # The rows behind one that was left out would be told by wrong lines.
        read = bars_from(table, reading, faults) if not faults.count else None
    except pa.ArrowInvalid as error:
        message = f"{name} is no CSV file that can be read: {error}"
        raise InvalidArgument(message) from None
    except NotBars as error:
        message = f"{name}: {error}"
        raise InvalidArgument(message) from None
    if read is None or faults.count:
        lines = _line_numbers(content, [row for row, _ in faults.oldest()])
        raise refusal(name, faults, [f"line {line:,}" for line in lines])
    return read


def _csv_table(content: bytes, faults: RowFaults) -> pa.Table:
    titles = _first_line(content)
    delimiter = max(_DELIMITERS, key=titles.count)
    columns = [title.strip().strip('"') for title in titles.split(delimiter)]
    if len(set(columns)) < len(columns):
        raise NotBars("two columns have the same name")
    skipped = []

    def take(row: pa.csv.InvalidRow) -> str:
        skipped.append((row.number - 2, f"{row.actual_columns} columns where the titles name {row.expected_columns}"))
        return "skip"

    table = pyarrow.csv.read_csv(
        io.BytesIO(content),
        read_options=pyarrow.csv.ReadOptions(use_threads=False, column_names=columns, skip_rows_after_names=1),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, invalid_row_handler=take),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
        ),
    )
    for row, text in skipped:
        faults.add(row, text)
    return table


def _first_line(content: bytes) -> str:
    for line in content.removeprefix(b"\xef\xbb\xbf").splitlines()[:1]:
        try:
            return line.decode()
        except UnicodeDecodeError:
            break
    raise NotBars("the first line is no text that names columns")


def _line_numbers(content: bytes, rows: list[int]) -> list[int]:
    """Return the numbers of the lines that some rows stand in: empty lines are no rows."""
    wanted, found = set(rows), {}
    for row, line in enumerate(_filled_lines(io.BytesIO(content))):
        if row - 1 in wanted:
            found[row - 1] = line
    return [found.get(row, row + 2) for row in rows]


def _filled_lines(file: BinaryIO) -> Iterator[int]:
    return (number for number, line in enumerate(file, start=1) if line.strip(b"\r\n"))


def _parquet(name: str, file: BinaryIO, reading: Reading) -> ReadBars:
    faults = RowFaults()
    try:
        table = pyarrow.parquet.read_table(file)
        read = bars_from(table, reading, faults)
    except pa.ArrowException as error:
        message = f"{name} is no Parquet file that can be read: {error}"
        raise InvalidArgument(message) from None
    except NotBars as error:
        message = f"{name}: {error}"
        raise InvalidArgument(message) from None
    if faults.count:
        raise refusal(name, faults, [f"row {row + 1:,}" for row, _ in faults.oldest()])
    return read
