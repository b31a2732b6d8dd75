"""The standard health service, one status for each service of the server.

The one that comes with grpc keeps watches open while the server stops, so that each stop would take the whole grace.
This one tells them NOT_SERVING and ends them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common.interceptors.wrapping import Context

_Response = health_pb2.HealthCheckResponse


class HealthServicer(health_pb2_grpc.HealthServicer):
    """Answers how the server and each of its services stand. The empty name stands for the whole server."""

    def __init__(self) -> None:
        self._serving: dict[str, bool] = {"": False}
        self._ended = False
        self._changed = asyncio.Event()

    def set_serving(self, services: Iterable[str]) -> None:
        """Say that these services, and with them the server, answer calls."""
        self._serving |= dict.fromkeys(["", *services], True)
        self._tell()

    def enter_graceful_shutdown(self) -> None:
        """Say NOT_SERVING for everything, for good, and end the watches."""
        self._serving = dict.fromkeys(self._serving, False)
        self._ended = True
        self._tell()

    async def Check(  # noqa: N802 - the contract's name
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> health_pb2.HealthCheckResponse:
        """Tell how a service stands. NOT_FOUND: the server has none of this name."""
        if request.service not in self._serving:
            await context.abort(
                grpc.StatusCode.NOT_FOUND, "This server has no such service; reflection lists those it has."
            )
        return _Response(status=self._status(request.service))

    async def Watch(  # noqa: N802 - the contract's name
        self, request: health_pb2.HealthCheckRequest, _context: Context
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Tell how a service stands, now and at each change."""
        last: int | None = None
        while True:
            changed = self._changed
            status = self._status(request.service)
            if status != last:
                yield _Response(status=status)
                last = status
            if self._ended:
                return
            await changed.wait()

    def _status(self, service: str) -> int:
        if service not in self._serving:
            return _Response.SERVICE_UNKNOWN
        return _Response.SERVING if self._serving[service] else _Response.NOT_SERVING

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
