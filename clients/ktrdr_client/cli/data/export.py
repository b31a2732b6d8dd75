"""`ktrdr data export`."""

import asyncio
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.bar_sizes import parse_bar_size
from ktrdr_client.cli.data.commands import moment_text, shown
from ktrdr_client.cli.data.flags import Bar, End, IbHost, Rth, Source, Start, Symbol, What
from ktrdr_client.cli.data.instrument_flags import InstrumentFlags, takes_instrument
from ktrdr_client.cli.data.transfer_display import transfer_display
from ktrdr_client.cli.dataset_verdicts import counted
from ktrdr_client.cli.invocation import Invocation, OutputFormat
from ktrdr_client.cli.printer import Printer, message_values
from ktrdr_client.cli.words import dataset_title
from ktrdr_client.errors import KtrdrError, WaitTimeout
from ktrdr_client.market_data.export import ExportedBars, format_of
from ktrdr_client.states import source_name


def _complete_formats(incomplete: str) -> list[str]:
    return [each for each in ("csv", "parquet") if each.startswith(incomplete)]


@takes_instrument
async def export(
    invocation: Invocation,
    symbol: Symbol,
    bar: Bar,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the bars go; - is stdout.")],
    *,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="csv|parquet",
            help="What to write.",
            show_default="by the end of the name; csv to stdout",
            autocompletion=_complete_formats,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    source: Source = None,
    start: Start = None,
    end: End = None,
    what: What = "",
    rth: Rth = True,
    about: InstrumentFlags,
    host: IbHost = "",
) -> None:
    """Write stored bars into a CSV or Parquet file, which is there whole or not at all.

    Times are UTC: the start of a bar, and the date of daily and longer ones.
    """
    parse_bar_size(bar)
    printer = Printer(invocation)
    to_stdout = str(file) == "-"
    chosen = file_format or ("csv" if to_stdout else None)
    format_of(file, chosen)
    limit_seconds = invocation.timeout.total_seconds() if invocation.timeout is not None else None
    invocation.on_interrupt[:] = ["stopped; nothing is written"] if not to_stdout else []
    display = transfer_display(printer, "written") if not to_stdout else nullcontext()
    async with AsyncClient(invocation.server) as client:
        try:
            with display as shown:
                async with asyncio.timeout(limit_seconds):
                    exported = await client.data.export(
                        about.instrument(symbol),
                        bar,
                        sys.stdout.buffer if to_stdout else file,
                        file_format=chosen,
                        source=source,
                        start=start,
                        end=end,
                        what_to_show=what,
                        use_rth=rth,
                        overwrite=force,
                        on_rows=None if shown is None else shown.rows,
                        host=host,
                    )
        except KtrdrError:
            raise
        except TimeoutError:
            message = f"the time to write {file} ({limit_seconds:g} s) is over; nothing is written"
            raise WaitTimeout(message) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            message = f"cannot write {file}: {error.strerror or error}"
            raise KtrdrError(message) from None
    _print(printer, exported, file, to_stdout=to_stdout)


def _print(printer: Printer, exported: ExportedBars, file: Path, *, to_stdout: bool) -> None:
    if to_stdout:
        printer.message(_words(exported))
    elif printer.format is OutputFormat.TABLE:
        printer.text(str(file))
        printer.message(_words(exported))
    else:
        record = _record(exported, file)
        if printer.format is OutputFormat.CSV:
            printer.rows([], [], [record], name="files")
        else:
            printer.json(record)


def _words(exported: ExportedBars) -> str:
    key = exported.dataset.key
    replay = ": recorded history, nothing comes from a market" if exported.is_replay else ""
    return (
        f"{counted(exported.rows, 'bar')} of {dataset_title(key)}, {shown(moment_text(exported.first_time, key))} … "
        f"{shown(moment_text(exported.last_time, key))} (UTC), source {source_name(key.source)}{replay}"
    )


def _record(exported: ExportedBars, file: Path) -> dict[str, Any]:
    return {
        "file": str(file),
        "rows": exported.rows,
        "first_time": exported.first_time.isoformat().replace("+00:00", "Z"),
        "last_time": exported.last_time.isoformat().replace("+00:00", "Z"),
        "dataset": message_values(exported.dataset),
    }
