"""Create operations."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Final

import structlog
from google.rpc import status_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.common.errors import ServiceError, error_from_status
from services.common.timestamps import to_timestamp
from services.operations.changes import Row
from services.operations.creation_request import checked_request
from services.operations.demand import Demand
from services.operations.identifiers import new_operation_id, session_id_of
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import Delivery, OperationState, State, microseconds
from services.operations.placement import Placement
from services.operations.presenter import Presenter
from services.operations.registry import Registry
from services.operations.store_reader import StoreReader
from services.operations.strategy_name import strategy_name
from services.operations.wishes import Wishes

_RETRY_AFTER_RESTART: Final = timedelta(seconds=5)
_REQUEST_ID_LIFE: Final = timedelta(hours=24)

_TYPES: Final = {"training": pb.OPERATION_TYPE_TRAINING, "data_load": pb.OPERATION_TYPE_DATA_LOAD}


class Creation:
    """Creates operations, each request_id once.

    Args:
        registry: The operations.
        reader: Questions to the store.
        placement: Knows which hosts there are.
        wishes: Sends the operation to its host.
        presenter: Tells operations.
        demand: Is told that somebody waits.
        clock: The time.
        wait_seconds: How long a creator waits for a host: a refusal in this time is the creator's error.
    """

    def __init__(
        self,
        registry: Registry,
        reader: StoreReader,
        placement: Placement,
        wishes: Wishes,
        presenter: Presenter,
        demand: Demand,
        clock: Clock,
        wait_seconds: float,
    ) -> None:
        self._registry = registry
        self._reader = reader
        self._placement = placement
        self._wishes = wishes
        self._presenter = presenter
        self._demand = demand
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._running: dict[str, tuple[bytes, asyncio.Task[str]]] = {}
        self._tasks: set[asyncio.Task[str]] = set()
        self._stopping = False

    async def create(self, request: pb.CreateOperationRequest) -> pb.Operation:
        """Create an operation, or return the one that the same request created before.

        Raises:
            ServiceError: INVALID_REQUEST, REQUEST_ID_REUSED, HOST_NOT_FOUND, NO_HOST_OF_KIND or STOPPING.
            PassedOnError: The host's own refusal.
        """
        if self._stopping:
            raise ServiceError(ErrorReason.ERROR_REASON_STOPPING, retry_after=_RETRY_AFTER_RESTART)
        checked_request(request)
        digest = _digest(request)
        known = self._running.get(request.request_id)
        if known is None:
            task = asyncio.create_task(self._create(request, digest), name="create")
            self._tasks.add(task)
            task.add_done_callback(self._finished)
            if request.request_id:
                self._running[request.request_id] = digest, task
        elif known[0] != digest:
            raise ServiceError(ErrorReason.ERROR_REASON_REQUEST_ID_REUSED, request_id=request.request_id)
        else:
            task = known[1]
        # The creation goes on when its caller hangs up: half a creation would be neither there nor gone.
        operation_id = await asyncio.shield(task)
        return self._presenter.present(await self._registry.get(operation_id))

    def refuse(self) -> None:
        """Create nothing any more: the server stops."""
        self._stopping = True

    async def close(self) -> None:
        """Wait for creations that are under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _create(self, request: pb.CreateOperationRequest, digest: bytes) -> str:
        if request.request_id and (known := await self._known(request.request_id, digest)):
            return known
        operation = self._new(request)
        self._placement.check(operation.record.type, request.host)
        with self._demand.hold():
            await self._registry.insert(operation, self._request_row(request.request_id, operation.id, digest))
            self._wishes.pursue(operation)
            refusal = await _first_answer(operation, self._wait_seconds)
        if refusal is not None:
            await self._registry.remove(operation)
            raise error_from_status(refusal)
        operation.first_answer = None
        await self._registry.reveal(operation)
        return operation.id

    async def _known(self, request_id: str, digest: bytes) -> str:
        stored = await self._reader.request(request_id, microseconds(self._clock.now()))
        if stored is None:
            return ""
        if stored.body_digest != digest:
            raise ServiceError(ErrorReason.ERROR_REASON_REQUEST_ID_REUSED, request_id=request_id)
        return stored.operation_id

    def _new(self, request: pb.CreateOperationRequest) -> LiveOperation:
        now = to_timestamp(self._clock.now())
        operation_id = new_operation_id()
        record = pb.Operation(
            id=operation_id,
            display_name=request.display_name,
            type=_TYPES[request.WhichOneof("spec") or ""],
            state=State.STATE_PENDING,
            attempt=1,
            labels=request.labels,
            session_id=session_id_of(operation_id, 1),
            create_time=now,
            update_time=now,
        )
        record.stop_on.extend(sorted(set(request.stop_on)))
        if request.HasField("training"):
            record.training.CopyFrom(request.training)
            record.strategy = strategy_name(request.training)
        else:
            record.data_load.CopyFrom(request.data_load)
        if request.HasField("options"):
            record.options.CopyFrom(request.options)
        operation = LiveOperation(OperationState(record, Delivery.NEW, wanted_host=request.host), hidden=True)
        operation.first_answer = asyncio.get_running_loop().create_future()
        return operation

    def _request_row(self, request_id: str, operation_id: str, digest: bytes) -> Row | None:
        if not request_id:
            return None
        expires = microseconds(self._clock.now() + _REQUEST_ID_LIFE)
        return {
            "request_id": request_id,
            "operation_id": operation_id,
            "body_digest": digest,
            "expires_us": expires,
        }

    def _finished(self, task: asyncio.Task[str]) -> None:
        self._tasks.discard(task)
        self._running = {key: value for key, value in self._running.items() if value[1] is not task}
        if not task.cancelled() and (error := task.exception()) is not None:
            structlog.get_logger().info("creation_refused", error=str(error))


async def _first_answer(operation: LiveOperation, wait_seconds: float) -> status_pb2.Status | None:
    """Return the host's refusal, or None when it has not refused in time."""
    assert operation.first_answer is not None
    try:
        async with asyncio.timeout(wait_seconds):
            return await asyncio.shield(operation.first_answer)
    except TimeoutError:
        # The answer may have come in the same moment.
        return operation.first_answer.result() if operation.first_answer.done() else None


def _digest(request: pb.CreateOperationRequest) -> bytes:
    """Return what tells one body from another; the request_id is not part of it."""
    body = pb.CreateOperationRequest()
    body.CopyFrom(request)
    body.ClearField("request_id")
    return hashlib.sha256(body.SerializeToString(deterministic=True)).digest()
