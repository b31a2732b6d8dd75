"""Bars that arrive as an Arrow stream."""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ktrdr.ib.v1.bars_pb2 import SOURCE_REPLAY, Dataset
from ktrdr.ib.v1.ib_pb2 import StreamBarsResponse

from ktrdr_client.arrow_pieces import ArrowPieces
from ktrdr_client.errors import DataLoss, MissingLibrary

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


@dataclass(frozen=True)
class Bars:
    """Stored bars of one dataset, in time order."""

    dataset: Dataset
    """What they are taken from."""
    table: Any
    """A `pyarrow.Table` with the columns time, open, high, low, close, volume, wap and count, or those that were asked
    for. `time` is the start of a bar, UTC; for daily and longer bars the session's date at midnight."""

    def __len__(self) -> int:
        rows: int = self.table.num_rows
        return rows

    @property
    def is_replay(self) -> bool:
        """They are recorded history from the replay gateway, not from a market."""
        return self.dataset.key.source == SOURCE_REPLAY

    def to_pandas(self) -> "pd.DataFrame":
        """Return a pandas DataFrame with `time` as index, aware and in UTC.

        Raises:
            MissingLibrary: pandas is not installed.
        """
        _import("pandas", "bars as a DataFrame need pandas: pip install pandas")
        frame: pd.DataFrame = self.table.to_pandas().set_index("time")
        return frame

    def to_polars(self) -> "pl.DataFrame":
        """Return a polars DataFrame with the columns of the table; `time` is aware and in UTC.

        Raises:
            MissingLibrary: polars is not installed.
        """
        polars = _import("polars", "bars as a polars DataFrame need polars: pip install polars")
        frame: pl.DataFrame = polars.from_arrow(self.table)
        return frame


class BarsDecoder:
    """Puts the messages of a StreamBars call together again.

    Raises:
        MissingLibrary: pyarrow is not installed.
    """

    def __init__(self) -> None:
        self._pyarrow = import_pyarrow()
        self._dataset = Dataset()
        self._pieces: list[bytes] = []

    def feed(self, message: StreamBarsResponse) -> None:
        """Take the next message."""
        if message.HasField("dataset"):
            self._dataset = message.dataset
        self._pieces.append(message.arrow_ipc)

    def finish(self) -> Bars:
        """Return the bars.

        Raises:
            DataLoss: The bytes are not the Arrow stream that they should be.
        """
        try:
            file = self._pyarrow.PythonFile(ArrowPieces(self._pieces), mode="r")
            with self._pyarrow.ipc.open_stream(file) as reader:
                table = reader.read_all()
        except (self._pyarrow.ArrowInvalid, OSError) as error:
            message = f"the bars that arrived cannot be decoded: {error}"
            raise DataLoss(message) from error
        return Bars(self._dataset, table)


def import_pyarrow() -> ModuleType:
    """Return the module `pyarrow`: optional, and slow to import, so only those who read or write bars pay for it.

    Raises:
        MissingLibrary: It is not installed.
    """
    message = "bars travel as Arrow; reading and writing them needs pyarrow: pip install pyarrow"
    pyarrow = _import("pyarrow", message)
    _import("pyarrow.ipc", message)
    return pyarrow


def _import(name: str, message: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingLibrary(message) from error
