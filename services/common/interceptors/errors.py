"""Maps what handlers raise to statuses. Texts that were not written for clients never reach them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError, StatusError
from services.common.interceptors.aborting import abort
from services.common.interceptors.request_id import current_request_id
from services.common.interceptors.wrapping import (
    Call,
    CallInterceptor,
    Context,
    Continuation,
    Handler,
    as_coroutine,
    enclosed,
    remade,
)


class ErrorInterceptor(CallInterceptor):
    """Errors of the catalogue go out with their status; everything else is logged, and INTERNAL with the request id."""

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> "Handler | None":
        """Put the mapping around the handler, and around the decoding of its request and the encoding of its answer."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        return enclosed(_with_messages_inside(handler), handler_call_details.method, self.around)

    @contextlib.asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[Context]:
        """Map what the call raises."""
        try:
            yield call.context
        except grpc.aio.AbortError:
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled this call: the handler awaited something that was cancelled. Passed on, it would leave
            # the client without any answer, for ever.
            structlog.get_logger().exception("handler_let_a_cancellation_out")
            await abort(call.context, _internal())
        except StatusError as error:
            await abort(call.context, error.status())
        except Exception as error:
            public = _public_error_in(error)
            if public is None:
                structlog.get_logger().exception("handler_failed")
            await abort(call.context, _internal() if public is None else public.status())


def _internal() -> Any:
    return ServiceError(ErrorReason.ERROR_REASON_INTERNAL, request_id=current_request_id()).status()


def _public_error_in(error: Exception) -> StatusError | None:
    """Return the first error for clients in a group, as task groups raise them; None if the group has others too."""
    if not isinstance(error, ExceptionGroup):
        return error if isinstance(error, StatusError) else None
    found = [_public_error_in(part) for part in error.exceptions]
    return None if None in found else found[0]


def _with_messages_inside(handler: Handler) -> Handler:
    """Return the handler as one of bytes, which decodes and encodes by itself: grpc answers a fault there in full.

    Streams are left as they are: their messages are decoded and encoded within the handler's own reads and writes.
    """
    behaviour = as_coroutine(handler)
    decode = None if handler.request_streaming else handler.request_deserializer
    encode = None if handler.response_streaming else handler.response_serializer

    async def converting(request: Any, context: Context) -> Any:
        response = await behaviour(request if decode is None else _decoded(decode, request), context)
        return response if encode is None else encode(response)

    return remade(
        handler,
        converting,
        request_deserializer=None if decode else handler.request_deserializer,
        response_serializer=None if encode else handler.response_serializer,
        keep_messages=False,
    )


def _decoded(decode: Any, content: bytes) -> Any:
    try:
        return decode(content)
    except DecodeError:
        detail = "Its bytes are no message of the type that this method takes."
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, detail=detail) from None
