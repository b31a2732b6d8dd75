"""How calls are made: always with a deadline, always ended, failures as the client's own exceptions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import grpc

from ktrdr_client.status_errors import error_from_call

Request = TypeVar("Request")
Response = TypeVar("Response")


@dataclass(frozen=True)
class Endpoint:
    """A service that is called, for error messages."""

    service: str
    """What it is, for people: "operations service"."""
    address: str
    """HOST:PORT."""


async def call_unary(
    method: "grpc.aio.UnaryUnaryMultiCallable[Request, Response]",
    request: Request,
    *,
    endpoint: Endpoint,
    timeout_seconds: float,
) -> Response:
    """Call and return the answer.

    Raises:
        KtrdrError: The service refused, or does not answer.
    """
    try:
        return await method(request, timeout=timeout_seconds)
    except grpc.aio.AioRpcError as error:
        raise error_from_call(error, service=endpoint.service, address=endpoint.address) from None


async def call_with_stream(
    method: "grpc.aio.StreamUnaryMultiCallable[Request, Response]",
    requests: AsyncIterator[Request],
    *,
    endpoint: Endpoint,
    timeout_seconds: float,
) -> Response:
    """Send a stream of requests and return the answer.

    Raises:
        KtrdrError: The service refused, or does not answer.
    """
    try:
        return await method(requests, timeout=timeout_seconds)
    except grpc.aio.AioRpcError as error:
        raise error_from_call(error, service=endpoint.service, address=endpoint.address) from None


@asynccontextmanager
async def open_stream(
    method: "grpc.aio.UnaryStreamMultiCallable[Request, Response]",
    request: Request,
    *,
    endpoint: Endpoint,
    timeout_seconds: float | None = None,
) -> AsyncIterator[AsyncIterator[Response]]:
    """Open a server stream for the length of a `with` block, and yield its messages.

    Leaving the block always cancels the call: a loop that is merely left by `break` would keep the stream and its
    handler on the server alive for good.

    Raises:
        KtrdrError: The service refused, does not answer, or broke the stream.
    """
    call = method(request, timeout=timeout_seconds)
    try:
        yield aiter(call)
    except grpc.aio.AioRpcError as error:
        raise error_from_call(error, service=endpoint.service, address=endpoint.address) from None
    finally:
        call.cancel()
