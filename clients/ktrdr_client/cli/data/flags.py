"""Flags that commands about stored bars share."""

from typing import Annotated

import typer


def complete_prices(incomplete: str) -> list[str]:
    """Return what bars can show, as far as it begins like this."""
    allowed = ("trades", "midpoint", "bid", "ask", "adjusted_last")
    return [each for each in allowed if each.startswith(incomplete)]


def complete_bar_sizes(incomplete: str) -> list[str]:
    """Return the bar sizes that begin like this."""
    from ktrdr.ib.v1.bars_pb2 import BarSize

    from ktrdr_client.bar_sizes import bar_size_name

    return [name for size in BarSize.values() if (name := bar_size_name(size)) and name.startswith(incomplete)]


def complete_sources(incomplete: str) -> list[str]:
    """Return the sources that begin like this."""
    return [each for each in ("ib", "replay", "imported") if each.startswith(incomplete)]


Symbol = Annotated[str, typer.Argument(help="Symbol: AAPL, EUR.USD, ESH5.")]
Bar = Annotated[str, typer.Argument(help="Bar size: 30s 5min 1h 1d 1w 1month.", autocompletion=complete_bar_sizes)]
Source = Annotated[
    str | None,
    typer.Option(
        metavar="ib|replay|imported", help="Which bars, where several are stored.", autocompletion=complete_sources
    ),
]
What = Annotated[
    str,
    typer.Option(
        metavar="PRICES",
        help="trades, midpoint, bid, ask or adjusted_last.",
        show_default="midpoint for forex, else trades",
        autocompletion=complete_prices,
    ),
]
Rth = Annotated[bool, typer.Option("--rth/--no-rth", help="Regular trading hours only.")]
Start = Annotated[str | None, typer.Option(metavar="DATE", help="First day, or time (UTC).")]
End = Annotated[str | None, typer.Option(metavar="DATE", help="Last day, or time (UTC).")]
IbHost = Annotated[str, typer.Option(help="IB host; needed where there are several.")]
