"""A process that stores operations until it is ended, or the disk is full, and says which are stored.

Run as `python -m tests.support.store_victim STORE [LARGEST_FILE_BYTES]`.
"""

import asyncio
import resource
import sys
from itertools import count
from pathlib import Path

from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import SystemClock
from services.common.errors import ServiceError, reason_name
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import OperationState, State
from services.operations.registry import Registry
from services.operations.store import Store

WRITERS = 8


async def main(path: Path) -> None:
    """Store operations and let each end; print a line for each that is durable."""
    clock = SystemClock()
    store = await Store.open(path)
    registry = await Registry.load(store, clock)
    numbers = count()

    async def write() -> None:
        while True:
            record = pb.Operation(
                id=f"op{next(numbers)}", state=State.STATE_RUNNING, labels={"team": "red"}, notes="x" * 2_000
            )
            operation = LiveOperation(OperationState(record))
            await registry.insert(operation)
            await registry.change(operation, lambda state: state.end(State.STATE_COMPLETED, clock.now()))
            _tell(record.id)

    try:
        await asyncio.gather(*(write() for _ in range(WRITERS)))
    except ServiceError as error:
        _tell(reason_name(error.reason))
    await registry.commits.settled()
    await store.close()


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        largest = int(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    asyncio.run(main(Path(sys.argv[1])))
