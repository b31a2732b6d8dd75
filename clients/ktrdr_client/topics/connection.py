"""The connection to the operations service that all calls share."""

from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import grpc

from ktrdr_client.calls import Endpoint, call_unary
from ktrdr_client.channel import open_channel
from ktrdr_client.stubs import operations_stub

if TYPE_CHECKING:
    from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceAsyncStub

Request = TypeVar("Request")
Response = TypeVar("Response")


class Connection:
    """A channel that is opened at the first call; a context manager that closes it.

    Args:
        address: HOST:PORT of the operations service.
        timeout_seconds: Deadline of each single call.
    """

    def __init__(self, address: str, *, timeout_seconds: float) -> None:
        self.address = address
        self.timeout_seconds = timeout_seconds
        self._endpoint = Endpoint("operations service", address)
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the channel. Calls that still run are ended."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    @property
    def _stub(self) -> "OperationsServiceAsyncStub":
        if self._channel is None:
            self._channel = open_channel(self.address)
        return operations_stub(self._channel)

    async def _call(self, method: "grpc.aio.UnaryUnaryMultiCallable[Request, Response]", request: Request) -> Response:
        return await call_unary(method, request, endpoint=self._endpoint, timeout_seconds=self.timeout_seconds)
