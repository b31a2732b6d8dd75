"""One request and its answer."""

import asyncio
from datetime import timedelta
from typing import Any, Final, NamedTuple

from services.common.clock import Clock
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.connection.library import LibrarySession
from services.ib_host.connection.notices import Link
from services.ib_host.pacing.budget import RequestBudget
from services.ib_host.pacing.rules import Urgency
from services.ib_host.pacing.turn import Turn
from services.ib_host.requests.failures import FailureKind, GatewayFailure
from services.ib_host.requests.open_requests import OpenRequests
from services.ib_host.requests.questions import Question

_SILENCES_BEFORE_RECONNECT: Final = 3
_LOOK_SECONDS: Final = 1.0
_RATE_EXCEEDED: Final = 100


class Answer(NamedTuple):
    """What came back.

    Attributes:
        content: as the client library gives it.
        seconds: from sending to the answer.
    """

    content: Any
    seconds: float


class RoundTrips:
    """Sends requests, each of which ends with its answer or with one GatewayFailure and leaves nothing open.

    Args:
        connection: to the gateway.
        open_requests: the same that the connection tells of failures.
        budget: told of cancels and violations.
        clock: for timeouts.

    Attributes:
        doubt: set when a request has no answer: whether the gateway is there at all should be looked at.
    """

    def __init__(
        self, connection: GatewayConnection, *, open_requests: OpenRequests, budget: RequestBudget, clock: Clock
    ) -> None:
        self._connection = connection
        self._open = open_requests
        self._budget = budget
        self._clock = clock
        self._silences: dict[str, int] = {}
        self.doubt = asyncio.Event()

    async def make(self, question: Question, turn: Turn) -> Answer:
        """Send a request and wait for its answer.

        While the gateway is cut off from IB the time of a load's request stands still, and that of a person's goes on.

        Raises:
            GatewayFailure: there is no answer.
        """
        session = self._session(question)
        request_id, answer = session.begin(question.contract, key=question.key)
        key = question.key or request_id
        failure = self._open.add(key)
        began = self._clock.monotonic()
        try:
            turn.sends()
            question.send(session, request_id)
            await self._wait({answer, failure}, question.timeout_seconds, patient=turn.urgency is Urgency.LOAD)
            content = self._outcome(answer, failure, question, key)
            return Answer(content, self._clock.monotonic() - began)
        except GatewayFailure as error:
            if error.kind is FailureKind.PACING:
                self._budget.violated(sent_at=turn.sent_at)
                error.retry_after = timedelta(seconds=self._budget.picture().pause_seconds) or None
            raise
        finally:
            still_open = question.open_until_cancelled or not answer.done()
            if question.cancel is not None and still_open and session.ready:
                question.cancel(session, request_id)
                self._budget.charge()
            self._open.remove(key)
            session.forget(request_id, key=question.key)
            for future in (answer, failure):
                if future.done() and not future.cancelled():
                    future.exception()  # looked at: otherwise asyncio reports it as forgotten
            self._leave_if_silent(question.farm)  # after the query was taken back

    def _session(self, question: Question) -> LibrarySession:
        """Return what a request can be sent over now: IB may have gone while it waited for its turn."""
        session, picture = self._connection.session, self._connection.picture
        if session is None:
            text = picture.problem or picture.waiting_text
            raise GatewayFailure(FailureKind.DISCONNECTED, text, retry_after=picture.retry_in)
        if question.farm and picture.link is Link.IB_DOWN:
            raise GatewayFailure(FailureKind.LINK_LOST, picture.waiting_text)
        return session

    async def _wait(self, futures: "set[asyncio.Future[Any]]", timeout_seconds: float, *, patient: bool) -> None:
        left = timeout_seconds
        while left > 0:
            began = self._clock.monotonic()
            done, _ = await asyncio.wait(futures, timeout=min(left, _LOOK_SECONDS), return_when=asyncio.FIRST_COMPLETED)
            if done:
                return
            if not patient or self._connection.link is Link.UP:  # nobody can answer while the gateway is cut off
                left -= self._clock.monotonic() - began

    def _outcome(
        self, answer: "asyncio.Future[Any]", failure: "asyncio.Future[None]", question: Question, key: int | str
    ) -> Any:
        if not answer.done() and not failure.done():
            raise self._silence(question, key)
        self._silences[question.farm] = 0
        if failure.done():
            failure.result()
        error = answer.exception()
        if isinstance(error, ConnectionError):
            raise GatewayFailure(FailureKind.DISCONNECTED, "The connection was lost")
        if error is not None:
            raise GatewayFailure(FailureKind.STREAM_BROKEN, "The answer could not be decoded")
        return answer.result()

    def _silence(self, question: Question, key: int | str) -> GatewayFailure:
        """Return why there was no answer in time. Only a silence that nothing explains makes the connection suspect."""
        seconds = f"{question.timeout_seconds:g} s"
        if self._open.may_be_swallowed(key):
            text = f"Too many messages in a second; no answer within {seconds}"
            return GatewayFailure(FailureKind.PACING, text, code=_RATE_EXCEEDED)
        picture = self._connection.picture
        if question.farm and picture.link is Link.IB_DOWN:
            return GatewayFailure(FailureKind.LINK_LOST, f"{picture.waiting_text}; no answer within {seconds}")
        self.doubt.set()
        if not (question.farm and picture.outage(question.farm)):
            self._silences[question.farm] = self._silences.get(question.farm, 0) + 1
        return GatewayFailure(FailureKind.TIMEOUT, f"No answer within {seconds}")

    def _leave_if_silent(self, farm: str) -> None:
        silences = self._silences.get(farm, 0)
        if silences >= _SILENCES_BEFORE_RECONNECT:
            self._silences.clear()
            self._connection.drop(f"The gateway did not answer {silences} requests in a row.")
