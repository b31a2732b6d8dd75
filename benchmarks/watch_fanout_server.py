"""The operations service with operations that change by themselves: `python -m benchmarks.watch_fanout_server HOME`.

The service is the real one; only its operations have no host. What changes says when: the step of its progress is the
time in nanoseconds.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import grpc
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.bootstrap import ServiceContext, serve
from services.common.log import configure_logging
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import Delivery, OperationState, State
from services.operations.registry import Registry
from services.operations.service import OperationsService
from services.operations.settings import OperationsSettings

OPERATIONS = 150


class ChangingService(OperationsService):
    """The service, in which each operation changes once a second."""

    async def start(self, server: grpc.aio.Server, context: ServiceContext) -> Sequence[str]:
        """Start it, and begin to change."""
        names = await super().start(server, context)
        registry = self._registry
        assert registry is not None
        operations = [await _operation(registry, number, context) for number in range(OPERATIONS)]
        self._changing = asyncio.create_task(_change(registry, operations))
        return names

    async def begin_stop(self) -> None:
        """Change nothing any more."""
        self._changing.cancel()
        await super().begin_stop()


async def _operation(registry: Registry, number: int, context: ServiceContext) -> LiveOperation:
    record = pb.Operation(id=f"op-{number:04}", state=State.STATE_RUNNING, type=pb.OPERATION_TYPE_TRAINING, attempt=1)
    record.training.strategy = "name: fanout"
    record.create_time.FromDatetime(context.clock.now())
    operation = LiveOperation(OperationState(record, Delivery.ACCEPTED, host_uid="none"))
    await registry.insert(operation)
    return operation


async def _change(registry: Registry, operations: Sequence[LiveOperation]) -> None:
    began, count = time.monotonic(), 0
    while True:
        registry.show(operations[count % len(operations)], _step)
        count += 1
        await asyncio.sleep(max(0.0, began + count / len(operations) - time.monotonic()))


def _step(state: OperationState) -> bool:
    state.record.progress.step = str(time.time_ns())
    return True


async def _serve(home: Path) -> int:
    settings = OperationsSettings(home=home, port=0, hosts=(), ready_file=home / "ready.json", log_level="error")
    configure_logging(level="error", form="json", service="operations")
    return await serve(ChangingService(settings, seed=1), settings)


if __name__ == "__main__":
    sys.exit(asyncio.run(_serve(Path(sys.argv[1]))))
