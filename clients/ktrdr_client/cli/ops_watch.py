"""`ktrdr ops watch`: everything that happens until Ctrl-C, or as records what happens to operations that are named."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from ktrdr.operations.v1.operations_pb2 import Operation

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.backoff import Interruption
from ktrdr_client.cli.display import Display, LineDisplay
from ktrdr_client.cli.follow import choose_display, deleted_error
from ktrdr_client.cli.invocation import Invocation, OutputFormat
from ktrdr_client.cli.printer import Printer
from ktrdr_client.cli.watch_records import event_records, point_lines
from ktrdr_client.errors import KtrdrError, WaitTimeout
from ktrdr_client.states import is_final
from ktrdr_client.watch_events import OperationChanged, OperationDeleted, OperationLeft, PointsAdded, WatchEvent


async def watch_all(
    client: AsyncClient, invocation: Invocation, printer: Printer, *, filter_text: str, metrics: bool
) -> None:
    """Show every operation that changes: as records, as lines, or as a picture of those that are at work.

    Raises:
        WaitTimeout: The time that --timeout gives is over.
        KtrdrError: The filter cannot be understood, or the service never answered.
    """
    invocation.on_interrupt[:] = ["stopped watching; all work goes on"]
    limit_seconds = invocation.timeout.total_seconds() if invocation.timeout is not None else None
    try:
        async with asyncio.timeout(limit_seconds):
            if printer.format is not OutputFormat.TABLE:
                await _records(client, printer, filter_text, metrics=metrics)
            else:
                await _show(client, printer, filter_text, metrics=metrics)
    except TimeoutError:
        message = f"the time to watch ({limit_seconds:g} s) is over; all work goes on"
        raise WaitTimeout(message) from None


async def watch_named(
    client: AsyncClient, printer: Printer, operations: Sequence[Operation], *, metrics: bool
) -> list[Operation]:
    """Print operations as records, and what happens to them until all have ended; return them as they ended.

    Raises:
        NotFound: One of them was deleted.
    """
    latest = {operation.id: operation for operation in operations}
    for operation in operations:
        _print_records(printer, OperationChanged(operation))
    seen = min((operation.revision for operation in operations), default=0)
    async with aclosing(
        client.watch_events(list(latest), after_revision=seen, known=latest, include_metrics=metrics)
    ) as events:
        while not all(is_final(each) for each in latest.values()):
            event = await anext(events)
            if isinstance(event, OperationChanged):
                if event.operation.revision <= latest[event.operation.id].revision:
                    continue
                latest[event.operation.id] = event.operation
            _print_records(printer, event)
            if isinstance(event, OperationDeleted):
                raise deleted_error(event.operation_id)
    return list(latest.values())


async def _records(client: AsyncClient, printer: Printer, filter_text: str, *, metrics: bool) -> None:
    known: list[str] = []
    revision = 0
    if metrics:  # all operations as they are, but only the points that come from now on
        revision = (await client.list_page(filter_text, page_size=1)).revision
        async for operation in client.list(filter_text):
            known.append(operation.id)
            _print_records(printer, OperationChanged(operation))
    events = client.watch_events(filter_text=filter_text, after_revision=revision, known=known, include_metrics=metrics)
    async with aclosing(events):
        async for event in events:
            _print_records(printer, event)


def _print_records(printer: Printer, event: WatchEvent) -> None:
    if printer.format is OutputFormat.CSV and not isinstance(event, OperationChanged):
        return  # rows of a table are of one kind
    for record in event_records(event):
        printer.record(record)


async def _show(client: AsyncClient, printer: Printer, filter_text: str, *, metrics: bool) -> None:
    page = await client.list_page(filter_text, page_size=500)
    active = [operation for operation in page.operations if not is_final(operation)]
    # Lines of a watch are its data; only a picture is drawn beside them, on stderr.
    display = choose_display(printer, several=True) if printer.live else LineDisplay(printer.text, prefixed=True)
    if not active and printer.live:
        printer.message("nothing is at work; waiting for something to happen (Ctrl-C ends this)")
    events = client.watch_events(
        filter_text=filter_text,
        after_revision=page.revision,
        known=[operation.id for operation in page.operations],
        include_metrics=metrics,
        on_interruption=_teller(display),
    )
    with display:
        for operation in reversed(active):
            display.update(operation)
        async with aclosing(events):
            await _take(events, display, printer)


async def _take(events: AsyncIterator[WatchEvent], display: Display, printer: Printer) -> None:
    async for event in events:
        match event:
            case OperationChanged():
                display.update(event.operation)
            case OperationDeleted():
                display.gone(event.operation_id, "was deleted")
            case OperationLeft():
                display.gone(event.operation_id, "does not match the filter any more")
            case PointsAdded():
                for line in point_lines(event):
                    printer.text(line)


def _teller(display: Display) -> Interruption:
    def tell(error: KtrdrError, pause_seconds: float) -> None:
        display.note(f"{error.message}; trying again in {pause_seconds:.1f} s")

    return tell
