"""`ktrdr data import`."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from ktrdr.ib.v1.ib_pb2 import ImportBarsResponse

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.bar_sizes import bar_size_name
from ktrdr_client.cli.data.commands import data_command
from ktrdr_client.cli.data.flags import Bar, IbHost, Rth, Symbol, What
from ktrdr_client.cli.data.instrument_flags import InstrumentFlags, takes_instrument
from ktrdr_client.cli.data.transfer_display import transfer_display
from ktrdr_client.cli.facts import fact
from ktrdr_client.cli.invocation import Invocation, OutputFormat
from ktrdr_client.cli.printer import Printer, message_values
from ktrdr_client.cli.words import date_text
from ktrdr_client.errors import KtrdrError, WaitTimeout
from ktrdr_client.instruments import instrument_title


@takes_instrument
async def import_(
    invocation: Invocation,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or Parquet; - is CSV from stdin.")],
    symbol: Symbol,
    bar: Bar,
    *,
    time_zone: Annotated[
        str, typer.Option(metavar="ZONE", help="Zone of times that say none: America/New_York.", show_default="UTC")
    ] = "",
    time_format: Annotated[
        str,
        typer.Option(metavar="FORMAT", help="How times are written: %d/%m/%Y %H:%M.", show_default="ISO 8601"),
    ] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Drop what was imported of it before.")] = False,
    what: What = "",
    rth: Rth = True,
    about: InstrumentFlags,
    host: IbHost = "",
) -> None:
    """Store bars from a file, apart from those of the gateway: all of them, or none.

    The first line names the columns, in any case and order: time (timestamp, date, datetime, or date and time), open,
    high, low, close (o, h, l, c), and volume, vwap and count where there are some.
    """
    printer = Printer(invocation)
    invocation.on_interrupt[:] = ["stopped; see what is stored: ktrdr data list"]
    limit_seconds = invocation.timeout.total_seconds() if invocation.timeout is not None else None
    async with AsyncClient(invocation.server) as client:
        try:
            with transfer_display(printer, "sent") as display:
                async with asyncio.timeout(limit_seconds):
                    answer = await client.data.import_bars(
                        sys.stdin.buffer if str(file) == "-" else file,
                        about.instrument(symbol),
                        bar,
                        what_to_show=what,
                        use_rth=rth,
                        replace=replace,
                        time_zone=time_zone,
                        time_format=time_format,
                        on_rows=display.rows,
                        on_note=display.note,
                        host=host,
                    )
        except TimeoutError as error:
            if isinstance(error, WaitTimeout):
                raise
            message = f"the time to import {file} ({limit_seconds:g} s) is over; see what is stored: ktrdr data list"
            raise WaitTimeout(message) from None
        except OSError as error:
            message = f"cannot read {file}: {error.strerror or error}"
            raise KtrdrError(message) from None
    _print(printer, answer)


def _print(printer: Printer, answer: ImportBarsResponse) -> None:
    if printer.format is OutputFormat.CSV:
        printer.rows([], [], [message_values(answer)], name="imports")
        return
    if printer.format is not OutputFormat.TABLE:
        printer.json(message_values(answer))
        return
    dataset = answer.dataset
    key = dataset.key
    title = f"{instrument_title(key.instrument)} {bar_size_name(key.bar_size)}"
    new = f"{answer.received_rows:,} came, {answer.new_rows:,} of them new"
    span = f"{date_text(dataset.first_bar_time)} … {date_text(dataset.last_bar_time)}"
    printer.text(fact("bars", f"{title}: {dataset.rows:,} now, {span}  (IMPORTED)"))
    printer.text(fact("", new))
    printer.text(fact("next", data_command("check", key, source=True)))
