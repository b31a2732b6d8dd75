"""`ktrdr data show`."""

from typing import Annotated

import typer

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.bar_sizes import parse_bar_size
from ktrdr_client.cli.bars_table import print_bars
from ktrdr_client.cli.data.flags import Bar, End, IbHost, Rth, Source, Start, Symbol, What
from ktrdr_client.cli.data.instrument_flags import InstrumentFlags, takes_instrument
from ktrdr_client.cli.invocation import Invocation
from ktrdr_client.cli.printer import Printer


@takes_instrument
async def show(
    invocation: Invocation,
    symbol: Symbol,
    bar: Bar = "1d",
    *,
    source: Source = None,
    start: Start = None,
    end: End = None,
    limit: Annotated[
        int | None, typer.Option(min=0, help="Most bars, the latest ones; 0 for all.", show_default="20 in a table")
    ] = None,
    what: What = "",
    rth: Rth = True,
    about: InstrumentFlags,
    host: IbHost = "",
) -> None:
    """Show stored bars."""
    parse_bar_size(bar)
    async with AsyncClient(invocation.server) as client:
        bars = await client.data.bars(
            about.instrument(symbol),
            bar,
            source=source,
            start=start,
            end=end,
            what_to_show=what,
            use_rth=rth,
            host=host,
        )
    print_bars(Printer(invocation), bars, limit)
