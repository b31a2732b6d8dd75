"""Connections that end instead of carrying an answer."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from services.ib_host.replay.connection import encode
from services.ib_host.replay.faults.alteration import proceed_altered
from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.wire import Fields


class DisconnectRule(FaultRule):
    """Closes the connection in an orderly way: what was sent before arrives, then FIN."""

    action: Literal["disconnect"] = "disconnect"

    def apply(self, exchange: Exchange) -> None:
        """Close without an answer."""
        exchange.connection.finish()


class AbortRule(FaultRule):
    """Resets the connection: RST."""

    action: Literal["abort"] = "abort"

    def apply(self, exchange: Exchange) -> None:
        """Reset without an answer."""
        exchange.connection.reset()


class CutRule(FaultRule):
    """Sends the beginning of the answer, then resets the connection."""

    action: Literal["cut"] = "cut"
    size: int = Field(default=20, ge=1, le=4096)
    """How much of the answer's first frame goes out, with its four bytes of length; at least one byte stays behind."""

    def apply(self, exchange: Exchange) -> None:
        """Answer, and reset in the middle of it."""

        def cut(fields: Fields) -> Sequence[bytes]:
            frame = encode(fields)
            exchange.connection.write(frame[: min(self.size, len(frame) - 1)])
            exchange.connection.reset()
            return ()

        proceed_altered(exchange, cut)
