"""Wait a short time for what a host says to a new attempt."""

import asyncio

from google.rpc import status_pb2

from services.operations.live_operation import LiveOperation


async def first_answer(operation: LiveOperation, wait_seconds: float) -> status_pb2.Status | None:
    """Return the host's refusal, or None when it has not refused in time.

    Args:
        operation: The operation, with a future for the answer.
        wait_seconds: Longest time to wait.
    """
    assert operation.first_answer is not None
    try:
        async with asyncio.timeout(wait_seconds):
            return await asyncio.shield(operation.first_answer)
    except TimeoutError:
        # The answer may have come in the same moment.
        return operation.first_answer.result() if operation.first_answer.done() else None
