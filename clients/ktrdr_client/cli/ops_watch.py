"""`ktrdr ops watch` without ids: everything that happens, until Ctrl-C."""

import asyncio
from contextlib import aclosing

from ktrdr.operations.v1.operations_pb2 import Operation
from rich.text import Text

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.display import LineDisplay
from ktrdr_client.cli.follow import choose_display
from ktrdr_client.cli.invocation import Invocation, OutputFormat
from ktrdr_client.cli.printer import Printer, message_values
from ktrdr_client.cli.words import number
from ktrdr_client.errors import KtrdrError, WaitTimeout
from ktrdr_client.states import is_final


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
                await _records(client, printer, filter_text)
            else:
                await _show(client, printer, filter_text, metrics=metrics)
    except TimeoutError:
        message = f"the time to watch ({limit_seconds:g} s) is over; all work goes on"
        raise WaitTimeout(message) from None


async def _records(client: AsyncClient, printer: Printer, filter_text: str) -> None:
    async with aclosing(client.watch(filter_text=filter_text)) as changes:
        async for operation in changes:
            printer.record(message_values(operation))


async def _show(client: AsyncClient, printer: Printer, filter_text: str, *, metrics: bool) -> None:
    page = await client.list_page(filter_text, page_size=500)
    active = [operation for operation in page.operations if not is_final(operation)]
    # Lines of a watch are its data; only a picture is drawn beside them, on stderr.
    display = choose_display(printer, several=True) if printer.live else LineDisplay(printer.text, prefixed=True)
    if not active and printer.live:
        printer.message("nothing is at work; waiting for something to happen (Ctrl-C ends this)")

    def note(error: KtrdrError, pause_seconds: float) -> None:
        display.note(f"{error.message}; trying again in {pause_seconds:.1f} s")

    with display:
        for operation in reversed(active):
            display.update(operation)
        stream = client.watch(filter_text=filter_text, after_revision=page.revision, on_interruption=note)
        async with aclosing(stream) as changes:
            async for operation in changes:
                display.update(operation)
                if metrics and operation.latest_metrics:
                    printer.text(_metrics_line(operation))


def _metrics_line(operation: Operation) -> Text:
    values = " ".join(f"{each.name}={number(each.value)}" for each in operation.latest_metrics)
    return Text(f"{operation.id}  {values}")
