"""Look at what a server refused, as a client does."""

from collections.abc import Awaitable

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from services.common.errors import error_info, status_of_call


class Refusal:
    """A refused call.

    Attributes:
        code: Its gRPC status.
        reason: The reason of our catalogue.
        metadata: What came with the reason.
        message: Text for people.
        status: All of it.
    """

    def __init__(self, code: grpc.StatusCode, status: status_pb2.Status) -> None:
        info = error_info(status)
        assert info is not None, f"no ErrorInfo in {status}"
        self.code = code
        self.reason = info.reason
        self.metadata = dict(info.metadata)
        self.message = status.message
        self.status = status

    @property
    def fields(self) -> list[str]:
        """Fields that the refusal names."""
        bad_request = error_details_pb2.BadRequest()
        for detail in self.status.details:
            if detail.Is(bad_request.DESCRIPTOR):
                detail.Unpack(bad_request)
        return [violation.field for violation in bad_request.field_violations]

    @property
    def retry_seconds(self) -> float | None:
        """When to try again."""
        retry = error_details_pb2.RetryInfo()
        for detail in self.status.details:
            if detail.Is(retry.DESCRIPTOR):
                detail.Unpack(retry)
                return float(retry.retry_delay.ToTimedelta().total_seconds())
        return None


async def refusal(call: Awaitable[object]) -> Refusal:
    """Make a call that has to be refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = status_of_call(caught.value)
    assert status is not None, f"no status with details: {caught.value}"
    return Refusal(caught.value.code(), status)
