"""`ktrdr data`: load market data, find instruments, and look at what is stored."""

from typing import Annotated, Final

import typer
from ktrdr.ib.v1.bars_pb2 import Dataset, Instrument

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.bar_sizes import bar_size_name, parse_bar_size
from ktrdr_client.cli.bars_table import print_bars
from ktrdr_client.cli.command import command
from ktrdr_client.cli.exit_codes import ExitCode
from ktrdr_client.cli.invocation import Invocation, UsageProblem
from ktrdr_client.cli.pairs import parse_pairs
from ktrdr_client.cli.printer import Printer, message_values
from ktrdr_client.cli.start import finish_or_detach
from ktrdr_client.cli.tables import Column
from ktrdr_client.cli.words import age_text, date_text
from ktrdr_client.cli.work_flags import TimeLimit
from ktrdr_client.states import parse_security_type, security_type_name, source_name, what_to_show_name

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Load market data, and look at what is stored.")
_INSTRUMENTS: Final = (
    Column("SYMBOL"),
    Column("TYPE"),
    Column("EXCHANGE"),
    Column("CURRENCY"),
    Column("CONTRACT", align="right"),
    Column("NAME", flexible=True),
)
_DATASETS: Final = (
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
Kind = Annotated[str, typer.Option("--type", metavar="TYPE", help="stock, forex, future or index.")]
Source = Annotated[str | None, typer.Option(metavar="ib|replay", help="Real or recorded bars, where both are stored.")]
What = Annotated[str, typer.Option(metavar="PRICES", help="trades, midpoint, bid or ask.")]
Rth = Annotated[bool, typer.Option("--rth/--no-rth", help="Regular trading hours only.")]
IbHost = Annotated[str, typer.Option(help="IB host; needed where there are several.")]


@command(app, "load")
async def load(
    invocation: Invocation,
    *,
    words: Annotated[
        list[str], typer.Argument(metavar="SYMBOL... BAR", help="AAPL MSFT 1d; bars: 30s 5min 1h 1d 1w 1month.")
    ],
    start: Annotated[str, typer.Option(metavar="DATE", help="First day, or time (UTC).")],
    end: Annotated[str, typer.Option(metavar="DATE", help="Last day, or time (UTC).  [default: today]")] = "",
    mode: Annotated[str, typer.Option(metavar="range", help="Which bars: those from --start to --end.")] = "range",
    what: What = "trades",
    rth: Rth = True,
    kind: Kind = "stock",
    exchange: Annotated[str, typer.Option(help="Exchange that requests are routed to.")] = "",
    currency: Annotated[str, typer.Option(help="Currency; USD unless it is given.")] = "",
    name: Annotated[str, typer.Option(help="Name for people.")] = "",
    label: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="Label to keep with it.")] = None,
    host: Annotated[str, typer.Option(help="IB host to run on.")] = "",
    time_limit: TimeLimit = None,
    wait: Annotated[bool, typer.Option("--wait/--detach", help="Follow it to its end, or only start it.")] = True,
) -> ExitCode:
    """Load bars from the gateway into the store: show each chunk as it comes, and what is stored in the end."""
    if len(words) < 2:
        message = "name at least one symbol and then the bar size: ktrdr data load AAPL 1d --start 2000-03-01"
        raise UsageProblem(message)
    if mode != "range":
        message = f"there is no mode {mode!r}; the only one is range"
        raise UsageProblem(message)
    *symbols, bar = words
    security_type = parse_security_type(kind)
    instruments = [
        Instrument(symbol=symbol.upper(), security_type=security_type, exchange=exchange, currency=currency)
        for symbol in symbols
    ]
    async with AsyncClient(invocation.server) as client:
        operation = await client.create_data_load(
            instruments,
            bar,
            start=start,
            end=end or today(),
            what_to_show=what,
            use_rth=rth,
            name=name,
            labels=parse_pairs(label or [], "--label"),
            host=host,
            time_limit=time_limit,
        )
        return await finish_or_detach(client, operation, invocation, Printer(invocation), wait=wait)


@command(app, "find")
async def find(
    invocation: Invocation,
    pattern: Annotated[str, typer.Argument(help="Beginning of a symbol, or of a word of the name.")],
    kind: Kind = "",
    host: IbHost = "",
) -> None:
    """Find instruments at the gateway."""
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        answer = await client.data.find(pattern, security_type=kind or None, host=host)
    printer.rows(
        _INSTRUMENTS,
        [
            [
                each.symbol,
                security_type_name(each.security_type),
                each.primary_exchange or each.exchange,
                each.currency,
                str(each.contract_id or ""),
                each.long_name,
            ]
            for each in answer.instruments
        ],
        [message_values(each) for each in answer.instruments],
        name="instruments",
        empty=f"the gateway knows nothing that begins with {pattern!r}",
    )
    if source_name(answer.source) == "REPLAY":
        printer.message("REPLAY: these are the instruments of a recording")


@command(app, "list")
async def list_(
    invocation: Invocation,
    symbol: Annotated[str, typer.Argument(help="Only datasets of this symbol.", show_default=False)] = "",
    host: IbHost = "",
) -> None:
    """List the bars that are stored."""
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        datasets = [dataset async for dataset in client.data.datasets(symbol=symbol.upper(), host=host)]
    printer.rows(
        _DATASETS,
        [_dataset_row(dataset) for dataset in datasets],
        [message_values(dataset) for dataset in datasets],
        name="datasets",
        empty="no bars are stored"
        + (f" for {symbol.upper()}" if symbol else "")
        + f"; load some: ktrdr data load {symbol.upper() or 'AAPL'} 1d --start 2000-03-01",
    )


@command(app, "show")
async def show(
    invocation: Invocation,
    symbol: Annotated[str, typer.Argument(help="Symbol, such as AAPL.")],
    bar: Annotated[str, typer.Argument(help="Bar size: 30s 5min 1h 1d 1w 1month.")] = "1d",
    source: Source = None,
    start: Annotated[str | None, typer.Option(metavar="DATE", help="First day, or time (UTC).")] = None,
    end: Annotated[str | None, typer.Option(metavar="DATE", help="Last day, or time (UTC).")] = None,
    limit: Annotated[
        int | None, typer.Option(min=0, help="Most bars, the latest ones; 0 for all.  [default: 20 in a table]")
    ] = None,
    what: What = "trades",
    rth: Rth = True,
    host: IbHost = "",
) -> None:
    """Show stored bars."""
    parse_bar_size(bar)
    async with AsyncClient(invocation.server) as client:
        bars = await client.data.bars(
            symbol.upper(), bar, source=source, start=start, end=end, what_to_show=what, use_rth=rth, host=host
        )
    print_bars(Printer(invocation), bars, limit)


def today() -> str:
    """Return the date of now, UTC."""
    from datetime import UTC, datetime

    return datetime.now(UTC).date().isoformat()


def _dataset_row(dataset: Dataset) -> list[str]:
    key = dataset.key
    return [
        key.instrument.symbol,
        bar_size_name(key.bar_size),
        source_name(key.source),
        what_to_show_name(key.what_to_show).lower(),
        "rth" if key.use_rth else "all",
        f"{dataset.rows:,}",
        date_text(dataset.first_bar_time),
        date_text(dataset.last_bar_time),
        age_text(dataset.update_time),
    ]
