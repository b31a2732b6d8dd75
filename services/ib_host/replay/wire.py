"""Replies as fields. All differences between protocol versions are here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from services.ib_host.replay.bars import Bar
from services.ib_host.replay.errors import RequestRefused
from services.ib_host.replay.fields import Field
from services.ib_host.replay.hours import MarketHours
from services.ib_host.replay.instruments import Instrument
from services.ib_host.replay.market import NEW_YORK
from services.ib_host.replay.messages import Outbound

MIN_VERSION = 157
MAX_VERSION = 178
"""The newest client library with text messages asks for no more. Later versions change more than the fields here."""

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
        last_day = f"{instrument.expiry:%Y%m%d}" if instrument.expiry else ""
        fields += [request_id, instrument.symbol, instrument.security_type, last_day, 0, "", exchange]
        fields += [instrument.currency, instrument.local_name]
        fields += [instrument.trading_class, instrument.trading_class, instrument.con_id, instrument.min_tick]
        if self.version < 164:
            fields.append(100)  # multiplier of market data sizes
        fields += [instrument.multiplier, "LMT,MKT", ",".join(instrument.exchanges), 1, 0, instrument.name]
        fields += ["" if instrument.expiry else instrument.primary_exchange]
        fields += [instrument.contract_month, instrument.industry, instrument.category, instrument.subcategory]
        fields.append(instrument.hours.zone_on_the_wire)
        fields += [hours.trading, hours.liquid, "", ""]
        fields.append(0)  # no further ids of the security
        fields += [
            1,
            instrument.symbol if instrument.expiry else "",
            "IND" if instrument.expiry else "",
            ",".join("26" for _ in instrument.exchanges),
            last_day,
            "COMMON" if instrument.security_type == "STK" else "",
        ]
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
            fields += [instrument.con_id, instrument.symbol, instrument.security_type]
            fields += [instrument.primary_exchange, instrument.currency, 0]
            if self.version >= 176:
                fields += [instrument.name, ""]
        return fields

    def historical_data(
        self,
        request_id: int,
        start: datetime,
        end: datetime,
        bars: Iterable[Bar],
        *,
        hours: MarketHours,
        date_format: int,
    ) -> Fields:
        """The whole answer to a request for bars.

        Bars of a day or longer are dated, whatever date format was asked for. Of shorter ones the start is told: in
        epoch seconds (format 2) or by the instrument's local clock (format 1).
        """
        values = [
            value
            for bar in bars
            for value in (
                *(self._time(bar, hours, date_format), bar.open, bar.high, bar.low, bar.close),
                *(bar.volume, bar.average, bar.count),
            )
        ]
        return [
            Outbound.HISTORICAL_DATA,
            request_id,
            self._local(start, hours),
            self._local(end, hours),
            len(values) // 8,
            *values,
        ]

    def head_timestamp(self, request_id: int, first: datetime, date_format: int) -> Fields:
        """When the recorded history of a contract starts: UTC as text (format 1) or in epoch seconds (format 2)."""
        text = int(first.timestamp()) if date_format == 2 else f"{first.astimezone(UTC):%Y%m%d-%H:%M:%S}"
        return [Outbound.HEAD_TIMESTAMP, request_id, text]

    def schedule(
        self,
        request_id: int,
        start: datetime,
        end: datetime,
        sessions: Iterable[tuple[date, datetime, datetime]],
        hours: MarketHours,
    ) -> Fields:
        """The sessions of an instrument: of each its date, opening and closing, told by the local clock."""
        values = [
            text
            for session, opening, closing in sessions
            for text in (_schedule_time(opening, hours), _schedule_time(closing, hours), f"{session:%Y%m%d}")
        ]
        span = [_schedule_time(start, hours), _schedule_time(end, hours), hours.zone_on_the_wire]
        return [Outbound.HISTORICAL_SCHEDULE, request_id, *span, len(values) // 3, *values]

    def _time(self, bar: Bar, hours: MarketHours, date_format: int) -> str:
        if bar.start is None:
            return f"{bar.session:%Y%m%d}"
        return str(int(bar.start.timestamp())) if date_format == 2 else self._local(bar.start, hours)

    def _local(self, instant: datetime, hours: MarketHours) -> str:
        local = instant.astimezone(hours.zone)
        if self.version >= 174:
            return f"{local:%Y%m%d %H:%M:%S} {hours.zone_on_the_wire}"
        return f"{local:%Y%m%d  %H:%M:%S}"


def _schedule_time(instant: datetime, hours: MarketHours) -> str:
    return f"{instant.astimezone(hours.zone):%Y%m%d-%H:%M:%S}"
