"""The requests that wait for an answer."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from services.ib_host.requests.classify import classify, is_notice
from services.ib_host.requests.failures import FailureKind, GatewayFailure, printable

_LOG = structlog.get_logger(__name__)
_ANSWERS_WITH_AN_ID: Final = frozenset({"10", "17", "79", "88"})
_NO_TIME_ZONE: Final = 2174


class OpenRequests:
    """Ends the future of each open request with a typed failure, whoever brings the news.

    It knows futures only: answers come over the library's own.

    Args:
        violated: called when IB says that it was asked too fast, and not in answer to an open request.
    """

    def __init__(self, violated: Callable[[], None] = lambda: None) -> None:
        self._violated = violated
        self._failures: dict[int | str, asyncio.Future[None]] = {}

    def __len__(self) -> int:
        return len(self._failures)

    def add(self, key: int | str) -> "asyncio.Future[None]":
        """Return a future that fails with a GatewayFailure when the request does, and is never done otherwise."""
        self._failures[key] = asyncio.get_running_loop().create_future()
        return self._failures[key]

    def remove(self, key: int | str) -> None:
        """Forget a request that is over."""
        self._failures.pop(key, None)

    def told(self, request_id: int, code: int, text: str) -> None:
        """Take an error or notice of the gateway."""
        if is_notice(code):
            if code == _NO_TIME_ZONE:
                _LOG.error("request_without_time_zone", request_id=request_id, text=printable(text))
            return
        kind = classify(code, text)
        if kind is FailureKind.PACING and request_id not in self._failures:
            self._violated()
        self._fail(request_id, GatewayFailure(kind, text, code=code))

    def undecodable(self, fields: Sequence[str]) -> None:
        """Take a message that can't be decoded: the request it would have answered gets no other answer."""
        _LOG.warning("undecodable_message", message_id=fields[0] if fields else "", fields=len(fields))
        if len(fields) > 1 and fields[0] in _ANSWERS_WITH_AN_ID and fields[1].isdecimal():
            self._fail(int(fields[1]), GatewayFailure(FailureKind.STREAM_BROKEN, "The answer could not be decoded"))

    def fail_all(self, kind: FailureKind, text: str) -> None:
        """End every request: the connection, or the gateway's link to IB, took them along."""
        for key in list(self._failures):
            self._fail(key, GatewayFailure(kind, text))

    def _fail(self, key: int | str, failure: GatewayFailure) -> None:
        future = self._failures.get(key)
        if future is not None and not future.done():
            future.set_exception(failure)
