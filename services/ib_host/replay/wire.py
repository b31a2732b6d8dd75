"""Replies as fields. All differences between protocol versions are here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from services.ib_host.replay.bars import Bar
from services.ib_host.replay.errors import RequestRefused
from services.ib_host.replay.fields import Field
from services.ib_host.replay.instruments import Instrument
from services.ib_host.replay.market import NEW_YORK, NEW_YORK_ON_THE_WIRE
from services.ib_host.replay.messages import Outbound

MIN_VERSION = 157
MAX_VERSION = 176

Fields = Sequence[Field]


@dataclass(frozen=True, slots=True)
class TradingHours:
    """A contract's hours, in the notation of contract details.

    Attributes:
        trading: with the hours before and after the regular session.
        liquid: the regular session only.
    """

    trading: str
    liquid: str


def negotiate(client_min: int, client_max: int, own_max: int) -> int | None:
    """Return the version that both sides speak, or None: the lower maximum, unless it is below either minimum."""
    version = min(client_max, own_max)
    return version if version >= max(client_min, MIN_VERSION) else None


class Wire:
    """Replies in one version of the protocol.

    Args:
        version: what was agreed on in the handshake.
    """

    def __init__(self, version: int) -> None:
        self.version = version

    def handshake(self, now: datetime) -> Fields:
        """The answer to a client's greeting: the version, and the connection time in New York."""
        return [self.version, f"{now.astimezone(NEW_YORK):%Y%m%d %H:%M:%S %Z}"]

    def error(self, request_id: int, refusal: RequestRefused) -> Fields:
        """An error, warning or notice."""
        fields: list[Field] = [Outbound.ERROR, 2, request_id, refusal.code, refusal.text]
        if self.version >= 166:
            fields.append("")  # details of rejected orders
        return fields

    def contract_data(self, request_id: int, instrument: Instrument, exchange: str, hours: TradingHours) -> Fields:
        """One contract's details."""
        fields: list[Field] = [Outbound.CONTRACT_DATA]
        if self.version < 164:
            fields.append(8)
        fields += [request_id, instrument.symbol, "STK", "", 0, "", exchange, "USD", instrument.symbol]
        fields += [instrument.trading_class, instrument.trading_class, instrument.con_id, 0.01]
        if self.version < 164:
            fields.append(100)  # multiplier of market data sizes
        fields += ["", "LMT,MKT", ",".join(instrument.exchanges), 1, 0, instrument.name, instrument.primary_exchange]
        fields += ["", instrument.industry, instrument.category, instrument.subcategory, NEW_YORK_ON_THE_WIRE]
        fields += [hours.trading, hours.liquid, "", ""]
        fields.append(0)  # no further ids of the security
        fields += [1, "", "", ",".join("26" for _ in instrument.exchanges), "", "COMMON"]
        if self.version == 163:
            fields.append(1)
        if self.version >= 164:
            fields += [1, 1, 100]
        return fields

    def contract_data_end(self, request_id: int) -> Fields:
        """All contracts that fit have been sent."""
        return [Outbound.CONTRACT_DATA_END, 1, request_id]

    def symbol_samples(self, request_id: int, found: Sequence[Instrument]) -> Fields:
        """Stocks that fit a pattern; none has derivatives here."""
        fields: list[Field] = [Outbound.SYMBOL_SAMPLES, request_id, len(found)]
        for instrument in found:
            fields += [instrument.con_id, instrument.symbol, "STK", instrument.primary_exchange, "USD", 0]
            if self.version >= 176:
                fields += [instrument.name, ""]
        return fields

    def historical_data(self, request_id: int, start: datetime, end: datetime, bars: Iterable[Bar]) -> Fields:
        """The whole answer to a request for bars of a day or longer: dated, whatever date format was asked for."""
        values = [
            value
            for bar in bars
            for value in (
                *(f"{bar.session:%Y%m%d}", bar.open, bar.high, bar.low, bar.close),
                *(bar.volume, bar.average, bar.count),
            )
        ]
        return [Outbound.HISTORICAL_DATA, request_id, self._local(start), self._local(end), len(values) // 8, *values]

    def head_timestamp(self, request_id: int, first: datetime, date_format: int) -> Fields:
        """When the recorded history of a contract starts: UTC as text (format 1) or in epoch seconds (format 2)."""
        text = int(first.timestamp()) if date_format == 2 else f"{first.astimezone(UTC):%Y%m%d-%H:%M:%S}"
        return [Outbound.HEAD_TIMESTAMP, request_id, text]

    def _local(self, instant: datetime) -> str:
        local = instant.astimezone(NEW_YORK)
        if self.version >= 174:
            return f"{local:%Y%m%d %H:%M:%S} {NEW_YORK_ON_THE_WIRE}"
        return f"{local:%Y%m%d  %H:%M:%S}"
