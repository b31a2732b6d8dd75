"""Puts the ids that a request names into the log's context."""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

import structlog
from google.protobuf.message import Message

from services.common.interceptors.wrapping import Call, CallInterceptor, Context

FIELDS: Final = ("session_id", "operation_id")
LIMIT: Final = 64


class SubjectInterceptor(CallInterceptor):
    """Binds session_id and operation_id of the request."""

    @contextlib.asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[Context]:
        """Bind the ids."""
        if isinstance(call.request, Message):
            named = {field: getattr(call.request, field, "") for field in FIELDS}
            texts = {field: value[:LIMIT] for field, value in named.items() if isinstance(value, str) and value}
            structlog.contextvars.bind_contextvars(**texts)
        yield call.context
