"""When a fault happens."""

from abc import ABC, abstractmethod
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.faults.messages import WITH_A_SYMBOL, message_id

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
    """Message that the rule is for."""
    name: str = Field(default="", max_length=80)
    """What the journal and the log call the rule; its place in the file, where it has no name."""
    symbol: str = Field(default="", max_length=40)
    """Only messages that name this symbol."""
    nth: int = Field(default=1, ge=1)
    """The first of the matching messages that counts; 1 is the first of all."""
    times: int | None = Field(default=None, ge=1)
    """How often the fault happens at most."""
    probability: float = Field(default=1.0, gt=0, le=1)
    """How likely it happens to each message."""

    @abstractmethod
    def apply(self, exchange: Exchange) -> None:
        """Do to a message what the rule says, instead of what is usual."""

    @model_validator(mode="after")
    def _symbol_only_where_there_is_one(self) -> Self:
        if self.symbol and self.on not in WITH_A_SYMBOL:
            message = "symbol is possible only for messages that name one: contract_details, historical_data, \
matching_symbols, head_timestamp"
            raise ValueError(message)
        return self
