"""Bars that arrive as an Arrow stream."""

from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ktrdr.ib.v1.bars_pb2 import SOURCE_REPLAY, Dataset
from ktrdr.ib.v1.ib_pb2 import StreamBarsResponse

from ktrdr_client.errors import DataLoss, MissingLibrary

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Bars:
    """Stored bars of one dataset, in time order."""

    dataset: Dataset
    """What they are taken from."""
    table: Any
    """A `pyarrow.Table` with the columns time, open, high, low, close, volume, wap and count. `time` is the start of a
    bar, UTC; for daily and longer bars the session's date at midnight."""

    def __len__(self) -> int:
        rows: int = self.table.num_rows
        return rows

    @property
    def is_replay(self) -> bool:
        """They are recorded history from the replay gateway, not from a market."""
        return self.dataset.key.source == SOURCE_REPLAY

    def to_pandas(self) -> "pd.DataFrame":
        """Return a DataFrame with `time` as index.

        Raises:
            MissingLibrary: pandas is not installed.
        """
        frame: pd.DataFrame = self.table.to_pandas().set_index("time")
        return frame


class BarsDecoder:
    """Puts the messages of a StreamBars call together again.

    Raises:
        MissingLibrary: pyarrow is not installed.
    """

    def __init__(self) -> None:
        self._pyarrow = _import_pyarrow()
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
            with self._pyarrow.ipc.open_stream(b"".join(self._pieces)) as reader:
                table = reader.read_all()
        except self._pyarrow.ArrowInvalid as error:
            message = f"the bars that arrived cannot be decoded: {error}"
            raise DataLoss(message) from error
        return Bars(self._dataset, table)


def _import_pyarrow() -> ModuleType:
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional, and slow to import: only those who read bars need it
        import pyarrow.ipc  # noqa: PLC0415 - likewise
    except ImportError as error:
        message = "bars travel as Arrow; reading them needs pyarrow: pip install pyarrow"
        raise MissingLibrary(message) from error
    module: ModuleType = pa
    return module
