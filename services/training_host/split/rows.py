"""The samples of all symbols, in the order of time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SampleRows:
    """Samples, and what a split has to know about them.

    Attributes:
        rows: int64 [samples]: their rows, in the order of (time, symbol).
        times: int64 [samples]: when each one's bar begins, nanoseconds since 1970 UTC; ascending.
        end_times: int64 [samples]: when each one's label is known.
        all_times: int64 [rows]: when the bar of every row begins, samples or not.
        symbol_rows: The rows of each symbol.
    """

    rows: NDArray[np.int64]
    times: NDArray[np.int64]
    end_times: NDArray[np.int64]
    all_times: NDArray[np.int64]
    symbol_rows: Sequence[slice]

    @classmethod
    def choose(
        cls,
        chosen: NDArray[np.bool_],
        *,
        times: NDArray[np.int64],
        end_times: NDArray[np.int64],
        symbol_rows: Sequence[slice],
    ) -> "SampleRows":
        """Take the rows for which `chosen`, bool [rows], is true; the other arrays are of all rows."""
        rows = np.flatnonzero(chosen)
        # Rows go symbol after symbol: a stable sort by time leaves those of one time in the order of the symbols.
        rows = rows[np.argsort(times[rows], kind="stable")]
        return cls(rows, times[rows], end_times[rows], times, symbol_rows)

    def __len__(self) -> int:
        return len(self.rows)

    def soon_after(self, border: int, bars: int) -> NDArray[np.bool_]:
        """Tell for each sample whether it is among the first so many bars of its symbol from a border on.

        Args:
            border: Nanoseconds since 1970 UTC.
            bars: How many; bars that are no samples count too.
        """
        soon = np.zeros(len(self.all_times), np.bool_)
        for part in self.symbol_rows:
            first = part.start + int(np.searchsorted(self.all_times[part], border))
            soon[first : min(first + bars, part.stop)] = True
        return soon[self.rows]
