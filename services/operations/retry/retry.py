"""Try operations again."""

import asyncio
from collections.abc import Mapping
from functools import partial

import structlog
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.common.errors import ServiceError, error_from_status
from services.operations.demand import Demand
from services.operations.first_answer import first_answer
from services.operations.followed_host import FollowedHost
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import OperationState
from services.operations.placement import Placement
from services.operations.presenter import Presenter
from services.operations.registry import Registry
from services.operations.requests_once import RequestsOnce, digest_of
from services.operations.retry.attempt_units import NewAttempt, Withdrawal
from services.operations.retry.next_attempt import next_attempt
from services.operations.retry.retry_request import check_retry, checked_retry, checkpoint_host
from services.operations.turns import Turns
from services.operations.wishes import Wishes

_KIND = "retry"


class Retry:
    """Gives operations that have ended one attempt more, each request_id once.

    Args:
        registry: The operations.
        requests: Knows requests that came before.
        hosts: All hosts by name.
        placement: Knows which of them take what.
        wishes: Sends the attempt to its host.
        presenter: Tells operations.
        demand: Is told that somebody waits.
        turns: Orders those who change an ended operation.
        clock: The time.
        wait_seconds: How long to wait for a host: a refusal in this time is the caller's error.
    """

    def __init__(
        self,
        registry: Registry,
        requests: RequestsOnce,
        hosts: Mapping[str, FollowedHost],
        placement: Placement,
        wishes: Wishes,
        presenter: Presenter,
        demand: Demand,
        turns: Turns,
        clock: Clock,
        wait_seconds: float,
    ) -> None:
        self._registry = registry
        self._requests = requests
        self._hosts = hosts
        self._placement = placement
        self._wishes = wishes
        self._presenter = presenter
        self._demand = demand
        self._turns = turns
        self._clock = clock
        self._wait_seconds = wait_seconds

    async def retry(self, request: pb.RetryOperationRequest) -> pb.Operation:
        """Try an operation again, or return the one that the same request has tried again before.

        Raises:
            ServiceError: OPERATION_NOT_FOUND, WRONG_STATE, TOO_MANY_ATTEMPTS, CHECKPOINT_NOT_FOUND, INVALID_REQUEST,
                REQUEST_ID_REUSED, HOST_NOT_FOUND, NO_HOST_OF_KIND or STOPPING.
            PassedOnError: The host's own refusal; the operation is as it was.
        """
        checked_retry(request)
        digest = digest_of(request, _KIND)
        operation_id = await self._requests.run(request.request_id, digest, partial(self._retry, request, digest))
        return self._presenter.present(await self._registry.get(operation_id))

    async def _retry(self, request: pb.RetryOperationRequest, digest: bytes) -> str:
        with self._demand.hold():
            async with self._turns.of(request.operation_id):
                found = await self._registry.get(request.operation_id)
                before = (found.state if isinstance(found, LiveOperation) else found).copy()
                operation = self._next(before, request)
                row = self._requests.row(request.request_id, operation.id, digest)
                await self._registry.commits.commit(NewAttempt(self._registry, operation, before, row))
            structlog.get_logger().info(
                "operation_retried", operation_id=operation.id, attempt=operation.record.attempt
            )
            self._wishes.pursue(operation)
            refusal = await first_answer(operation, self._wait_seconds)
        if refusal is not None:
            await self._withdraw(operation, before, request.request_id)
            raise error_from_status(refusal)
        operation.first_answer = None
        return operation.id

    async def _withdraw(self, operation: LiveOperation, before: OperationState, request_id: str) -> None:
        try:
            await self._registry.commits.commit(Withdrawal(self._registry, operation, before, request_id))
        except ServiceError:
            # The attempt is stored, and stays: its host is asked again, and its refusal is kept with it.
            operation.first_answer = None
            self._wishes.pursue(operation)
            raise

    def _next(self, before: OperationState, request: pb.RetryOperationRequest) -> LiveOperation:
        check_retry(before, request)
        wanted = checkpoint_host(self._hosts, before, request) if request.from_checkpoint else request.host
        self._placement.check(before.record.type, wanted)
        operation = LiveOperation(next_attempt(before, request, wanted, self._clock.now()))
        operation.first_answer = asyncio.get_running_loop().create_future()
        return operation
