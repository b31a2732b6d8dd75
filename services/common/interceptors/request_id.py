"""Each call has a request id: the caller's, or a new one. It is in each log line of the call, and goes back to them."""

import contextlib
import re
import uuid
from collections.abc import AsyncIterator
from typing import Final

import structlog

from services.common.interceptors.wrapping import Call, CallInterceptor, Context

KEY: Final = "x-request-id"
_VALID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


class RequestIdInterceptor(CallInterceptor):
    """Gives the call its id: in the log's context, in the trailers and, for streams, already in the headers."""

    @contextlib.asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[Context]:
        """Bind the id. Each call has a task, and so a log context, of its own: nothing has to be put back."""
        request_id = _given(call.context) or uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id, method=call.method)
        call.context.set_trailing_metadata(((KEY, request_id),))
        if call.streams:
            await call.context.send_initial_metadata(((KEY, request_id),))
        yield call.context


def current_request_id() -> str:
    """Return the id of the call that is being answered. Empty outside of calls."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def outgoing_metadata() -> tuple[tuple[str, str], ...]:
    """Return the metadata that gives the current request id to another server, empty outside of calls."""
    request_id = current_request_id()
    return ((KEY, request_id),) if request_id else ()


def _given(context: Context) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == KEY and isinstance(value, str) and _VALID.fullmatch(value):
            return value
    return None
