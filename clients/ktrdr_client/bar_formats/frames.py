"""Bars in the frames of other libraries."""

from typing import Any

import pyarrow as pa

from ktrdr_client.bar_formats.columns import NotBars
from ktrdr_client.bar_formats.faults import RowFaults, refusal
from ktrdr_client.bar_formats.tables import ReadBars, Reading, bars_from
from ktrdr_client.bars import Bars
from ktrdr_client.errors import InvalidArgument


def bars_of_frame(frame: Any, reading: Reading) -> ReadBars:
    """Return the bars of a frame.

    Args:
        frame: `Bars`, a `pyarrow.Table`, or a DataFrame of polars or of pandas; there the times may
            be the index.
        reading: How its times are meant.

    Raises:
        InvalidArgument: It holds no bars, or some of them are at fault; the message says in which rows.
        TypeError: It is no frame.
    """
    faults = RowFaults()
    try:
        read = bars_from(_table(frame), reading, faults)
    except NotBars as error:
        message = f"the frame: {error}"
        raise InvalidArgument(message) from None
    if faults.count:
        raise refusal("the frame", faults, [f"row {row + 1:,}" for row, _ in faults.oldest()])
    return read


def _table(frame: Any) -> pa.Table:
    if isinstance(frame, Bars):
        table: pa.Table = frame.table
        return table
    if isinstance(frame, pa.Table):
        return frame
    library = type(frame).__module__.partition(".")[0]
    if library == "pandas" and hasattr(frame, "columns"):
        return pa.Table.from_pandas(_with_index(frame), preserve_index=False)
    if library == "polars" and hasattr(frame, "to_arrow"):
        return frame.to_arrow()
    message = (
        f"bars can be taken from a file, an Arrow table, or a DataFrame of pandas or polars, not from {type(frame)}"
    )
    raise TypeError(message)


def _with_index(frame: Any) -> Any:
    """Return a pandas DataFrame with its index as a column, where it holds the times."""
    if type(frame.index).__name__ != "DatetimeIndex":
        return frame
    return frame.reset_index(names=frame.index.name or "time")
