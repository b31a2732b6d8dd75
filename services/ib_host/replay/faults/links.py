"""Lost links between the gateway and IB."""

from typing import Final, Literal

from services.ib_host.replay.errors import RequestRefused, historical_service, unknown_contract
from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.faults.outages import Outage
from services.ib_host.replay.faults.rule import FaultRule, Seconds
from services.ib_host.replay.messages import Inbound

_DATA_LOST: Final = 1101
_LOST: Final = RequestRefused(1100, "Connectivity between IB and Trader Workstation has been lost.")
_BACK: Final = {
    _DATA_LOST: "Connectivity between IB and Trader Workstation has been restored- data lost.",
    1102: "Connectivity between IB and Trader Workstation has been restored- data maintained.",
}
_HISTORY: Final = frozenset({int(Inbound.HISTORICAL_DATA), int(Inbound.HEAD_TIMESTAMP)})
_CONTRACTS: Final = frozenset({int(Inbound.CONTRACT_DETAILS), int(Inbound.MATCHING_SYMBOLS)})
_FARMS: Final = {
    "market": (2103, 2104, "Market data farm connection is {}:usfarm", frozenset[int]()),
    "hmds": (2105, 2106, "HMDS data farm connection is {}:ushmds", _HISTORY),
    "secdef": (2157, 2158, "Sec-def data farm connection is {}:secdefil", _CONTRACTS),
}


class ConnectivityRule(FaultRule):
    """The gateway loses IB, and has it back later; all clients are told."""

    action: Literal["connectivity"] = "connectivity"
    seconds: Seconds
    """How long IB is away."""
    back: Literal[1101, 1102] = 1102
    """1101: requests that were open or came meanwhile are never answered; 1102: they are answered in the end."""

    def apply(self, exchange: Exchange) -> None:
        """Lose IB; the message meets what all requests for data meet then."""
        outage = Outage(
            trouble=_LOST,
            end=RequestRefused(self.back, _BACK[self.back]),
            messages=_HISTORY | _CONTRACTS,
            treat=lambda asked: stay_open(asked) if self.back == _DATA_LOST else hold_until_over(outage, asked),
            loses_queries=self.back == _DATA_LOST,
        )
        exchange.outages.begin(outage, seconds=self.seconds)
        treat_or_proceed(outage, exchange)


class FarmRule(FaultRule):
    """One of IB's data farms breaks, and is well again later; all clients are told."""

    action: Literal["farm"] = "farm"
    farm: Literal["market", "hmds", "secdef"] = "hmds"
    """hmds has the history, secdef the contracts; nothing asked for here depends on the market farm."""
    seconds: Seconds
    """How long it is broken."""
    requests: Literal["error", "silent"] = "error"
    """What requests to it meet meanwhile: 162 or 200, or no answer."""

    def apply(self, exchange: Exchange) -> None:
        """Break the farm; the message meets what all requests meet then."""
        broken, well, text, messages = _FARMS[self.farm]
        outage = Outage(
            trouble=RequestRefused(broken, text.format("broken")),
            end=RequestRefused(well, text.format("OK")),
            messages=messages,
            treat=stay_open if self.requests == "silent" else refuse,
        )
        exchange.outages.begin(outage, seconds=self.seconds)
        treat_or_proceed(outage, exchange)


def treat_or_proceed(outage: Outage, exchange: Exchange) -> None:
    """Deal with the message that began a trouble: as with any other while it lasts."""
    if exchange.message_id in outage.messages:
        outage.treat(exchange)
    else:
        exchange.proceed(exchange.connection)


def stay_open(exchange: Exchange) -> None:
    """Never answer; a query stays open until it is cancelled."""
    if exchange.is_query:
        exchange.queries.keep(exchange.request_id)


def refuse(exchange: Exchange) -> None:
    """Refuse a request as a gateway does whose farm is broken."""
    history = exchange.message_id in _HISTORY
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
