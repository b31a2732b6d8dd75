"""Other answers than the usual one, or none, or the usual one too late."""

from typing import Literal, Self

from pydantic import Field, model_validator

from services.ib_host.replay.errors import NOT_A_REQUEST, RequestRefused, message_rate, pacing_violation
from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.faults.messages import HANDSHAKE
from services.ib_host.replay.faults.rule import FaultRule, Seconds
from services.ib_host.replay.messages import Inbound

_TOO_MANY_MESSAGES = 100
_PACING = {
    _TOO_MANY_MESSAGES: message_rate(most=50, received=51, strike=1),
    162: pacing_violation(),
    420: RequestRefused(420, "Invalid Real-time Query:Historical data request pacing violation"),
}


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
    jitter: Seconds = 0.0
    """Up to so much more, drawn anew for each message."""

    def apply(self, exchange: Exchange) -> None:
        """Wait, then go on as usual."""
        seconds = self.seconds + exchange.draw.uniform(0, self.jitter)
        if not exchange.is_query:
            exchange.background.later(seconds, lambda: exchange.proceed(exchange.connection))
            return
        exchange.queries.keep(exchange.request_id)

        def answer_if_open() -> None:
            if exchange.queries.release(exchange.request_id):
                exchange.proceed(exchange.connection)

        exchange.background.later(seconds, answer_if_open)


class LateRule(FaultRule):
    """Answers a query for history later, also when it has been cancelled meanwhile."""

    action: Literal["late"] = "late"
    seconds: Seconds
    """How much later."""

    def apply(self, exchange: Exchange) -> None:
        """Wait, then answer whatever has happened."""
        if not exchange.is_query:
            exchange.proceed(exchange.connection)
            return
        exchange.queries.keep(exchange.request_id)

        def answer() -> None:
            exchange.queries.release(exchange.request_id)
            exchange.proceed(exchange.connection)

        exchange.background.later(self.seconds, answer)

    @model_validator(mode="after")
    def _only_what_can_be_cancelled(self) -> Self:
        if self.on != Inbound.HISTORICAL_DATA:
            message = "late is possible on historical_data only, which can be cancelled: use delay"
            raise ValueError(message)
        return self


class InfoRule(FaultRule):
    """Sends a notice that ends nothing, then deals with the message as usual."""

    action: Literal["info"] = "info"
    code: int = Field(default=2174, ge=1, le=99_999)
    """IB's code of the notice: 165, or one of 2100 to 2199."""
    text: str = "Warning: this is only a notice"
    """What the client gets to read."""
    to: Literal["request", "connection"] = "request"
    """Whether it carries the id of the request."""

    def apply(self, exchange: Exchange) -> None:
        """Send the notice, and go on."""
        request_id = exchange.request_id if self.to == "request" else NOT_A_REQUEST
        exchange.refuse(request_id, RequestRefused(self.code, self.text))
        exchange.proceed(exchange.connection)

    @model_validator(mode="after")
    def _not_before_the_start(self) -> Self:
        if self.on in {HANDSHAKE, Inbound.START_API}:
            message = "info is possible only for messages that follow the start: some clients lose what comes before"
            raise ValueError(message)
        return self


class PacingRule(FaultRule):
    """Says that the client asks too fast."""

    action: Literal["pacing"] = "pacing"
    code: Literal[100, 162, 420] = 162
    """162: too much history in a time; 100: too many messages in a second; 420: too many requests for one thing."""

    def apply(self, exchange: Exchange) -> None:
        """Send the error; that for messages per second belongs to no request."""
        request_id = NOT_A_REQUEST if self.code == _TOO_MANY_MESSAGES else exchange.request_id
        exchange.refuse(request_id, _PACING[self.code])

    @model_validator(mode="after")
    def _not_before_the_start(self) -> Self:
        if self.on in {HANDSHAKE, Inbound.START_API}:
            message = "pacing is possible only for messages that follow the start"
            raise ValueError(message)
        return self
