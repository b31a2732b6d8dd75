"""Client ids that stay taken."""

from typing import Literal, Self

from pydantic import model_validator

from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.faults.rule import FaultRule, Seconds
from services.ib_host.replay.messages import Inbound


class ZombieClientIdRule(FaultRule):
    """Keeps the id of a client taken for a while after it has left: who comes back with it meets error 326."""

    action: Literal["zombie_client_id"] = "zombie_client_id"
    seconds: Seconds
    """How long after."""

    def apply(self, exchange: Exchange) -> None:
        """Let the client in."""
        exchange.keep_client_id(self.seconds)
        exchange.proceed(exchange.connection)

    @model_validator(mode="after")
    def _only_at_the_start(self) -> Self:
        if self.on != Inbound.START_API:
            message = "zombie_client_id is possible on start_api only, which names the client id"
            raise ValueError(message)
        return self
