"""Bars that cannot be right."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2

from services.common.timestamps import to_timestamp
from services.ib_host.revisions.factor import NOISE
from services.ib_host.store.columns import instant, times_of

_PRICES: Final = ("open", "high", "low", "close")
_UNKNOWN: Final = -1
_QUOTES: Final = frozenset({bars_pb2.WHAT_TO_SHOW_BID, bars_pb2.WHAT_TO_SHOW_ASK})
_ALWAYS_POSITIVE: Final = frozenset({bars_pb2.SECURITY_TYPE_STOCK, bars_pb2.SECURITY_TYPE_FOREX})
MOST_FAULTS: Final = 100
COLUMNS: Final = ("time", *_PRICES, "volume", "count")
"""The columns that are looked at."""


def prices_are_positive(key: bars_pb2.DatasetKey) -> bool:
    """Tell whether a price of zero or less cannot be.

    Futures and some indices have had such prices; a bid or ask of 0 or -1 stands for no quote.
    """
    return key.instrument.security_type in _ALWAYS_POSITIVE and key.what_to_show not in _QUOTES


class Soundness:
    """Looks at bars, table after table in the order in which they are stored.

    Args:
        positive: a price of zero or less is a fault.
    """

    def __init__(self, *, positive: bool) -> None:
        self._positive = positive
        self._before: int | None = None
        self.duplicates = 0
        self.unordered = 0
        self.impossible = 0
        self.faults: list[bars_pb2.BarFault] = []

    @property
    def sound(self) -> bool:
        """Whether no bar was at fault."""
        return not (self.duplicates or self.unordered or self.impossible)

    def look(self, table: pa.Table) -> None:
        """Look at some bars, with at least the columns `COLUMNS`."""
        times = times_of(table)
        if not len(times):
            return
        before = np.concatenate(([times[0] - 1 if self._before is None else self._before], times[:-1]))
        self._before = int(times[-1])
        twice, backward = times == before, times < before
        prices = np.stack([table.column(name).to_numpy() for name in _PRICES])
        volumes, counts = (table.column(name).to_numpy() for name in ("volume", "count"))
        impossible = self._impossible(prices) | _bad_amount(volumes) | _bad_amount(counts)
        self.duplicates += int(twice.sum())
        self.unordered += int(backward.sum())
        self.impossible += int(impossible.sum())
        for row in np.flatnonzero(twice | backward | impossible)[: MOST_FAULTS - len(self.faults)]:
            texts = ["has the time of another bar"] if twice[row] else []
            texts += ["is stored after a later one"] if backward[row] else []
            texts += self._texts(prices[:, row], float(volumes[row]), int(counts[row])) if impossible[row] else []
            fault = bars_pb2.BarFault(time=to_timestamp(instant(int(times[row]))), text=", ".join(texts))
            self.faults.append(fault)

    def _impossible(self, prices: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        opening, high, low, close = prices
        top, bottom = np.maximum(opening, close), np.minimum(opening, close)
        with np.errstate(invalid="ignore"):
            slack = NOISE * np.maximum(np.abs(high), np.abs(low))
            # What is not finite makes this sum so, and a comparison with it false.
            right = np.isfinite(top + bottom + high + low) & (top - high <= slack) & (low - bottom <= slack)
            right &= low - high <= slack
            impossible: npt.NDArray[np.bool_] = ~right
            return impossible | (np.minimum(bottom, low) <= 0.0) if self._positive else impossible

    def _texts(self, prices: npt.NDArray[np.float64], volume: float, count: int) -> list[str]:
        """Return what is wrong with a bar, for people."""
        opening, high, low, close = (float(price) for price in prices)
        named = dict(zip(_PRICES, (opening, high, low, close), strict=True))
        texts = [f"{name} is {price}" for name, price in named.items() if not np.isfinite(price)]
        if not texts:
            slack = NOISE * max(abs(price) for price in named.values())
            texts += [
                f"high {high:g} is below {name} {named[name]:g}"
                for name in ("open", "close", "low")
                if named[name] - high > slack
            ]
            texts += [
                f"low {low:g} is above {name} {named[name]:g}"
                for name in ("open", "close")
                if low - named[name] > slack
            ]
            texts += [
                f"{name} {price:g} is not positive" for name, price in named.items() if price <= 0 and self._positive
            ]
        texts += [f"volume is {volume:g}"] if _bad_amount(np.array([volume]))[0] else []
        texts += [f"count is {count}"] if _bad_amount(np.array([count]))[0] else []
        return texts


def _bad_amount(values: "npt.NDArray[np.float64] | npt.NDArray[np.int64]") -> npt.NDArray[np.bool_]:
    bad: npt.NDArray[np.bool_] = ~np.isfinite(values) | ((values < 0) & (values != _UNKNOWN))
    return bad
