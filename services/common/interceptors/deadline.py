"""Unary calls end: without a deadline, or with one further away than the server's limit, they get the limit."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, cast

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError
from services.common.interceptors.aborting import abort
from services.common.interceptors.wrapping import Call, CallInterceptor, Context


class DeadlineInterceptor(CallInterceptor):
    """Caps the time of unary calls. Streams may stay open: they end when the client or the server says so.

    Args:
        limit_seconds: Longest time for a call.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds

    @contextlib.asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[Context]:
        """Run the call under the cap where its own deadline is not nearer."""
        remaining: float | None = call.context.time_remaining()
        if call.streams or (remaining is not None and remaining <= self._limit_seconds):
            yield call.context
            return
        try:
            async with asyncio.timeout(self._limit_seconds) as timeout:
                yield cast("Context", CappedContext(call.context, time.monotonic() + self._limit_seconds))
        except TimeoutError:
            if not timeout.expired():
                raise
            error = ServiceError(ErrorReason.ERROR_REASON_DEADLINE, deadline_seconds=f"{self._limit_seconds:g}")
            await abort(call.context, error.status())


class CappedContext:
    """The call's context, but `time_remaining` knows the cap: handlers that wait for something can answer before it.

    Args:
        context: The real one.
        deadline: When the cap ends the call, in seconds of the monotonic clock.
    """

    def __init__(self, context: Context, deadline: float) -> None:
        self._context = context
        self._deadline = deadline

    def time_remaining(self) -> float:
        """Return the seconds until the call is ended."""
        return max(0.0, self._deadline - time.monotonic())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)
