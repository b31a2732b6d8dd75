"""`ktrdr ops logs`: what the work of an operation has logged and printed."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

import typer
from ktrdr.operations.v1.operations_pb2 import Operation
from rich.text import Text

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.control_characters import without_control_characters
from ktrdr_client.cli.invocation import Invocation, OutputFormat
from ktrdr_client.cli.printer import Printer
from ktrdr_client.errors import KtrdrError, WaitTimeout
from ktrdr_client.logs import LogEntry, parse_level

_STYLES: Final = {"debug": "dim", "info": "green", "warning": "yellow", "error": "bold red", "critical": "bold red"}


async def show_log(
    client: AsyncClient,
    invocation: Invocation,
    printer: Printer,
    operation: Operation,
    *,
    follow: bool,
    level: str,
    tail: int,
    attempt: int,
) -> None:
    """Print the log of an operation: lines for people, or a record for each line.

    Raises:
        WaitTimeout: The time that --timeout gives is over.
        KtrdrError: There is no log, or service or host do not answer.
    """
    if follow:
        again = f"ktrdr ops logs {operation.id} --follow"
        invocation.on_interrupt[:] = [f"stopped following; the work goes on.  follow it again: {again}"]

    def note(error: KtrdrError, pause_seconds: float) -> None:
        printer.message(f"{error.message}; trying again in {pause_seconds:.1f} s (the work goes on)")

    limit_seconds = invocation.timeout.total_seconds() if invocation.timeout is not None else None
    entries = client.read_log(
        operation.id, follow=follow, min_level=level, tail=tail, attempt=attempt, on_interruption=note
    )
    try:
        empty = True
        async with asyncio.timeout(limit_seconds), aclosing(entries):
            async for entry in entries:
                empty = False
                if entry.after_gap:
                    printer.message("(earlier lines were removed to keep the log within its bound)")
                _print(printer, entry)
        if empty:
            printer.message("the log has no lines" + (f" of level {level} or above" if level else ""))
    except TimeoutError:
        message = f"the time to follow ({limit_seconds:g} s) is over; the work goes on"
        raise WaitTimeout(message) from None


def parse_log_level(text: str) -> str:
    """Return the level that a flag names; a wrong one is wrong usage."""
    try:
        parse_level(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text.lower()


def _print(printer: Printer, entry: LogEntry) -> None:
    if printer.format is not OutputFormat.TABLE:
        printer.record(_record(entry))
        return
    for line in entry_lines(entry):
        printer.text(line)


def _record(entry: LogEntry) -> dict[str, Any]:
    return {
        "time": _time(entry.time, "microseconds"),
        "level": entry.level,
        "source": "output" if entry.printed else "log",
        "text": entry.text,
        "fields": dict(sorted(entry.fields.items())),
    }


def entry_lines(entry: LogEntry) -> Iterator[Text]:
    """Yield a line of a log for people; a traceback follows on lines of its own."""
    fields = {name: value for name, value in sorted(entry.fields.items()) if not (entry.printed and name == "stream")}
    exception = fields.pop("exception", "")
    time = _time(entry.time, "milliseconds")
    first, *rest = without_control_characters(entry.text).split("\n")
    line = Text.assemble(
        (f"{time:24}  ", "dim"),
        (f"{'output' if entry.printed else entry.level.upper():8}  ", _STYLES.get(entry.level, "dim")),
        first,
    )
    for name, value in fields.items():
        line.append(f"  {name}=", style="dim")
        line.append(without_control_characters(value).replace("\n", "⏎"))
    line.rstrip()
    yield line
    for text in [*rest, *without_control_characters(exception).splitlines()]:
        yield Text(f"    {text}")


def _time(time: datetime | None, precision: str) -> str:
    return "" if time is None else time.isoformat(timespec=precision).replace("+00:00", "Z")
