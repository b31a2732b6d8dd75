"""Bars, for people and as data."""

from datetime import datetime
from typing import Any, Final

from rich.text import Text

from ktrdr_client.bar_sizes import is_daily_or_longer
from ktrdr_client.bars import Bars
from ktrdr_client.cli.dataset_verdicts import counted
from ktrdr_client.cli.invocation import OutputFormat
from ktrdr_client.cli.printer import Printer
from ktrdr_client.cli.tables import Column
from ktrdr_client.cli.words import dataset_title
from ktrdr_client.states import source_name

_TABLE_LIMIT: Final = 20
_NUMBERS: Final = ("open", "high", "low", "close", "volume")
_COLUMNS: Final = (Column("TIME"), *(Column(name.upper(), align="right") for name in _NUMBERS))


def print_bars(printer: Printer, bars: Bars, limit: int | None) -> None:
    """Print bars: the latest 20 as a table, or all of them as data, unless a limit says otherwise."""
    most = limit if limit is not None else _TABLE_LIMIT if printer.format is OutputFormat.TABLE else 0
    shown = bars.table.slice(max(0, len(bars) - most)) if most else bars.table
    source = source_name(bars.dataset.key.source)
    dates = is_daily_or_longer(bars.dataset.key.bar_size)
    if printer.format is OutputFormat.TABLE:
        printer.text(_heading(bars, shown.num_rows))
    printer.rows(
        _COLUMNS,
        [_cells(row, dates=dates) for row in shown.to_pylist()] if printer.format is OutputFormat.TABLE else [],
        ({**row, "time": _time(row["time"], dates=dates), "source": source} for row in shown.to_pylist()),
        name="bars",
        empty="no bars in this range",
    )


def _heading(bars: Bars, shown: int) -> Text:
    key = bars.dataset.key
    count = counted(len(bars), "bar") if shown == len(bars) else f"the last {shown:,} of {counted(len(bars), 'bar')}"
    heading = Text.assemble((dataset_title(key), "bold"), f", {count}, source {source_name(key.source)}")
    if bars.is_replay:
        heading.append(" (recorded history)", style="yellow")
    return heading


def _cells(row: dict[str, Any], *, dates: bool) -> list[str]:
    prices = [f"{row[name]:,.4f}".rstrip("0").rstrip(".") for name in _NUMBERS[:-1]]
    # IB's volume of prices that nobody traded at is -1.
    return [_time(row["time"], dates=dates), *prices, f"{row['volume']:,.0f}" if row["volume"] >= 0 else ""]


def _time(moment: datetime, *, dates: bool) -> str:
    return moment.date().isoformat() if dates else moment.strftime("%Y-%m-%d %H:%M:%SZ")
