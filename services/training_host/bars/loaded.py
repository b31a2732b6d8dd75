"""Bars together with where they came from."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ktrdr.host.v1.session_pb2 import DatasetUse
from ktrdr.ib.v1.bars_pb2 import Source

from services.training_host.bars.series import Bars
from services.training_host.strategy.training_data import TIMEFRAMES


@dataclass(frozen=True, eq=False)
class LoadedBars:
    """Bars of a strategy's range.

    Attributes:
        series: Bars by symbol and timeframe, in the order of the strategy's symbols and, within each, of its
            timeframes, the shortest first. Each has at least one bar.
        origin: Where they came from, for people: a path, or the IB host's address and datasets.
        source: Real or recorded; unspecified for a file.
        datasets: What they are a part of, as it was when they were read: one for each series, or one in all for a file.
    """

    series: Mapping[tuple[str, str], Bars]
    origin: str
    source: Source.ValueType
    datasets: Sequence[DatasetUse]

    @property
    def count(self) -> int:
        """Bars of all series together."""
        return sum(len(bars) for bars in self.series.values())

    @property
    def first_time(self) -> datetime:
        """Time of the first bar of the base timeframe, UTC."""
        return min(bars.time(0) for bars in self._base())

    @property
    def last_time(self) -> datetime:
        """Time of the last bar of the base timeframe, UTC."""
        return max(bars.time(-1) for bars in self._base())

    def fingerprint(self) -> str:
        """Return the SHA-256 over all series, hexadecimal: of one its own, of several that of their fingerprints."""
        fingerprints = [bars.fingerprint() for bars in self.series.values()]
        if len(fingerprints) == 1:
            return fingerprints[0]
        return hashlib.sha256("".join(f"{fingerprint}\n" for fingerprint in fingerprints).encode()).hexdigest()

    def _base(self) -> list[Bars]:
        base = min((timeframe for _, timeframe in self.series), key=TIMEFRAMES.index)
        return [bars for (_, timeframe), bars in self.series.items() if timeframe == base]
