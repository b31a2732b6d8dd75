"""The requests that wait for an answer."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from services.ib_host.requests.classify import classify, is_notice
from services.ib_host.requests.failures import FailureKind, GatewayFailure, printable
from services.ib_host.requests.language import SETTING, is_english
from services.ib_host.requests.undecodable import request_of

_LOG = structlog.get_logger(__name__)
_NO_TIME_ZONE: Final = 2174
_NO_REQUEST: Final = -1


class OpenRequests:
    """Ends the future of each open request with a typed failure, whoever brings the news.

    It knows futures only: answers come over the library's own.

    Args:
        violated: called when IB says that it was asked too fast, and not in answer to an open request.
    """

    def __init__(self, violated: Callable[[], None] = lambda: None) -> None:
        self._violated = violated
        self._failures: dict[int | str, asyncio.Future[None]] = {}
        self._swallowed: set[int | str] = set()

    def __len__(self) -> int:
        return len(self._failures)

    def add(self, key: int | str) -> "asyncio.Future[None]":
        """Return a future that fails with a GatewayFailure when the request does, and is never done otherwise."""
        self._failures[key] = asyncio.get_running_loop().create_future()
        return self._failures[key]

    def remove(self, key: int | str) -> None:
        """Forget a request that is over."""
        self._failures.pop(key, None)
        self._swallowed.discard(key)

    def may_be_swallowed(self, key: int | str) -> bool:
        """Tell whether the request was open when IB said, of none in particular, that it was asked too fast.

        One of these requests is never answered.
        """
        return key in self._swallowed

    def told(self, request_id: int, code: int, text: str, *, outage: bool = False) -> None:
        """Take an error or notice of the gateway.

        Args:
            request_id: -1 where it belongs to no request.
            code: IB's code.
            text: IB's words.
            outage: IB, or one of its farms, is known to be down.
        """
        if is_notice(code):
            if code == _NO_TIME_ZONE:
                _LOG.error("request_without_time_zone", request_id=request_id, text=printable(text))
            return
        kind = classify(code, text, outage=outage)
        if kind is FailureKind.PACING and request_id not in self._failures:
            if request_id == _NO_REQUEST:  # and not of one that was given up a moment ago
                self._swallowed.update(self._failures)
            self._violated()
        if kind is FailureKind.SERVICE_TROUBLE and is_english(code, text) is False:
            text = f"{printable(text)} (not in English, and so not understood: {SETTING})"
        self._fail(request_id, GatewayFailure(kind, text, code=code, request_id=request_id))

    def undecodable(self, fields: Sequence[str], *, server_version: int) -> None:
        """Take a message that can't be decoded: the request it would have answered gets no other answer."""
        _LOG.warning("undecodable_message", message_id=printable(fields[0]) if fields else "", fields=len(fields))
        key = request_of(fields, server_version=server_version)
        if key is not None:
            self._fail(key, GatewayFailure(FailureKind.STREAM_BROKEN, "The answer could not be decoded"))

    def fail_all(self, kind: FailureKind, text: str) -> None:
        """End every request: the connection, or the gateway's link to IB, took them along."""
        for key in list(self._failures):
            self._fail(key, GatewayFailure(kind, text))

    def _fail(self, key: int | str, failure: GatewayFailure) -> None:
        future = self._failures.get(key)
        if future is not None and not future.done():
            future.set_exception(failure)
