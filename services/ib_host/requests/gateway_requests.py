"""Every request that the host makes of the gateway."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from ktrdr.ib.v1 import bars_pb2

from services.common.clock import Clock
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.connection.library import ReceivedSession, received_bars, received_head, received_sessions
from services.ib_host.contracts.instruments import from_description
from services.ib_host.pacing.budget import RequestBudget
from services.ib_host.pacing.rules import PacingRules, Urgency, Wish
from services.ib_host.pacing.waiting import PacingWait
from services.ib_host.requests import questions
from services.ib_host.requests.answers import HistoryAnswer, InstrumentDetails, RequestTimeouts
from services.ib_host.requests.failures import FailureKind, GatewayFailure
from services.ib_host.requests.history_query import HistoryQuery
from services.ib_host.requests.open_requests import OpenRequests
from services.ib_host.requests.round_trip import Answer, RoundTrips

T = TypeVar("T")
Waiting = Callable[[PacingWait], None]
"""Called each second while pacing holds a request back."""


def _nobody_is_told(_: PacingWait) -> None:
    """Take a wait that interests nobody."""


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

    @property
    def doubt(self) -> asyncio.Event:
        """Set when a request has no answer; whoever looks whether the gateway is there clears it."""
        return self._round_trips.doubt

    async def history(
        self, query: HistoryQuery, *, urgency: Urgency = Urgency.LOAD, waiting: Waiting = _nobody_is_told
    ) -> HistoryAnswer:
        """Ask for bars.

        Args:
            query: what is asked.
            urgency: who waits for the answer.
            waiting: told of pacing.

        Raises:
            GatewayFailure: there is no answer; NO_DATA where the gateway has no bars.
        """
        wish = self._rules.history(short_bars=query.short_bars, series=query.series, identity=query.identity)
        question = questions.for_history(query, timeout_seconds=self._timeouts.history_seconds)
        answer = await self._ask(question, replace(wish, urgency=urgency), waiting)
        return HistoryAnswer(received_bars(answer.content), self._connection.source, answer.seconds)

    async def schedule(
        self,
        instrument: bars_pb2.Instrument,
        use_rth: bool,
        *,
        end: datetime,
        duration: str,
        waiting: Waiting = _nobody_is_told,
    ) -> Sequence[ReceivedSession]:
        """Ask for the sessions of an instrument, holidays left out.

        Args:
            instrument: as the gateway described it.
            use_rth: regular trading hours only.
            end: end of the stretch, aware.
            duration: how far it reaches back, in IB's words: "30 D", "1 Y".
            waiting: told of pacing.

        Returns:
            Opening and closing (aware, UTC) and date of each session, as the gateway orders them.

        Raises:
            GatewayFailure: there is no answer; NO_DATA where there are no sessions.
        """
        series = (instrument.contract_id, instrument.exchange, "SCHEDULE")
        wish = self._rules.history(short_bars=False, series=series, identity=(*series, use_rth, end, duration))
        question = questions.for_schedule(
            instrument,
            end=end,
            duration=duration,
            use_rth=use_rth,
            timeout_seconds=self._timeouts.history_seconds,
        )
        return _read(received_sessions, await self._ask(question, wish, waiting))

    async def head_timestamp(
        self, instrument: bars_pb2.Instrument, what: str, use_rth: bool, *, waiting: Waiting = _nobody_is_told
    ) -> datetime:
        """Ask when an instrument's history begins; aware, UTC.

        Args:
            instrument: as the gateway described it.
            what: kind of bars, in IB's words.
            use_rth: regular trading hours only.
            waiting: told of pacing.

        Raises:
            GatewayFailure: there is no answer; NO_DATA where there is no history.
        """
        series = (instrument.contract_id, instrument.exchange, what)
        wish = self._rules.history(short_bars=False, series=series, identity=(*series, "head", use_rth))
        question = questions.for_head_timestamp(
            instrument, what=what, use_rth=use_rth, timeout_seconds=self._timeouts.history_seconds
        )
        return _read(received_head, await self._ask(question, wish, waiting))

    async def contracts(
        self,
        instrument: bars_pb2.Instrument,
        *,
        urgency: Urgency = Urgency.PERSON,
        waiting: Waiting = _nobody_is_told,
    ) -> Sequence[InstrumentDetails]:
        """Ask which instruments fit a description; each is named once, whatever exchanges it trades at.

        Args:
            instrument: the description.
            urgency: who waits for the answer.
            waiting: told of pacing.

        Raises:
            GatewayFailure: there is no answer; UNKNOWN_INSTRUMENT where none fits.
        """
        question = questions.for_contracts(instrument, timeout_seconds=self._timeouts.other_seconds)
        answer = await self._ask(question, Wish(urgency), waiting)
        found: dict[int, InstrumentDetails] = {}
        for details in answer.content:
            found.setdefault(details.contract.conId, InstrumentDetails.read(details))
        return list(found.values())

    async def matching_symbols(self, pattern: str) -> Sequence[bars_pb2.Instrument]:
        """Ask for instruments whose symbol or name begins with a pattern.

        Raises:
            GatewayFailure: there is no answer.
        """
        question = questions.for_matching_symbols(pattern, timeout_seconds=self._timeouts.other_seconds)
        answer = await self._ask(question, Wish(Urgency.PERSON))
        return [from_description(description) for description in answer.content]

    async def current_time(self, *, timeout_seconds: float | None = None) -> datetime:
        """Ask what time it is for the gateway, UTC. The gateway answers by itself, however it stands with IB.

        Args:
            timeout_seconds: for the answer; None for the usual time.

        Raises:
            GatewayFailure: there is no answer.
        """
        question = questions.for_current_time(timeout_seconds=timeout_seconds or self._timeouts.other_seconds)
        # Such requests have no id: one at a time, and the lock last, as nobody may wait for a turn while he holds it.
        async with self._budget.turn(Wish(Urgency.PERSON)) as turn, self._asking_time:
            answer = await self._round_trips.make(question, turn)
        time: datetime = answer.content
        self._connection.take_clock(time, seconds=answer.seconds)
        return time

    async def _ask(self, question: questions.Question, wish: Wish, waiting: Waiting = _nobody_is_told) -> Answer:
        async with self._budget.turn(wish, waiting) as turn:
            return await self._round_trips.make(question, turn)


def _read(reading: Callable[[Any], T], answer: Answer) -> T:
    try:
        return reading(answer.content)
    except ValueError as error:
        raise GatewayFailure(FailureKind.STREAM_BROKEN, f"The answer could not be read: {error}") from error
