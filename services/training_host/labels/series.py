"""Labels of bars."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from services.training_host.bars.closing import close_times
from services.training_host.bars.series import Bars

UNLABELLED = -1


@dataclass(frozen=True, eq=False)
class BarLabels:
    """Labels of the bars of one symbol.

    Attributes:
        classes: int64 [bars]: index of the class; UNLABELLED where there is none, or no classes are asked for.
        ends: int64 [bars]: index of the bar at whose close the label is known; UNLABELLED where there is no label.
    """

    classes: NDArray[np.int64]
    ends: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelSeries:
    """Labels of all rows: the bars of every symbol, one symbol after the other.

    Attributes:
        classes: int64 [rows]: index of the class; UNLABELLED where there is none, and everywhere for a regression.
        returns: float64 [rows]: return from the row's close to that of the row at which the label is known (0.01 is
            1 %); NaN where there is no label.
        end_rows: int64 [rows]: row, of the same symbol, at whose close the label is known; UNLABELLED where there is
            no label.
        end_times: int64 [rows]: when that is, nanoseconds since 1970 UTC; UNLABELLED where there is no label.
    """

    classes: NDArray[np.int64]
    returns: NDArray[np.float64]
    end_rows: NDArray[np.int64]
    end_times: NDArray[np.int64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Tell for each row whether it has a label, bool [rows]."""
        known: NDArray[np.bool_] = self.end_rows != UNLABELLED
        return known

    @classmethod
    def of_bars(cls, labels: BarLabels, bars: Bars, first_row: int) -> Self:
        """Add times and returns to the labels of a symbol whose bars are the rows from `first_row` on."""
        labelled = np.flatnonzero(labels.ends != UNLABELLED)
        ends = labels.ends[labelled]
        returns = np.full(len(bars), np.nan)
        returns[labelled] = bars.close[ends] / bars.close[labelled] - 1
        end_rows, end_times = (np.full(len(bars), UNLABELLED, np.int64) for _ in range(2))
        end_rows[labelled] = ends + first_row
        end_times[labelled] = close_times(bars)[ends]
        return cls(labels.classes, returns, end_rows, end_times)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Put the labels of several symbols one after the other."""
        return cls(
            np.concatenate([part.classes for part in parts]),
            np.concatenate([part.returns for part in parts]),
            np.concatenate([part.end_rows for part in parts]),
            np.concatenate([part.end_times for part in parts]),
        )
