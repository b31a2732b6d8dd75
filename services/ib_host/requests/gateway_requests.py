"""Every request that the host makes of the gateway."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ktrdr.ib.v1 import bars_pb2

from services.common.clock import Clock
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.connection.library import LibrarySession, received_bars
from services.ib_host.connection.picture import Link
from services.ib_host.contracts.instruments import from_description, from_details, to_contract
from services.ib_host.pacing.budget import RequestBudget
from services.ib_host.pacing.rules import PacingRules, Urgency, Wish
from services.ib_host.pacing.turn import Turn
from services.ib_host.pacing.waiting import PacingWait
from services.ib_host.requests.failures import FailureKind, GatewayFailure
from services.ib_host.requests.history_query import HistoryQuery
from services.ib_host.requests.open_requests import OpenRequests
from services.ib_host.store.columns import ReceivedBar

_CURRENT_TIME: Final = "currentTime"
_SILENCES_BEFORE_RECONNECT: Final = 3
_LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True)
class RequestTimeouts:
    """How long to wait for answers.

    Attributes:
        history_seconds: for bars; stands still while the gateway is cut off from IB.
        other_seconds: for anything else.
    """

    history_seconds: float
    other_seconds: float


@dataclass(frozen=True)
class HistoryAnswer:
    """Bars, as the gateway sent them.

    Attributes:
        bars: not necessarily within what was asked for.
        source: recorded or real, as the connection they came over says.
    """

    bars: Sequence[ReceivedBar]
    source: bars_pb2.Source.ValueType


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
        self._open = open_requests
        self._budget = budget
        self._rules = rules
        self._timeouts = timeouts
        self._clock = clock
        self._silences = 0
        self._asking_time = asyncio.Lock()

    async def history(
        self, query: HistoryQuery, *, waiting: Callable[[PacingWait], None] = lambda _: None
    ) -> HistoryAnswer:
        """Ask for bars.

        Args:
            query: what is asked.
            waiting: called each second while pacing holds the request back.

        Raises:
            GatewayFailure: there is no answer; NO_DATA where the gateway has no bars.
        """
        contract = to_contract(query.instrument)
        wish = self._rules.history(short_bars=query.short_bars, series=query.series, identity=query.identity)
        async with self._budget.turn(wish, waiting) as turn:
            answer = await self._ask(
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
            return HistoryAnswer(received_bars(answer), self._connection.source)

    async def contracts(
        self,
        instrument: bars_pb2.Instrument,
        *,
        urgency: Urgency = Urgency.PERSON,
        waiting: Callable[[PacingWait], None] = lambda _: None,
    ) -> Sequence[bars_pb2.Instrument]:
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
            answer = await self._ask(
                lambda session, request_id: session.send_contract_details(request_id, contract),
                turn,
                contract=contract,
                timeout_seconds=self._timeouts.other_seconds,
            )
        found: dict[int, bars_pb2.Instrument] = {}
        for details in answer:
            found.setdefault(details.contract.conId, from_details(details))
        return list(found.values())

    async def matching_symbols(self, pattern: str) -> Sequence[bars_pb2.Instrument]:
        """Ask for instruments whose symbol or name begins with a pattern.

        Raises:
            GatewayFailure: there is no answer.
        """
        async with self._budget.turn(Wish(Urgency.PERSON)) as turn:
            answer = await self._ask(
                lambda session, request_id: session.send_matching_symbols(request_id, pattern),
                turn,
                timeout_seconds=self._timeouts.other_seconds,
            )
        return [from_description(description) for description in answer]

    async def current_time(self) -> datetime:
        """Ask what time it is for the gateway, UTC.

        Raises:
            GatewayFailure: there is no answer.
        """
        # Such requests have no id: one at a time, and the lock last, as nobody may wait for a turn while he holds it.
        async with self._budget.turn(Wish(Urgency.PERSON)) as turn, self._asking_time:
            time: datetime = await self._ask(
                lambda session, _: session.send_current_time(),
                turn,
                timeout_seconds=self._timeouts.other_seconds,
                key=_CURRENT_TIME,
            )
        self._connection.gateway_time = time
        return time

    async def _ask(
        self,
        send: Callable[[LibrarySession, int], None],
        turn: Turn,
        *,
        timeout_seconds: float,
        contract: Any = None,
        key: str = "",
        cancel: Callable[[LibrarySession, int], None] | None = None,
    ) -> Any:
        session = self._connection.session
        if session is None:
            picture = self._connection.picture
            raise GatewayFailure(FailureKind.DISCONNECTED, picture.problem or picture.waiting_text)
        request_id, answer = session.begin(contract, key=key)
        failure = self._open.add(key or request_id)
        try:
            turn.sends()
            send(session, request_id)
            await self._wait({answer, failure}, timeout_seconds)
            return self._outcome(answer, failure, timeout_seconds)
        except GatewayFailure as error:
            if error.kind is FailureKind.PACING:
                self._budget.violated(sent_at=turn.sent_at)
            raise
        finally:
            if cancel is not None and not answer.done() and session.ready:
                cancel(session, request_id)
                self._budget.charge()
            self._open.remove(key or request_id)
            session.forget(request_id, key=key)
            for future in (answer, failure):
                if future.done() and not future.cancelled():
                    future.exception()  # looked at: otherwise asyncio reports it as forgotten

    async def _wait(self, futures: "set[asyncio.Future[Any]]", timeout_seconds: float) -> None:
        left = timeout_seconds
        while left > 0:
            began = self._clock.monotonic()
            done, _ = await asyncio.wait(futures, timeout=min(left, _LOOK_SECONDS), return_when=asyncio.FIRST_COMPLETED)
            if done:
                return
            if self._connection.link is Link.UP:  # nobody can answer while the gateway is cut off
                left -= self._clock.monotonic() - began

    def _outcome(self, answer: "asyncio.Future[Any]", failure: "asyncio.Future[None]", timeout_seconds: float) -> Any:
        if not answer.done() and not failure.done():
            self._count_silence()
            raise GatewayFailure(FailureKind.TIMEOUT, f"No answer within {timeout_seconds:g} s")
        self._silences = 0
        if failure.done():
            failure.result()
        error = answer.exception()
        if isinstance(error, ConnectionError):
            raise GatewayFailure(FailureKind.DISCONNECTED, "The connection was lost")
        if error is not None:
            raise GatewayFailure(FailureKind.STREAM_BROKEN, "The answer could not be decoded")
        return answer.result()

    def _count_silence(self) -> None:
        self._silences += 1
        if self._silences >= _SILENCES_BEFORE_RECONNECT:
            self._silences = 0
            self._connection.drop(f"The gateway did not answer {_SILENCES_BEFORE_RECONNECT} requests in a row.")
