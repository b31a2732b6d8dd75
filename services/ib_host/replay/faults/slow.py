"""Answers that take the longer the more is asked for."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from services.ib_host.replay.connection import encode
from services.ib_host.replay.durations import Duration
from services.ib_host.replay.faults.alteration import proceed_altered
from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.faults.messages import duration
from services.ib_host.replay.faults.rule import FaultRule, Seconds
from services.ib_host.replay.messages import Inbound, Outbound
from services.ib_host.replay.wire import Fields

_COUNT_AT = 4


class SlowRule(FaultRule):
    """Sends an answer with bars later, the later the more bars it has and the longer the span that was asked for.

    A query that is cancelled meanwhile is never answered.
    """

    action: Literal["slow"] = "slow"
    seconds: Seconds = 0.0
    """For every answer."""
    jitter: Seconds = 0.0
    """Up to so much more, drawn anew for each answer."""
    per_thousand_bars: Seconds = 0.0
    """For each thousand bars of the answer, beyond the free ones."""
    free_bars: int = Field(default=0, ge=0)
    """So many bars take no time."""
    per_day: Seconds = 0.0
    """For each trading day of the span, beyond the free ones; a week is five."""
    free_days: float = Field(default=0.0, ge=0)
    """So many trading days take no time."""

    def apply(self, exchange: Exchange) -> None:
        """Answer, as late as the answer is big."""

        def later(fields: Fields) -> Sequence[bytes]:
            if fields[0] != Outbound.HISTORICAL_DATA:
                return [encode(fields)]
            exchange.queries.keep(exchange.request_id)

            def send_if_open() -> None:
                if exchange.queries.release(exchange.request_id, "answered"):
                    exchange.connection.send(fields)

            bars = int(fields[_COUNT_AT] or 0)
            exchange.background.later(self._seconds(exchange, bars), send_if_open)
            return ()

        proceed_altered(exchange, later)

    def _seconds(self, exchange: Exchange, bars: int) -> float:
        asked = Duration.parse(duration(exchange.fields))
        days = asked.calendar_days * 5 / 7 if asked else 0.0
        return (
            self.seconds
            + exchange.draw.uniform(0, self.jitter)
            + self.per_thousand_bars * max(0, bars - self.free_bars) / 1000
            + self.per_day * max(0.0, days - self.free_days)
        )

    @model_validator(mode="after")
    def _only_on_bars(self) -> Self:
        if self.on != Inbound.HISTORICAL_DATA:
            message = "slow is possible on historical_data only: use delay"
            raise ValueError(message)
        if not (self.seconds or self.jitter or self.per_thousand_bars or self.per_day):
            message = "slow needs one of the keys seconds, jitter, per_thousand_bars and per_day"
            raise ValueError(message)
        return self
