"""What is wrong with bars that somebody brings."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.common.errors import FieldViolation, ServiceError
from services.ib_host.loading.spec import invalid_request
from services.ib_host.store.columns import instant

FIELD: Final = "arrow_ipc"
MOST_NAMED: Final = 5
_NOISE: Final = 1e-9
"""Of a price: what arithmetic with floats leaves over is no fault."""


class RowFaults:
    """Collects rows that are wrong, and names some of them.

    Args:
        first_row: number of the first row of what is checked, from 0.
        times: microseconds since the Unix epoch, of all of its rows.
    """

    def __init__(self, first_row: int, times: NDArray[np.int64]) -> None:
        self._first_row = first_row
        self._times = times
        self._texts: list[tuple[int, str]] = []
        self.count = 0

    def add(self, wrong: "NDArray[np.bool_]", words: str, *columns: "NDArray[Any]") -> None:
        """Note the rows where `wrong` holds.

        Args:
            wrong: one value for each row.
            words: what is wrong, with a `{}` for the row's value of each of `columns`.
            columns: one value for each row.
        """
        rows = np.flatnonzero(wrong)
        self.count += len(rows)
        named = [int(row) for row in rows[:MOST_NAMED]]
        self._texts += [(row, words.format(*(column[row].item() for column in columns))) for row in named]

    def raise_if_any(self) -> None:
        """Refuse the bars, naming the first rows at fault.

        Raises:
            ServiceError: INVALID_REQUEST.
        """
        if not self.count:
            return
        named = sorted(self._texts)[:MOST_NAMED]
        told = [f"row {self._first_row + row + 1} ({self._moment(row)}): {text}" for row, text in named]
        more = [f"and {self.count - len(named):,} more"] if self.count > len(named) else []
        raise refused("; ".join(told + more))

    def _moment(self, row: int) -> str:
        try:
            return f"{instant(int(self._times[row])):%Y-%m-%d %H:%M:%S} UTC"
        except OverflowError:
            return "a time beyond the calendar"


def refused(text: str) -> ServiceError:
    """Return the error for bars that can't be stored."""
    return invalid_request([FieldViolation(FIELD, text)])


def note_prices(faults: RowFaults, values: "Mapping[str, NDArray[Any]]", *, positive: bool) -> None:
    """Note the rows whose prices or volumes can't be.

    Args:
        faults: takes them.
        values: of open, high, low, close, volume, wap and count.
        positive: no price is zero or below it, as with stocks.
    """
    high, low = values["high"], values["low"]
    for name in ("open", "high", "low", "close"):
        prices = values[name]
        finite = np.isfinite(prices)
        faults.add(~finite, f"{name} is {{}}", prices)
        if positive:
            faults.add(finite & (prices <= 0), f"{name} {{}} is not above zero", prices)
    with np.errstate(invalid="ignore"):  # prices that are not finite have been told
        most, least = high + np.abs(high) * _NOISE, low - np.abs(low) * _NOISE
    for name in ("open", "close", "low"):
        faults.add(most < values[name], f"high {{}} is below {name} {{}}", high, values[name])
    for name in ("open", "close"):
        faults.add(least > values[name], f"low {{}} is above {name} {{}}", low, values[name])
    for name in ("volume", "count"):
        amounts = values[name]
        faults.add((amounts < 0) & (amounts != -1), f"{name} {{}} is negative (-1 stands for none)", amounts)
    faults.add(np.isinf(values["volume"]) | np.isinf(values["wap"]), "volume or wap is infinite")
