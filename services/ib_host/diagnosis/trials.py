"""What only shows when something is asked of the gateway: clock, contracts and permissions."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.connection.notices import Link
from services.ib_host.connection.picture import ClockReading
from services.ib_host.contracts.instruments import difference, title_of, with_defaults
from services.ib_host.diagnosis.findings import CLOCK, CONTRACTS, PERMISSIONS, fine, problem, skipped, warning
from services.ib_host.pacing.rules import Urgency
from services.ib_host.pacing.waiting import PacingWait
from services.ib_host.planning.chunks import Ask
from services.ib_host.planning.steps import Duration
from services.ib_host.requests.failures import FailureKind, GatewayFailure
from services.ib_host.requests.gateway_requests import GatewayRequests
from services.ib_host.requests.history_query import HistoryQuery

T = TypeVar("T")

_LARGEST_DIFFERENCE: Final = timedelta(seconds=5)
_ANY_SYMBOL: Final = "IBM"
_TRIAL: Final = Duration(5, "D")
_MOST_NAMED: Final = 4
_RESTART: Final = "Restart the gateway if it stays so; see how it stands with: ktrdr gateway"
_SYNCHRONISE: Final = "Let this machine, and the gateway's, take their time from the network (NTP)."
_NAME_ONE: Final = "Name an instrument that you load: ktrdr doctor ib SYMBOL"
_ADVICE: Final = {
    FailureKind.NO_PERMISSION: "Subscribe to the data in IB's Client Portal (Settings > Market Data Subscriptions), "
    "and log in at the gateway again; it can take a day until a new subscription counts.",
    FailureKind.COMPETING_SESSION: "Log out where the account is logged in too: IB mobile, Client Portal, other TWS.",
    FailureKind.PACING: "Let no other program ask for history with this account, and wait ten minutes.",
    FailureKind.UNKNOWN_INSTRUMENT: "Look for it with: ktrdr data find {name}",
    FailureKind.AMBIGUOUS_INSTRUMENT: "Say more: --type, --exchange, --primary-exchange, --currency, --contract-id; of "
    "a future --local-symbol or --last-trade-date.",
    FailureKind.SERVICE_TROUBLE: "Try again in a minute; see IB's page of system status if it stays so.",
    FailureKind.REFUSED: "Correct what IB names.",
}


class _HeldBackError(Exception):
    """Pacing holds a trial back for longer than a diagnosis may take."""


@dataclass(frozen=True)
class TrialLimits:
    """How long to wait for each answer, pacing included.

    Attributes:
        clock_seconds: for the gateway's time.
        contracts_seconds: for a description of an instrument.
        history_seconds: for a few bars.
    """

    clock_seconds: float = 3.0
    contracts_seconds: float = 5.0
    history_seconds: float = 6.0


class Trials:
    """Asks as a person does: before loads, once, and not for long.

    Args:
        connection: to the gateway.
        requests: over it.
        limits: of patience.
    """

    def __init__(self, connection: GatewayConnection, requests: GatewayRequests, limits: TrialLimits) -> None:
        self._connection = connection
        self._requests = requests
        self._limits = limits

    async def clock(self) -> ib_pb2.Finding:
        """Compare the gateway's clock with the host's."""
        if not self._connection.picture.socket_open:
            return skipped(CLOCK, _no_way(self._connection))
        try:
            await self._within(self._limits.clock_seconds, self._requests.current_time())
        except GatewayFailure as failure:
            if failure.kind is FailureKind.DISCONNECTED:
                return skipped(CLOCK, _no_way(self._connection))
            return problem(CLOCK, f"The gateway does not tell its time. {failure.sentence}.", _RESTART)
        reading = self._connection.picture.clock
        if reading is None:
            return skipped(CLOCK, _no_way(self._connection))
        return clock_finding(reading, replay=self._connection.source == bars_pb2.SOURCE_REPLAY)

    async def contracts(
        self, described: bars_pb2.Instrument | None
    ) -> tuple[ib_pb2.Finding, bars_pb2.Instrument | None]:
        """Ask for an instrument, or only whether instruments can be asked for.

        Args:
            described: as a person does it; None for no instrument.

        Returns:
            What was found, and the instrument if there is exactly one.
        """
        if self._connection.link is not Link.UP:
            return skipped(CONTRACTS, _no_way(self._connection)), None
        if described is None:
            return await self._search(), None
        wanted = with_defaults(described)
        try:
            found = await self._within(self._limits.contracts_seconds, self._requests.contracts(wanted))
        except GatewayFailure as failure:
            name = title_of(wanted)
            return _failed(CONTRACTS, f"{name} cannot be described", failure, name=name), None
        if len(found) != 1:
            named = "; ".join(difference(details.instrument) for details in found[:_MOST_NAMED])
            text = f"{title_of(wanted)} fits {len(found)} instruments: {named}."
            return problem(CONTRACTS, text, _ADVICE[FailureKind.AMBIGUOUS_INSTRUMENT]), None
        instrument = found[0].instrument
        return fine(CONTRACTS, f"{title_of(instrument)} is known: {difference(instrument)}."), instrument

    async def permissions(
        self, instrument: bars_pb2.Instrument | None, *, described: bars_pb2.Instrument | None
    ) -> ib_pb2.Finding:
        """Ask for the last five daily bars of an instrument.

        Args:
            instrument: as the gateway described it; None if it could not be found.
            described: as a person did; None for no instrument.
        """
        if described is None:
            return skipped(PERMISSIONS, "No instrument was named whose history could be asked for.", _NAME_ONE)
        if instrument is None:
            return skipped(PERMISSIONS, "Without the instrument its history cannot be asked for.")
        if self._connection.link is not Link.UP:
            return skipped(PERMISSIONS, _no_way(self._connection))
        what = "MIDPOINT" if instrument.security_type == bars_pb2.SECURITY_TYPE_FOREX else "TRADES"
        query = HistoryQuery(
            instrument, BAR_LENGTHS[bars_pb2.BAR_SIZE_1_DAY], what, use_rth=True, ask=Ask(None, _TRIAL)
        )
        name = title_of(instrument)
        asking = self._requests.history(query, urgency=Urgency.PERSON, waiting=self._give_up_if_long)
        try:
            answer = await self._within(self._limits.history_seconds, asking)
        except _HeldBackError as held:
            return skipped(PERMISSIONS, str(held), "Try again then.")
        except GatewayFailure as failure:
            if failure.kind is FailureKind.NO_DATA:
                text = f"History of {name} may be asked for, but there are no bars of its last five days ({what})."
                return warning(PERMISSIONS, text, "Ask for other bars (--what), or another contract, if that is wrong.")
            return _failed(PERMISSIONS, f"The history of {name} ({what}) was not given", failure, name=name)
        return fine(PERMISSIONS, f"The history of {name} is given: {len(answer.bars)} daily bars ({what}) on trial.")

    def _give_up_if_long(self, wait: PacingWait) -> None:
        if wait.seconds > self._limits.history_seconds:
            message = f"IB's limits hold the request for history back for {wait.seconds:.0f} s."
            raise _HeldBackError(message)

    async def _search(self) -> ib_pb2.Finding:
        try:
            await self._within(self._limits.contracts_seconds, self._requests.matching_symbols(_ANY_SYMBOL))
        except GatewayFailure as failure:
            return _failed(CONTRACTS, "Instruments cannot be searched for", failure, name=_ANY_SYMBOL)
        return fine(CONTRACTS, "The gateway answers searches for instruments.")

    async def _within(self, seconds: float, work: Awaitable[T]) -> T:
        """Return what work returns, or fail as a request without an answer does."""
        try:
            async with asyncio.timeout(seconds):
                return await work
        except TimeoutError as error:
            self._requests.doubt.set()
            raise GatewayFailure(FailureKind.TIMEOUT, f"No answer within {seconds:g} s") from error


def clock_finding(reading: ClockReading, *, replay: bool) -> ib_pb2.Finding:
    """Return how the gateway's clock compares with the host's.

    Args:
        reading: of the gateway's clock.
        replay: the gateway replays: its clock shows the time of what it replays.
    """
    if replay:
        return fine(CLOCK, f"The replay gateway's clock shows {reading.gateway_time:%Y-%m-%d %H:%M:%S} UTC.")
    seconds = reading.difference.total_seconds()
    if abs(reading.difference) > _LARGEST_DIFFERENCE:
        which = "ahead of" if seconds > 0 else "behind"
        return warning(CLOCK, f"The gateway's clock is {abs(seconds):,.0f} s {which} this machine's.", _SYNCHRONISE)
    return fine(CLOCK, f"The gateway's clock and this machine's differ by {abs(seconds):.1f} s.")


def _failed(finding: str, what: str, failure: GatewayFailure, *, name: str) -> ib_pb2.Finding:
    advice = _ADVICE.get(failure.kind, _RESTART).format(name=name)
    return problem(finding, f"{what}. {failure.sentence}.", advice)


def _no_way(connection: GatewayConnection) -> str:
    why = connection.picture.waiting_text
    return f"It could not be asked: {why}." if why else "The connection was lost."
