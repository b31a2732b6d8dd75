"""What `ktrdr up` tells of the gateway, and of the work that runs when it is stopped."""

import asyncio
import time
from contextlib import aclosing
from typing import Final

from ktrdr.ib.v1.ib_pb2 import GetGatewayResponse
from ktrdr.operations.v1.operations_pb2 import Operation

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.display import heading
from ktrdr_client.cli.printer import Printer
from ktrdr_client.cli.words import progress_words
from ktrdr_client.errors import KtrdrError
from ktrdr_client.local import LocalSystem
from ktrdr_client.states import is_final, state_name

_GATEWAY_SECONDS: Final = 10.0
_SETTLE_SECONDS: Final = 45.0
"""Time that work gets to end when everything is stopped; the host ends it by force before."""
_REASON: Final = "ktrdr up was stopped"


async def gateway_words(system: LocalSystem) -> str:
    """Return how the IB host stands with its gateway, once it is connected or some time has passed."""
    deadline = time.monotonic() + _GATEWAY_SECONDS
    words = "REPLAY: recorded history, no market" if system.plan.is_replay else "connected"
    async with AsyncClient(system.operations_address) as client:
        while True:
            try:
                answer = await client.data.gateway()
            except KtrdrError as error:
                problem = error.message
            else:
                if answer.link == GetGatewayResponse.LINK_UP:
                    return words
                problem = answer.problem
            if time.monotonic() > deadline or (problem and not system.plan.is_replay):
                return f"not connected: {problem}" if problem else "not connected yet"
            await asyncio.sleep(0.05)


async def settle_work(system: LocalSystem, printer: Printer) -> None:
    """Stop the work that goes on, or leave it, as the plan has it; and say what becomes of it."""
    try:
        async with AsyncClient(system.operations_address) as client:
            active = [each async for each in client.list() if not is_final(each)]
            if system.plan.on_exit == "leave":
                for operation in active:
                    printer.message(f"  {heading(operation)}: {_left(operation)}")
            elif active:
                await _stop(client, active, printer)
    except KtrdrError as error:
        printer.message(f"what becomes of running work cannot be told: {error.message}")


def _left(operation: Operation) -> str:
    if operation.state in {Operation.STATE_PENDING, Operation.STATE_QUEUED}:
        return "waits for the next `ktrdr up`"
    if operation.HasField("data_load"):
        return f"goes on at the next `ktrdr up` ({progress_words(operation)})"
    return f"goes on without the services; `ktrdr up` follows it again ({progress_words(operation)})"


async def _stop(client: AsyncClient, active: list[Operation], printer: Printer) -> None:
    printer.message(f"stopping {len(active)} operation{'s' if len(active) > 1 else ''} …")
    open_ids = {operation.id for operation in active}
    for operation in active:
        await client.cancel(operation.id, reason=_REASON)
    try:
        async with asyncio.timeout(_SETTLE_SECONDS), aclosing(client.watch(list(open_ids))) as changes:
            async for operation in changes:
                if operation.id in open_ids and is_final(operation):
                    open_ids.discard(operation.id)
                    printer.message(f"  {heading(operation)}: {state_name(operation)}")
                if not open_ids:
                    return
    except TimeoutError:
        printer.message(f"  still stopping: {' '.join(sorted(open_ids))}; see `ktrdr ops list` at the next `ktrdr up`")
