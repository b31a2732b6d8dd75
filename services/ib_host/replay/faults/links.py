"""Lost links between the gateway and IB."""

from typing import Final, Literal

from services.ib_host.replay.errors import RequestRefused, historical_service, unknown_contract
from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.faults.outages import Outage
from services.ib_host.replay.faults.rule import GatewayFault, Seconds
from services.ib_host.replay.faults.world import World
from services.ib_host.replay.messages import Inbound

_DATA_LOST: Final = 1101
_LOST: Final = {
    1100: "Connectivity between IB and Trader Workstation has been lost.",
    2110: "Connectivity between Trader Workstation and server is broken. It will be restored automatically.",
}
_BACK: Final = {
    _DATA_LOST: "Connectivity between IB and Trader Workstation has been restored- data lost.",
    1102: "Connectivity between IB and Trader Workstation has been restored- data maintained.",
}
HISTORY: Final = frozenset({int(Inbound.HISTORICAL_DATA), int(Inbound.HEAD_TIMESTAMP)})
"""The messages that need IB's history."""
_CONTRACTS: Final = frozenset({int(Inbound.CONTRACT_DETAILS), int(Inbound.MATCHING_SYMBOLS)})
_FARMS: Final = {
    "market": (2103, 2104, "Market data farm connection is {}:usfarm", frozenset[int]()),
    "hmds": (2105, 2106, "HMDS data farm connection is {}:ushmds", HISTORY),
    "secdef": (2157, 2158, "Sec-def data farm connection is {}:secdefil", _CONTRACTS),
}

FarmName = Literal["market", "hmds", "secdef"]
"""One of IB's data farms."""


class ConnectivityRule(GatewayFault):
    """The gateway loses IB, and has it back later; all clients are told."""

    action: Literal["connectivity"] = "connectivity"
    seconds: Seconds
    """How long IB is away."""
    code: Literal[1100, 2110] = 1100
    """What tells that it is lost."""
    back: Literal[1101, 1102] = 1102
    """1101: requests that were open or came meanwhile are never answered; 1102: they are answered in the end."""

    def happen(self, world: World) -> Outage:
        """Lose IB."""
        return lose_link(world, seconds=self.seconds, code=self.code, back=self.back)


class FarmRule(GatewayFault):
    """One of IB's data farms breaks, and is well again later; all clients are told."""

    action: Literal["farm"] = "farm"
    farm: FarmName = "hmds"
    """hmds has the history, secdef the contracts; nothing asked for here depends on the market farm."""
    seconds: Seconds
    """How long it is broken."""
    requests: Literal["error", "silent"] = "error"
    """What requests to it meet meanwhile: 162 or 200, or no answer."""

    def happen(self, world: World) -> Outage:
        """Break the farm."""
        return break_farm(world, self.farm, seconds=self.seconds, silent=self.requests == "silent")


def lose_link(world: World, *, seconds: float, code: int = 1100, back: int = 1102) -> Outage:
    """Lose IB for a while; with 1101 coming back, what was asked meanwhile is lost."""
    outage = Outage(
        trouble=RequestRefused(code, _LOST[code]),
        end=RequestRefused(back, _BACK[back]),
        messages=HISTORY | _CONTRACTS,
        treat=lambda asked: stay_open(asked) if back == _DATA_LOST else hold_until_over(outage, asked),
        loses_queries=back == _DATA_LOST,
    )
    world.outages.begin(outage, seconds=seconds)
    return outage


def break_farm(world: World, farm: FarmName, *, seconds: float, silent: bool = False) -> Outage:
    """Break a farm for a while."""
    broken, well, text, messages = _FARMS[farm]
    outage = Outage(
        trouble=RequestRefused(broken, text.format("broken")),
        end=RequestRefused(well, text.format("OK")),
        messages=messages,
        treat=stay_open if silent else refuse,
    )
    world.outages.begin(outage, seconds=seconds)
    return outage


def stay_open(exchange: Exchange) -> None:
    """Never answer; a query stays open until it is cancelled."""
    if exchange.is_query:
        exchange.queries.keep(exchange.request_id)


def refuse(exchange: Exchange) -> None:
    """Refuse a request as a gateway does whose farm is broken."""
    history = exchange.message_id in HISTORY
    refusal = historical_service("HMDS server disconnect occurred.  Attempting reconnection...")
    exchange.refuse(exchange.request_id, refusal if history else unknown_contract())


def hold_until_over(outage: Outage, exchange: Exchange) -> None:
    """Deal with a request once the trouble is over; not with a query that is cancelled meanwhile."""
    is_query = exchange.is_query
    stay_open(exchange)

    def resume() -> None:
        if not is_query or exchange.queries.release(exchange.request_id):
            exchange.proceed(exchange.connection)

    outage.held.append(resume)
