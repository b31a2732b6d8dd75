"""Connections that end instead of carrying an answer."""

from typing import Literal

from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.faults.rule import FaultRule


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
