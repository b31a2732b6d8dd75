"""`ktrdr data list`."""

from typing import Annotated, Final

import typer
from ktrdr.ib.v1.bars_pb2 import Dataset, Instrument

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.bar_sizes import bar_size_name
from ktrdr_client.cli.data.flags import IbHost
from ktrdr_client.cli.invocation import Invocation
from ktrdr_client.cli.printer import Printer, message_values
from ktrdr_client.cli.tables import Column
from ktrdr_client.cli.words import age_text, date_text
from ktrdr_client.instruments import instrument_title, means, parse_instrument
from ktrdr_client.states import source_name, what_to_show_name

_COLUMNS: Final = (
    Column("SYMBOL"),
    Column("BARS"),
    Column("SOURCE"),
    Column("PRICES"),
    Column("HOURS"),
    Column("ROWS", align="right"),
    Column("FIRST"),
    Column("LAST"),
    Column("CHANGED", align="right"),
)


async def list_(
    invocation: Invocation,
    symbol: Annotated[str, typer.Argument(help="Only datasets of this symbol.", show_default=False)] = "",
    host: IbHost = "",
) -> None:
    """List the bars that are stored."""
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        datasets = await datasets_of(client, parse_instrument(symbol), host=host)
    printer.rows(
        _COLUMNS,
        [_row(dataset) for dataset in datasets],
        [message_values(dataset) for dataset in datasets],
        name="datasets",
        empty="no bars are stored"
        + (f" for {symbol.upper()}" if symbol else "")
        + f"; load some: ktrdr data load {symbol.upper() or 'AAPL'} 1d --start 2000-03-01",
    )


async def datasets_of(client: AsyncClient, wanted: Instrument, *, host: str) -> list[Dataset]:
    """Return the datasets of an instrument as people describe it; all of them for one without a symbol."""
    return [each async for each in client.data.datasets(host=host) if means(wanted, each.key.instrument)]


def _row(dataset: Dataset) -> list[str]:
    key = dataset.key
    return [
        instrument_title(key.instrument),
        bar_size_name(key.bar_size),
        source_name(key.source),
        what_to_show_name(key.what_to_show).lower(),
        "rth" if key.use_rth else "all",
        f"{dataset.rows:,}",
        date_text(dataset.first_bar_time),
        date_text(dataset.last_bar_time),
        age_text(dataset.update_time),
    ]
