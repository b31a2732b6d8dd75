"""Do what a request asks for once, however often it is sent."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Final

import structlog
from google.protobuf.message import Message
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.operations.changes import Row
from services.operations.operation_state import microseconds
from services.operations.store_reader import StoreReader

_RETRY_AFTER_RESTART: Final = timedelta(seconds=5)
_LIFE: Final = timedelta(hours=24)


class RequestsOnce:
    """Knows requests by their request_id: in memory while they are worked on, and from the store for a day after.

    Args:
        reader: Questions to the store.
        clock: The time.
    """

    def __init__(self, reader: StoreReader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._running: dict[str, tuple[bytes, asyncio.Task[str]]] = {}
        self._tasks: set[asyncio.Task[str]] = set()
        self._stopping = False

    async def run(self, request_id: str, digest: bytes, work: Callable[[], Coroutine[Any, Any, str]]) -> str:
        """Return the id of the operation that the work brings, or that the same request brought before.

        Args:
            request_id: Id of the request; empty if it is to be worked on each time.
            digest: What `digest_of` returns for it.
            work: Does it, and stores the request's `row` with what it brings.

        Raises:
            ServiceError: REQUEST_ID_REUSED, STOPPING, or what the work raises.
        """
        if self._stopping:
            raise ServiceError(ErrorReason.ERROR_REASON_STOPPING, retry_after=_RETRY_AFTER_RESTART)
        known = self._running.get(request_id)
        if known is None:
            task = asyncio.create_task(self._run(request_id, digest, work), name="request")
            self._tasks.add(task)
            task.add_done_callback(self._finished)
            if request_id:
                self._running[request_id] = digest, task
        elif known[0] != digest:
            raise ServiceError(ErrorReason.ERROR_REASON_REQUEST_ID_REUSED, request_id=request_id)
        else:
            task = known[1]
        # It goes on when its caller hangs up: half of it would be neither there nor gone.
        return await asyncio.shield(task)

    def row(self, request_id: str, operation_id: str, digest: bytes) -> Row | None:
        """Return the row of the table of requests; None for a request without an id."""
        if not request_id:
            return None
        expires = microseconds(self._clock.now() + _LIFE)
        return {
            "request_id": request_id,
            "operation_id": operation_id,
            "body_digest": digest,
            "expires_us": expires,
        }

    def refuse(self) -> None:
        """Take no request any more: the server stops."""
        self._stopping = True

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, request_id: str, digest: bytes, work: Callable[[], Coroutine[Any, Any, str]]) -> str:
        if request_id and (known := await self._known(request_id, digest)):
            return known
        return await work()

    async def _known(self, request_id: str, digest: bytes) -> str:
        stored = await self._reader.request(request_id, microseconds(self._clock.now()))
        if stored is None:
            return ""
        if stored.body_digest != digest:
            raise ServiceError(ErrorReason.ERROR_REASON_REQUEST_ID_REUSED, request_id=request_id)
        return stored.operation_id

    def _finished(self, task: asyncio.Task[str]) -> None:
        self._tasks.discard(task)
        self._running = {key: value for key, value in self._running.items() if value[1] is not task}
        if not task.cancelled() and (error := task.exception()) is not None:
            structlog.get_logger().info("request_refused", error=str(error))


def digest_of(request: Message, kind: str = "") -> bytes:
    """Return what tells one request from another; the request_id is not part of it.

    Args:
        request: The request.
        kind: Tells requests of one kind from those of others.
    """
    body = type(request)()
    body.CopyFrom(request)
    body.ClearField("request_id")
    return hashlib.sha256(kind.encode() + body.SerializeToString(deterministic=True)).digest()
