"""Other answers than the usual one, or none, or the usual one too late."""

from typing import Literal, Self

from pydantic import Field, model_validator

from services.ib_host.replay.errors import RequestRefused
from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.faults.messages import HANDSHAKE
from services.ib_host.replay.faults.rule import FaultRule, Seconds
from services.ib_host.replay.messages import Inbound


class ErrorRule(FaultRule):
    """Answers with an error."""

    action: Literal["error"] = "error"
    code: int = Field(ge=1, le=99_999)
    """IB's error code."""
    text: str
    """What the client gets to read; it decides what code 162 means."""

    def apply(self, exchange: Exchange) -> None:
        """Send the error under the request's id; a client that is not let in is left, too."""
        exchange.refuse(exchange.request_id, RequestRefused(self.code, self.text))
        if exchange.message_id == Inbound.START_API:
            exchange.connection.finish()

    @model_validator(mode="after")
    def _not_before_the_protocol_is_agreed(self) -> Self:
        if self.on == HANDSHAKE:
            message = "a greeting cannot be answered with an error: use disconnect, abort, silent or delay"
            raise ValueError(message)
        return self


class SilentRule(FaultRule):
    """Never answers."""

    action: Literal["silent"] = "silent"

    def apply(self, exchange: Exchange) -> None:
        """Do nothing; a query for history stays open until the client cancels it."""
        if exchange.is_query:
            exchange.queries.keep(exchange.request_id)


class DelayRule(FaultRule):
    """Deals with the message later. A query that is cancelled meanwhile is not answered."""

    action: Literal["delay"] = "delay"
    seconds: Seconds
    """How much later."""

    def apply(self, exchange: Exchange) -> None:
        """Wait, then go on as usual."""
        if not exchange.is_query:
            exchange.background.later(self.seconds, lambda: exchange.proceed(exchange.connection))
            return
        exchange.queries.keep(exchange.request_id)

        def answer_if_open() -> None:
            if exchange.queries.release(exchange.request_id):
                exchange.proceed(exchange.connection)

        exchange.background.later(self.seconds, answer_if_open)
