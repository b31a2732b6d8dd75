"""Data that this account does not get, for now or at all."""

from typing import Literal, Self

from pydantic import model_validator

from services.ib_host.replay.errors import RequestRefused, historical_service
from services.ib_host.replay.faults import messages
from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.faults.links import HISTORY
from services.ib_host.replay.faults.outages import Outage
from services.ib_host.replay.faults.rule import FaultRule, GatewayFault, Seconds
from services.ib_host.replay.faults.world import World

_NOT_SUBSCRIBED = {
    354: "Requested market data is not subscribed.",
    10089: "Requested market data requires additional subscription for API.",
    10090: "Part of requested market data is not subscribed.",
    10186: "Requested market data is not subscribed. Delayed market data is not enabled.",
    10189: "Failed to request tick-by-tick data.",
}


class PermissionRule(FaultRule):
    """The account has no subscription for what is asked for; with `exchange`, for what is listed there."""

    action: Literal["permission"] = "permission"
    code: Literal[162, 354, 10089, 10090, 10186, 10189] = 162
    """How the gateway says so; history meets 162."""

    def apply(self, exchange: Exchange) -> None:
        """Refuse."""
        if self.code == 162:
            place = self.exchange or messages.exchanges(exchange.fields)[0]
            kind = messages.security_type(exchange.fields)
            refusal = historical_service(f"No market data permissions for {place} {kind}".rstrip())
        else:
            refusal = RequestRefused(self.code, _NOT_SUBSCRIBED[self.code])
        exchange.refuse(exchange.request_id, refusal)

    @model_validator(mode="after")
    def _only_on_history(self) -> Self:
        if self.on not in HISTORY:
            message = "permission is possible on historical_data and head_timestamp only"
            raise ValueError(message)
        return self


class CompetingSessionRule(GatewayFault):
    """The user logs in elsewhere: history is refused until that session has ended."""

    action: Literal["competing_session"] = "competing_session"
    seconds: Seconds
    """How long the other session lasts."""
    code: Literal[162, 10197] = 162
    """How requests for history are refused meanwhile."""

    def happen(self, world: World) -> Outage:
        """Begin the other session."""
        refusal = (
            RequestRefused(10197, "No market data during competing live session")
            if self.code == 10197
            else historical_service("Trading TWS session is connected from a different IP address")
        )
        outage = Outage(
            trouble=None,
            end=None,
            messages=HISTORY,
            treat=lambda exchange: exchange.refuse(exchange.request_id, refusal),
        )
        world.outages.begin(outage, seconds=self.seconds)
        return outage
