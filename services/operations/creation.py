"""Create operations."""

import asyncio
from functools import partial
from typing import Final

from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.common.errors import error_from_status
from services.common.timestamps import to_timestamp
from services.operations.creation_request import checked_request
from services.operations.demand import Demand
from services.operations.first_answer import first_answer
from services.operations.identifiers import new_operation_id, session_id_of
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import Delivery, OperationState, State
from services.operations.placement import Placement
from services.operations.presenter import Presenter
from services.operations.registry import Registry
from services.operations.requests_once import RequestsOnce, digest_of
from services.operations.strategy_name import strategy_name
from services.operations.wishes import Wishes

_TYPES: Final = {"training": pb.OPERATION_TYPE_TRAINING, "data_load": pb.OPERATION_TYPE_DATA_LOAD}


class Creation:
    """Creates operations, each request_id once.

    Args:
        registry: The operations.
        requests: Knows requests that came before.
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
        requests: RequestsOnce,
        placement: Placement,
        wishes: Wishes,
        presenter: Presenter,
        demand: Demand,
        clock: Clock,
        wait_seconds: float,
    ) -> None:
        self._registry = registry
        self._placement = placement
        self._wishes = wishes
        self._presenter = presenter
        self._demand = demand
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._requests = requests

    async def create(self, request: pb.CreateOperationRequest) -> pb.Operation:
        """Create an operation, or return the one that the same request created before.

        Raises:
            ServiceError: INVALID_REQUEST, REQUEST_ID_REUSED, HOST_NOT_FOUND, NO_HOST_OF_KIND or STOPPING.
            PassedOnError: The host's own refusal.
        """
        checked_request(request)
        digest = digest_of(request)
        work = partial(self._create, request, digest)
        operation_id = await self._requests.run(request.request_id, digest, work)
        return self._presenter.present(await self._registry.get(operation_id))

    async def _create(self, request: pb.CreateOperationRequest, digest: bytes) -> str:
        operation = self._new(request)
        self._placement.check(operation.record.type, request.host)
        with self._demand.hold():
            await self._registry.insert(operation, self._requests.row(request.request_id, operation.id, digest))
            self._wishes.pursue(operation)
            refusal = await first_answer(operation, self._wait_seconds)
        if refusal is not None:
            await self._registry.remove(operation)
            raise error_from_status(refusal)
        operation.first_answer = None
        await self._registry.reveal(operation)
        return operation.id

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
