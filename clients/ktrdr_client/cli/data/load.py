"""`ktrdr data load`."""

from typing import Annotated, Final

import typer
from ktrdr.ib.v1.bars_pb2 import WHAT_TO_SHOW_ADJUSTED_LAST

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.bar_sizes import parse_bar_size
from ktrdr_client.cli.data.flags import Rth, What
from ktrdr_client.cli.data.instrument_flags import InstrumentFlags, takes_instrument
from ktrdr_client.cli.data.stored_instruments import stored_instruments
from ktrdr_client.cli.exit_codes import ExitCode
from ktrdr_client.cli.invocation import Invocation, UsageProblem
from ktrdr_client.cli.pairs import parse_pairs
from ktrdr_client.cli.printer import Printer
from ktrdr_client.cli.start import finish_or_detach, note_request
from ktrdr_client.cli.work_flags import TimeLimit
from ktrdr_client.instruments import default_prices
from ktrdr_client.specs import data_load_spec, dataset_key
from ktrdr_client.states import parse_what_to_show

_MODES: Final = {
    "range": "the bars from --start to --end",
    "tail": "from the last stored bar to now",
    "backfill": "from the first stored bar back, newest first",
    "full": "all that the gateway has",
    "local": "asks the gateway for nothing, checks what is stored",
}


def _complete_modes(incomplete: str) -> list[tuple[str, str]]:
    return [(name, text) for name, text in _MODES.items() if name.startswith(incomplete)]


@takes_instrument
async def load(
    invocation: Invocation,
    *,
    words: Annotated[
        list[str],
        typer.Argument(metavar="SYMBOL... BAR", help="AAPL MSFT 1d; EUR.USD 1h; bars: 30s 5min 1h 1d 1w."),
    ],
    mode: Annotated[
        str,
        typer.Option(
            metavar="MODE",
            help="range: --start to --end; tail: from the last stored bar on; backfill: from the first one back; full: "
            "all there are; local: only check.",
            show_default="range with --start, else tail",
            autocompletion=_complete_modes,
        ),
    ] = "",
    start: Annotated[str | None, typer.Option(metavar="DATE", help="First day, or time (UTC).")] = None,
    end: Annotated[
        str | None, typer.Option(metavar="DATE", help="Last day, or time (UTC).", show_default="now")
    ] = None,
    what: What = "",
    rth: Rth = True,
    reload: Annotated[
        bool, typer.Option("--reload", help="Ask also for what is known already, and for what the gateway had not.")
    ] = False,
    about: InstrumentFlags,
    name: Annotated[str, typer.Option(help="Name for people.")] = "",
    label: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="Label to keep with it.")] = None,
    host: Annotated[str, typer.Option(help="IB host to run on.")] = "",
    time_limit: TimeLimit = None,
    wait: Annotated[bool, typer.Option("--wait/--detach", help="Follow it to its end, or only start it.")] = True,
) -> ExitCode:
    """Load bars from the gateway into the store: show how it goes, and what is stored and missing in the end.

    What is stored is not asked for again, so that the same command brings only what is new.
    """
    if len(words) < 2:
        message = "name at least one symbol and then the bar size: ktrdr data load AAPL 1d --start 2000-03-01"
        raise UsageProblem(message)
    *symbols, bar = words
    parse_bar_size(bar)
    instruments = [about.instrument(symbol) for symbol in symbols]
    prices = what or default_prices(instruments[0])
    chosen = mode or _default_mode(prices, start)
    if chosen.strip().lower() == "range" and start is None:
        message = "--mode range needs --start; for all that the gateway has: --mode full"
        raise UsageProblem(message)
    # What is wrong is said before anything is asked.
    data_load_spec(instruments, bar, mode=chosen, start=start, end=end, what_to_show=prices, use_rth=rth)
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        if not mode and chosen == "tail":
            alike = dataset_key(instruments[0], bar, what_to_show=prices, use_rth=rth)
            instruments = await stored_instruments(client, instruments, alike, host=host)
        note_request(invocation)
        operation = await client.create_data_load(
            instruments,
            bar,
            mode=chosen,
            start=start,
            end=end,
            what_to_show=prices,
            use_rth=rth,
            reload=reload,
            name=name,
            labels=parse_pairs(label or [], "--label"),
            host=host,
            time_limit=time_limit,
        )
        return await finish_or_detach(client, operation, invocation, printer, wait=wait)


def _default_mode(prices: str, start: str | None) -> str:
    if parse_what_to_show(prices) == WHAT_TO_SHOW_ADJUSTED_LAST:
        return "full"  # every dividend changes all of them: they are always loaded whole
    return "tail" if start is None else "range"
