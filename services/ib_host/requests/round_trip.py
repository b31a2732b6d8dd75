"""One request and its answer."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from services.common.clock import Clock
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.connection.library import LibrarySession
from services.ib_host.connection.picture import Link
from services.ib_host.pacing.budget import RequestBudget
from services.ib_host.pacing.turn import Turn
from services.ib_host.requests.failures import FailureKind, GatewayFailure
from services.ib_host.requests.open_requests import OpenRequests

_SILENCES_BEFORE_RECONNECT: Final = 3
_LOOK_SECONDS: Final = 1.0


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
    """

    def __init__(
        self, connection: GatewayConnection, *, open_requests: OpenRequests, budget: RequestBudget, clock: Clock
    ) -> None:
        self._connection = connection
        self._open = open_requests
        self._budget = budget
        self._clock = clock
        self._silences = 0

    async def make(
        self,
        send: Callable[[LibrarySession, int], None],
        turn: Turn,
        *,
        timeout_seconds: float,
        contract: Any = None,
        key: str = "",
        cancel: Callable[[LibrarySession, int], None] | None = None,
    ) -> Answer:
        """Send a request and wait for its answer.

        Args:
            send: sends it, given its id.
            turn: to send it.
            timeout_seconds: for the answer; stands still while the gateway is cut off from IB.
            contract: what it is about, in the library's terms.
            key: the library's name for it, if it has no id.
            cancel: takes it back at the gateway, if it is not answered.

        Raises:
            GatewayFailure: there is no answer.
        """
        session = self._connection.session
        if session is None:
            picture = self._connection.picture
            raise GatewayFailure(FailureKind.DISCONNECTED, picture.problem or picture.waiting_text)
        request_id, answer = session.begin(contract, key=key)
        failure = self._open.add(key or request_id)
        began = self._clock.monotonic()
        try:
            turn.sends()
            send(session, request_id)
            await self._wait({answer, failure}, timeout_seconds)
            content = self._outcome(answer, failure, timeout_seconds)
            return Answer(content, self._clock.monotonic() - began)
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
