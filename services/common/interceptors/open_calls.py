"""Knows which calls are still running, so that a stopping server closes nothing under them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from services.common.interceptors.wrapping import Call, CallInterceptor, Context


class OpenCalls(CallInterceptor):
    """Counts calls whose handlers have not ended: `server.stop` returns before aborted ones have cleaned up."""

    def __init__(self) -> None:
        self._open = 0
        self._none_open = asyncio.Event()
        self._none_open.set()

    @contextlib.asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[Context]:
        """Count the call."""
        self._open += 1
        self._none_open.clear()
        try:
            yield call.context
        finally:
            self._open -= 1
            if self._open == 0:
                self._none_open.set()

    async def wait_until_none(self, timeout_seconds: float) -> int:
        """Wait until all handlers have ended, and return how many have not after the timeout."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._none_open.wait(), timeout_seconds)
        return self._open
