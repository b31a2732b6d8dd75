"""Every request that the host makes of the gateway."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar

from ktrdr.ib.v1 import bars_pb2

from services.common.clock import Clock
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.connection.library import (
    LibrarySession,
    ReceivedSession,
    received_bars,
    received_head,
    received_sessions,
)
from services.ib_host.contracts.instruments import from_description, to_contract
from services.ib_host.pacing.budget import RequestBudget
from services.ib_host.pacing.rules import PacingRules, Urgency, Wish
from services.ib_host.pacing.waiting import PacingWait
from services.ib_host.requests.answers import HistoryAnswer, InstrumentDetails, RequestTimeouts
from services.ib_host.requests.failures import FailureKind, GatewayFailure
from services.ib_host.requests.history_query import HistoryQuery
from services.ib_host.requests.open_requests import OpenRequests
from services.ib_host.requests.round_trip import RoundTrips

__all__ = ["GatewayRequests", "HistoryAnswer", "RequestTimeouts"]

T = TypeVar("T")

_CURRENT_TIME: Final = "currentTime"


class GatewayRequests:
    """The only way to the wire. Each request ends with its answer or with one GatewayFailure, and leaves nothing open.

    Args:
        connection: to the gateway.
        open_requests: the same that the connection tells of failures.
        budget: for everything that is sent.
        rules: what requests for history take from it.
        timeouts: of answers.
        clock: for timeouts.
    """

    def __init__(
        self,
        connection: GatewayConnection,
        *,
        open_requests: OpenRequests,
        budget: RequestBudget,
        rules: PacingRules,
        timeouts: RequestTimeouts,
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._budget = budget
        self._rules = rules
        self._timeouts = timeouts
        self._round_trips = RoundTrips(connection, open_requests=open_requests, budget=budget, clock=clock)
        self._asking_time = asyncio.Lock()

    async def history(
        self,
        query: HistoryQuery,
        *,
        urgency: Urgency = Urgency.LOAD,
        waiting: Callable[[PacingWait], None] = lambda _: None,
    ) -> HistoryAnswer:
        """Ask for bars.

        Args:
            query: what is asked.
            urgency: who waits for the answer.
            waiting: called each second while pacing holds the request back.

        Raises:
            GatewayFailure: there is no answer; NO_DATA where the gateway has no bars.
        """
        contract = to_contract(query.instrument)
        wish = self._rules.history(short_bars=query.short_bars, series=query.series, identity=query.identity)
        async with self._budget.turn(replace(wish, urgency=urgency), waiting) as turn:
            answer = await self._round_trips.make(
                lambda session, request_id: session.send_history(
                    request_id,
                    contract,
                    end=query.ask.end,
                    duration=str(query.ask.duration),
                    setting=query.bar.setting,
                    what=query.what,
                    use_rth=query.use_rth,
                ),
                turn,
                contract=contract,
                timeout_seconds=self._timeouts.history_seconds,
                cancel=LibrarySession.cancel_history,
            )
            return HistoryAnswer(received_bars(answer.content), self._connection.source, answer.seconds)

    async def schedule(
        self,
        instrument: bars_pb2.Instrument,
        use_rth: bool,  # noqa: FBT001 -- as everywhere beside an instrument
        *,
        end: datetime,
        duration: str,
        waiting: Callable[[PacingWait], None] = lambda _: None,
    ) -> Sequence[ReceivedSession]:
        """Ask for the sessions of an instrument, holidays left out.

        Args:
            instrument: as the gateway described it.
            use_rth: regular trading hours only.
            end: end of the stretch, aware.
            duration: how far it reaches back, in IB's words: "30 D", "1 Y".
            waiting: called each second while pacing holds the request back.

        Returns:
            Opening and closing (aware, UTC) and date of each session, as the gateway orders them.

        Raises:
            GatewayFailure: there is no answer; NO_DATA where there are no sessions.
        """
        contract = to_contract(instrument)
        series = (instrument.contract_id, instrument.exchange, "SCHEDULE")
        wish = self._rules.history(short_bars=False, series=series, identity=(*series, use_rth, end, duration))
        async with self._budget.turn(wish, waiting) as turn:
            answer = await self._round_trips.make(
                lambda session, request_id: session.send_schedule(
                    request_id, contract, end=end, duration=duration, use_rth=use_rth
                ),
                turn,
                contract=contract,
                timeout_seconds=self._timeouts.history_seconds,
                cancel=LibrarySession.cancel_history,
            )
        return _read(received_sessions, answer.content)

    async def head_timestamp(
        self,
        instrument: bars_pb2.Instrument,
        what: str,
        use_rth: bool,  # noqa: FBT001 -- as everywhere beside an instrument
        *,
        waiting: Callable[[PacingWait], None] = lambda _: None,
    ) -> datetime:
        """Ask when an instrument's history begins; aware, UTC.

        Args:
            instrument: as the gateway described it.
            what: kind of bars, in IB's words.
            use_rth: regular trading hours only.
            waiting: called each second while pacing holds the request back.

        Raises:
            GatewayFailure: there is no answer; NO_DATA where there is no history.
        """
        contract = to_contract(instrument)
        series = (instrument.contract_id, instrument.exchange, what)
        wish = self._rules.history(short_bars=False, series=series, identity=(*series, "head", use_rth))
        async with self._budget.turn(wish, waiting) as turn:
            answer = await self._round_trips.make(
                lambda session, request_id: session.send_head_timestamp(
                    request_id, contract, what=what, use_rth=use_rth
                ),
                turn,
                contract=contract,
                timeout_seconds=self._timeouts.history_seconds,
                cancel=LibrarySession.cancel_head_timestamp,
            )
        return _read(received_head, answer.content)

    async def contracts(
        self,
        instrument: bars_pb2.Instrument,
        *,
        urgency: Urgency = Urgency.PERSON,
        waiting: Callable[[PacingWait], None] = lambda _: None,
    ) -> Sequence[InstrumentDetails]:
        """Ask which instruments fit a description; each is named once, whatever exchanges it trades at.

        Args:
            instrument: the description.
            urgency: who waits for the answer.
            waiting: called each second while pacing holds the request back.

        Raises:
            GatewayFailure: there is no answer; UNKNOWN_INSTRUMENT where none fits.
        """
        contract = to_contract(instrument)
        async with self._budget.turn(Wish(urgency), waiting) as turn:
            answer = await self._round_trips.make(
                lambda session, request_id: session.send_contract_details(request_id, contract),
                turn,
                contract=contract,
                timeout_seconds=self._timeouts.other_seconds,
            )
        found: dict[int, InstrumentDetails] = {}
        for details in answer.content:
            found.setdefault(details.contract.conId, InstrumentDetails.read(details))
        return list(found.values())

    async def matching_symbols(self, pattern: str) -> Sequence[bars_pb2.Instrument]:
        """Ask for instruments whose symbol or name begins with a pattern.

        Raises:
            GatewayFailure: there is no answer.
        """
        async with self._budget.turn(Wish(Urgency.PERSON)) as turn:
            answer = await self._round_trips.make(
                lambda session, request_id: session.send_matching_symbols(request_id, pattern),
                turn,
                timeout_seconds=self._timeouts.other_seconds,
            )
        return [from_description(description) for description in answer.content]

    async def current_time(self) -> datetime:
        """Ask what time it is for the gateway, UTC.

        Raises:
            GatewayFailure: there is no answer.
        """
        # Such requests have no id: one at a time, and the lock last, as nobody may wait for a turn while he holds it.
        async with self._budget.turn(Wish(Urgency.PERSON)) as turn, self._asking_time:
            answer = await self._round_trips.make(
                lambda session, _: session.send_current_time(),
                turn,
                timeout_seconds=self._timeouts.other_seconds,
                key=_CURRENT_TIME,
            )
        time: datetime = answer.content
        self._connection.gateway_time = time
        return time


def _read(reading: Callable[[Any], T], content: Any) -> T:
    try:
        return reading(content)
    except ValueError as error:
        raise GatewayFailure(FailureKind.STREAM_BROKEN, f"The answer could not be read: {error}") from error
