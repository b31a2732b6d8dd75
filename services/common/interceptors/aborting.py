"""The one place where calls are ended with an error."""

from typing import Final, Never

import grpc
from google.rpc import status_pb2

from services.common.errors import MESSAGE_LIMIT, shorten
from services.common.interceptors.wrapping import Context

DETAILS_KEY: Final = "grpc-status-details-bin"


async def abort(context: Context, status: status_pb2.Status) -> Never:
    """End the call with a rich status. Unlike `abort_with_status` this keeps the trailers that were set before.

    Raises:
        grpc.aio.AbortError: Always; it carries the call's end through the handlers around it.
    """
    kept = tuple((key, value) for key, value in context.trailing_metadata() or () if key != DETAILS_KEY)
    fitting = status_pb2.Status(
        code=status.code, message=shorten(status.message, MESSAGE_LIMIT), details=status.details
    )
    details = ((DETAILS_KEY, fitting.SerializeToString()),)
    await context.abort(_CODES.get(status.code, grpc.StatusCode.UNKNOWN), fitting.message, kept + details)


_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
