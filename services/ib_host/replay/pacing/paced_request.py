"""A request for history, as the pacing rules see it."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.ib_host.replay.bars import INTRADAY_BAR_SIZES

_CONTRACT = slice(2, 14)
_BAR_SIZE_AT = 16
_WHAT_AT = 19
_END = 20
_SHORT_BAR_SECONDS = 30


@dataclass(frozen=True, slots=True)
class PacedRequest:
    """What decides which windows a request counts in.

    Attributes:
        request: everything but its id and the format of dates.
        series: contract, exchange and kind of price.
        weight: 2 for BID_ASK, which is two requests; else 1.
        short_bars: its bars are of 30 seconds or less.
    """

    request: tuple[str, ...]
    series: tuple[str, ...]
    weight: int
    short_bars: bool

    @classmethod
    def read(cls, fields: Sequence[str]) -> "PacedRequest | None":
        """Return the request that a message 20 makes; None where fields are missing, as it will be refused anyway."""
        if len(fields) < _END:
            return None
        size = INTRADAY_BAR_SIZES.get(fields[_BAR_SIZE_AT])
        what = fields[_WHAT_AT]
        return cls(
            request=tuple(fields[2:_END]),
            series=(*fields[_CONTRACT], what),
            weight=2 if what == "BID_ASK" else 1,
            short_bars=size is not None and size.seconds <= _SHORT_BAR_SECONDS,
        )
