"""One log line for each call: how it ended and how long it took."""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import structlog

from services.common.interceptors.wrapping import Call, CallInterceptor, Context

QUIET = frozenset({"OK", "CANCELLED"})
"""Ends that are everyday: polls are answered and watches are closed all the time."""


class AccessLogInterceptor(CallInterceptor):
    """Logs calls that went well at debug level, refusals at info level. Failures are logged where they are mapped."""

    @contextlib.asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[Context]:
        """Log the end of the call."""
        started = time.perf_counter()
        outcome = "CANCELLED"
        try:
            yield call.context
            outcome = "OK"
        except grpc.aio.AbortError:
            outcome = _name(call.context.code())
            raise
        finally:
            logger = structlog.get_logger()
            log = logger.debug if outcome in QUIET else logger.info
            log("call_ended", code=outcome, milliseconds=round((time.perf_counter() - started) * 1000, 2))


def _name(code: Any) -> str:
    """Return the name of a status; grpc.aio answers with the number."""
    return next((status.name for status in grpc.StatusCode if code in (status, status.value[0])), str(code))
