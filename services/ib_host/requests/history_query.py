"""What a request for bars asks."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BarLength
from services.ib_host.planning.chunks import Ask

_SHORT: Final = timedelta(seconds=30)


@dataclass(frozen=True)
class HistoryQuery:
    """One request for bars.

    Attributes:
        instrument: as the gateway described it.
        bar: length of the bars.
        what: what they show, in IB's words.
        use_rth: regular trading hours only.
        ask: end and duration.
    """

    instrument: bars_pb2.Instrument
    bar: BarLength
    what: str
    use_rth: bool
    ask: Ask

    @property
    def short_bars(self) -> bool:
        """Whether IB's hard pacing rules apply."""
        return self.bar.length <= _SHORT

    @property
    def series(self) -> tuple[int, str, str]:
        """What IB counts together."""
        return (self.instrument.contract_id, self.instrument.exchange, self.what)

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes two requests identical."""
        return (*self.series, self.bar.setting, self.use_rth, self.ask.end, str(self.ask.duration))
