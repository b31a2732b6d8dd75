"""When a fault happens."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from services.ib_host.replay.faults.messages import CLOCK, WITH_A_CONTRACT, WITH_A_SYMBOL, message_id
from services.ib_host.replay.faults.moments import When
from services.ib_host.replay.messages import Inbound

if TYPE_CHECKING:  # they know rules
    from services.ib_host.replay.faults.exchange import Exchange
    from services.ib_host.replay.faults.outages import Outage
    from services.ib_host.replay.faults.world import World

Message = Annotated[int, BeforeValidator(message_id)]
"""A message of a client, by id or name."""

Seconds = Annotated[float, Field(ge=0, le=86_400)]
"""A time to wait."""


class FaultRule(BaseModel, ABC):
    """Which messages a fault happens to. Each action is a subclass with its own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    action: str
    """What happens; each subclass has its own."""
    on: Message
    """Message that the rule is for; `clock` for no message."""
    name: str = Field(default="", max_length=80)
    """What the journal and the log call the rule; its place in the file, where it has no name."""
    symbol: str = Field(default="", max_length=40)
    """Only messages that name this symbol."""
    exchange: str = Field(default="", max_length=20)
    """Only messages about a contract that is asked for, or listed, at this exchange."""
    bar_size: str = Field(default="", max_length=10)
    """Only requests for bars of this size, in IB's words: `1 min`."""
    what: str = Field(default="", max_length=20)
    """Only requests for this kind of bars: `TRADES`."""
    client_id: int | None = Field(default=None, ge=0)
    """Only messages of this client."""
    nth: int = Field(default=1, ge=1)
    """The first of the matching messages that counts; 1 is the first of all."""
    times: int | None = Field(default=None, ge=1)
    """How often the fault happens at most."""
    probability: float = Field(default=1.0, gt=0, le=1)
    """How likely it happens to each message."""
    begin: When = 0.0
    """From when on the rule is in force."""
    end: When | None = None
    """Until when it is in force."""

    @abstractmethod
    def apply(self, exchange: "Exchange") -> None:
        """Do to a message what the rule says, instead of what is usual."""

    @model_validator(mode="after")
    def _matches_only_what_messages_have(self) -> Self:
        possible: Sequence[tuple[str, object, frozenset[int]]] = (
            ("symbol", self.symbol, WITH_A_SYMBOL),
            ("exchange", self.exchange, WITH_A_CONTRACT),
            ("what", self.what, frozenset({int(Inbound.HISTORICAL_DATA), int(Inbound.HEAD_TIMESTAMP)})),
            ("bar_size", self.bar_size, frozenset({int(Inbound.HISTORICAL_DATA)})),
        )
        for key, value, messages in possible:
            if value and self.on not in messages and not (key == "symbol" and self.on == CLOCK):
                names = ", ".join(Inbound(message).name.lower() for message in sorted(messages))
                message = f"{key} is possible only for messages that name one: {names}"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        begin, end = self.begin, self.end
        if isinstance(begin, datetime) and isinstance(end, datetime):
            wrong = end <= begin
        else:
            wrong = isinstance(begin, float) and isinstance(end, float) and end <= begin
        if wrong:
            message = "end should be later than begin"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _by_the_clock_only_what_needs_no_message(self) -> Self:
        if self.on != CLOCK or isinstance(self, GatewayFault):
            return self
        message = f'{self.action} happens to a message: on = "clock" is for what happens to the whole gateway'
        raise ValueError(message)


class GatewayFault(FaultRule):
    """A fault of the whole gateway: it happens when a message meets the rule, or when its time has come."""

    every: float | None = Field(default=None, gt=0, le=366 * 86_400)
    """With `clock`: seconds until it happens again."""

    @abstractmethod
    def happen(self, world: "World") -> "Outage | None":
        """Begin the fault; return the trouble that messages meet meanwhile, where there is one."""

    def apply(self, exchange: "Exchange") -> None:
        """Begin the fault; the message meets what all that follow meet."""
        outage = self.happen(exchange.world)
        if exchange.connection.is_closing:
            return
        if outage is not None and exchange.message_id in outage.messages:
            outage.treat(exchange)
        else:
            exchange.proceed(exchange.connection)

    @model_validator(mode="after")
    def _repeats_only_by_the_clock(self) -> Self:
        if self.every is not None and self.on != CLOCK:
            message = 'the key every has a meaning only with on = "clock"'
            raise ValueError(message)
        return self
