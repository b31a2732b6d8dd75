"""When the bars are that a dataset has."""

from datetime import datetime
from typing import Any

import numpy as np
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.columns import instant, microseconds, times_of


class StoredTimes:
    """The times of a dataset's bars.

    Args:
        times: ascending, in microseconds since the Unix epoch.
    """

    def __init__(self, times: "np.ndarray[Any, np.dtype[np.int64]]") -> None:
        self._times = times

    @classmethod
    def read(cls, store: BarStore, key: bars_pb2.DatasetKey) -> "StoredTimes":
        """Read those of a dataset. Blocks: call it in a thread.

        Raises:
            ServiceError: STORE_CORRUPT.
        """
        snapshot = store.open(key)
        if snapshot is None:
            return cls(np.empty(0, dtype=np.int64))
        with snapshot:
            tables = [times_of(table) for table in snapshot.tables(columns=("time",))]
        return cls(np.concatenate(tables) if tables else np.empty(0, dtype=np.int64))

    @property
    def first(self) -> datetime | None:
        """Time of the first bar."""
        return instant(int(self._times[0])) if len(self._times) else None

    @property
    def last(self) -> datetime | None:
        """Time of the last bar."""
        return instant(int(self._times[-1])) if len(self._times) else None

    def before(self, moment: datetime) -> datetime | None:
        """Return the time of the last bar before an instant."""
        index = int(np.searchsorted(self._times, microseconds(moment))) - 1
        return instant(int(self._times[index])) if index >= 0 else None

    def since(self, moment: datetime) -> datetime | None:
        """Return the time of the first bar that is not before an instant."""
        index = int(np.searchsorted(self._times, microseconds(moment)))
        return instant(int(self._times[index])) if index < len(self._times) else None
