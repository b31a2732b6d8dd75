"""Follow operations to their end, whatever the way it is shown."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from ktrdr.operations.v1.operations_pb2 import OPERATION_TYPE_TRAINING, Operation

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.backoff import Interruption
from ktrdr_client.cli.display import Display, LineDisplay, SilentDisplay
from ktrdr_client.cli.exit_codes import ExitCode
from ktrdr_client.cli.invocation import Invocation
from ktrdr_client.cli.printer import Printer
from ktrdr_client.errors import KtrdrError, NotFound, WaitTimeout
from ktrdr_client.states import is_final
from ktrdr_client.watch_events import OperationChanged, OperationDeleted

_CURVE_SECONDS: Final = 0.5
"""Pause between two looks at the curves of a training."""
_CURVE_POINTS: Final = 240


def choose_display(printer: Printer, *, several: bool) -> Display:
    """Return what fits: a live picture on a terminal, lines elsewhere, nothing for --quiet."""
    if printer.quiet:
        return SilentDisplay()
    if printer.live:
        from ktrdr_client.cli.live import LiveDisplay

        return LiveDisplay(printer.err)
    return LineDisplay.of(printer, prefixed=several)


async def follow(
    client: AsyncClient, operations: Sequence[Operation], invocation: Invocation, display: Display
) -> list[Operation]:
    """Show operations until all have ended, and return them as they ended, in the same order.

    Raises:
        WaitTimeout: The time to wait is over; the work goes on.
        NotFound: One of them was deleted.
        KtrdrError: The service refused the watch, or never answered.
    """
    latest = {operation.id: operation for operation in operations}
    ids = " ".join(latest)
    invocation.on_interrupt[:] = [f"stopped waiting; the work goes on.  follow it: ktrdr ops watch {ids}"]
    invocation.on_interrupt.append(f"to end it:  ktrdr ops cancel {ids}")
    limit_seconds = invocation.timeout.total_seconds() if invocation.timeout is not None else None
    try:
        async with asyncio.timeout(limit_seconds):
            with display:
                await _follow_all(client, latest, display)
    except TimeoutError:
        waiting = [each.id for each in latest.values() if not is_final(each)]
        message = (
            f"the time to wait ({limit_seconds:g} s) is over; the work goes on\n"
            f"  follow it:  ktrdr ops watch {' '.join(waiting)}\n  end it:     ktrdr ops cancel {' '.join(waiting)}"
        )
        raise WaitTimeout(message) from None
    invocation.on_interrupt.clear()
    return [latest[operation.id] for operation in operations]


async def _follow_all(client: AsyncClient, latest: dict[str, Operation], display: Display) -> None:
    for operation in latest.values():
        display.update(operation)
    curves = asyncio.create_task(_show_curves(client, latest, display))
    try:
        stream = client.watch_events(list(latest), known=latest, on_interruption=_teller(display))
        async with aclosing(stream) as events:
            while not all(is_final(each) for each in latest.values()):
                event = await anext(events)
                if isinstance(event, OperationChanged):
                    latest[event.operation.id] = event.operation
                    display.update(event.operation)
                elif isinstance(event, OperationDeleted):
                    raise deleted_error(event.operation_id)
    finally:
        curves.cancel()
        await asyncio.gather(curves, return_exceptions=True)
    await _show_curve(client, latest, display)


async def _show_curves(client: AsyncClient, latest: dict[str, Operation], display: Display) -> None:
    """Fetch the curve of a training that is followed alone again and again, as long as it grows."""
    known = 0
    while True:
        points = max(operation.metric_points for operation in latest.values())
        if points != known and await _show_curve(client, latest, display):
            known = points
        await asyncio.sleep(_CURVE_SECONDS)


async def _show_curve(client: AsyncClient, latest: dict[str, Operation], display: Display) -> bool:
    if len(latest) != 1 or isinstance(display, LineDisplay | SilentDisplay):
        return True
    (operation,) = latest.values()
    if operation.type != OPERATION_TYPE_TRAINING:
        return True
    try:
        metrics = await client.metrics(operation.id, series=["val_loss"], max_points=_CURVE_POINTS)
    except KtrdrError:
        return False  # the curve is an ornament: the watch itself tells what is wrong with the service
    display.history(operation.id, metrics)
    return True


def deleted_error(operation_id: str) -> NotFound:
    """Return the error for an operation that was deleted while it was followed."""
    return NotFound(f"operation {operation_id} was deleted meanwhile", reason="OPERATION_NOT_FOUND")


def _teller(display: Display) -> Interruption:
    def tell(error: KtrdrError, pause_seconds: float) -> None:
        display.note(f"{error.message}; trying again in {pause_seconds:.1f} s (the work goes on)")

    return tell


def exit_code(operations: Sequence[Operation]) -> ExitCode:
    """Return what the ends of some operations make the exit code; the worst one counts."""
    states = {operation.state for operation in operations}
    if Operation.STATE_FAILED in states:
        return ExitCode.FAILED
    if Operation.STATE_CANCELLED in states:
        return ExitCode.CANCELLED
    return ExitCode.OK
