"""Answers that trickle."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from services.ib_host.replay.connection import encode
from services.ib_host.replay.faults.alteration import proceed_altered
from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.faults.rule import FaultRule, Seconds
from services.ib_host.replay.wire import Fields


class DripRule(FaultRule):
    """Sends the first frame of the answer piece by piece; whatever else there is to send waits behind it."""

    action: Literal["drip"] = "drip"
    seconds: Seconds
    """Time between two pieces."""
    size: int = Field(default=64, ge=1)
    """Bytes of a piece."""

    def apply(self, exchange: Exchange) -> None:
        """Answer bit by bit."""

        def drip(fields: Fields) -> Sequence[bytes]:
            frame = encode(fields)
            exchange.connection.hold()
            self._send(exchange, [frame[at : at + self.size] for at in range(0, len(frame), self.size)])
            return ()

        proceed_altered(exchange, drip)

    def _send(self, exchange: Exchange, pieces: Sequence[bytes]) -> None:
        first, *others = pieces
        exchange.connection.write_past_hold(first)
        if others:
            exchange.background.later(self.seconds, lambda: self._send(exchange, others))
        else:
            exchange.connection.let_go()
