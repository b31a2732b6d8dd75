"""Bars as columns."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.training_host.bars.periods import DAY_NS
from services.training_host.instants import utc

PRICE_COLUMNS = ("open", "high", "low", "close")
COLUMNS = (*PRICE_COLUMNS, "volume")
DATED_BY_SESSION: Final = ("1w", "1month")
"""Bars whose date decides which week or month they are of; an instant in some zone could mean the one before."""


@dataclass(frozen=True, eq=False)
class Bars:
    """Bars of one symbol and timeframe, in the order of time.

    Attributes:
        symbol: The instrument.
        timeframe: Length of a bar, such as `1d`.
        times: Start of each bar, int64 nanoseconds since 1970 UTC; midnight of the session's date for daily and longer
            bars. Strictly ascending.
        open: First price of each bar, float64, in the instrument's currency; so are `high`, `low` and `close`.
        high: Highest price.
        low: Lowest price.
        close: Last price.
        volume: Traded volume, float64; negative where the kind of bar has none.
    """

    symbol: str
    timeframe: str
    times: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.times)

    def time(self, index: int) -> datetime:
        """Return the time of a bar, UTC."""
        return utc(int(self.times[index]))

    def rows(self, start: int, stop: int) -> "Bars":
        """Return the bars from index `start` up to, not including, `stop`."""
        part = slice(start, stop)
        return replace(self, times=self.times[part], **{name: getattr(self, name)[part] for name in COLUMNS})

    def where(self, kept: NDArray[np.bool_]) -> "Bars":
        """Return the bars for which `kept`, bool [bars], is true."""
        return replace(self, times=self.times[kept], **{name: getattr(self, name)[kept] for name in COLUMNS})

    def fingerprint(self) -> str:
        """Return the SHA-256 of symbol, timeframe, times and values, hexadecimal: the same on every machine."""
        digest = hashlib.sha256(f"{self.symbol}\n{self.timeframe}\n{len(self)}\n".encode())
        digest.update(self.times.astype("<i8").tobytes())
        for name in COLUMNS:
            digest.update(np.ascontiguousarray(getattr(self, name), "<f8").tobytes())
        return digest.hexdigest()


def faulty_bar(bars: Bars) -> str:
    """Say what is wrong with the first bar that cannot be trained on, or return an empty text."""
    if len(bars) > 1 and not (ascends := np.diff(bars.times) > 0).all():
        at = int(np.argmin(ascends)) + 1
        return f"the bar of {bars.time(at).isoformat()} does not follow the one before it in time"
    if bars.timeframe in DATED_BY_SESSION and (off := bars.times % DAY_NS != 0).any():
        return f"the time {bars.time(int(np.argmax(off))).isoformat()} is not midnight UTC of a session's date"
    for name in COLUMNS:
        column = getattr(bars, name)
        # Bars of kinds that know no volume have -1 there.
        good = np.isfinite(column) & (column > 0) if name in PRICE_COLUMNS else np.isfinite(column)
        if not good.all():
            at = int(np.argmin(good))
            return f"{name} of the bar of {bars.time(at).isoformat()} is {column[at]}"
    return ""
