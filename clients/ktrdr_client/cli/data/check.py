"""`ktrdr data check`."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final, NamedTuple

import typer
from ktrdr.ib.v1.bars_pb2 import SOURCE_IMPORTED, Dataset, DatasetKey, DatasetVerdict
from ktrdr.ib.v1.ib_pb2 import CheckDatasetRequest
from rich.text import Text

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.bar_sizes import bar_size_name, parse_bar_size
from ktrdr_client.cli.data.commands import data_command
from ktrdr_client.cli.data.flags import End, IbHost, Rth, Source, Start, What, complete_bar_sizes
from ktrdr_client.cli.data.instrument_flags import InstrumentFlags, takes_instrument
from ktrdr_client.cli.data.list import datasets_of
from ktrdr_client.cli.data.verdict_facts import verdict_lines
from ktrdr_client.cli.dataset_verdicts import revision_words, sessions_are_known, verdict_text
from ktrdr_client.cli.exit_codes import ExitCode
from ktrdr_client.cli.invocation import Invocation, OutputFormat, UsageProblem
from ktrdr_client.cli.printer import Printer, message_values
from ktrdr_client.cli.tables import Column
from ktrdr_client.cli.words import date_text
from ktrdr_client.errors import DataLoss, NotFound
from ktrdr_client.instruments import default_prices, instrument_title
from ktrdr_client.specs import end_timestamp, start_timestamp
from ktrdr_client.states import parse_source, parse_what_to_show, source_name, what_to_show_name

_COLUMNS: Final = (
    Column("SYMBOL"),
    Column("BARS"),
    Column("SOURCE"),
    Column("FROM"),
    Column("TO"),
    Column("STORED", align="right"),
    Column("EXPECTED", align="right"),
    Column("VERDICT", flexible=True),
)
_AT_ONCE: Final = 4
"""Datasets that are checked at the same time."""


class Checked(NamedTuple):
    """A dataset and what is to be said of it."""

    dataset: Dataset
    verdict: DatasetVerdict | None
    """None where it cannot be read."""
    problem: str
    """Why not."""


@takes_instrument
async def check(
    invocation: Invocation,
    symbol: Annotated[str, typer.Argument(help="Symbol: AAPL, EUR.USD.", show_default="all that are stored")] = "",
    bar: Annotated[
        str,
        typer.Argument(help="Bar size: 30s 5min 1h 1d.", show_default="all of them", autocompletion=complete_bar_sizes),
    ] = "",
    *,
    source: Source = None,
    start: Start = None,
    end: End = None,
    what: What = "",
    rth: Rth = True,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 unless everything is complete.")] = False,
    about: InstrumentFlags,
    host: IbHost = "",
) -> ExitCode:
    """Compare what is stored with the sessions of its exchange: what is missing, what cannot be right, what changed.

    The gateway is not asked. With a symbol and a bar size, one dataset is told in full.
    """
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        if bar:
            verdict = await client.data.check(
                about.instrument(symbol),
                bar,
                source=source,
                start=start,
                end=end,
                what_to_show=what,
                use_rth=rth,
                host=host,
            )
            _print_one(printer, verdict)
            return ExitCode.REFUSED if strict and not verdict.complete else ExitCode.OK
        if symbol and _is_bar_size(symbol):
            message = f"{symbol!r} is a bar size: name the symbol before it, such as ktrdr data check AAPL {symbol}"
            raise UsageProblem(message)
        wanted = parse_source(source or "")
        prices = parse_what_to_show(what) if what else None
        datasets = await datasets_of(client, about.instrument(symbol), host=host)
        chosen = [
            each
            for each in datasets
            if (not wanted or each.key.source == wanted)
            and (prices is None or each.key.what_to_show == prices)
            and (rth or not each.key.use_rth)
        ]
        checked = await check_all(client, chosen, start=start, end=end, host=host)
    if symbol and not checked:
        message = f"no such bars of {symbol.upper()} are stored; what is: ktrdr data list"
        raise NotFound(message)
    printer.rows(
        _COLUMNS,
        [_row(each) for each in checked],
        [_record(each) for each in checked],
        name="verdicts",
        empty=(
            "no bars are stored; load some: ktrdr data load AAPL 1d --start 2000-03-01"
            if source is None
            else f"no bars of the source {source.upper()} are stored; what is: ktrdr data list"
        ),
    )
    _print_hints(printer, checked)
    damaged = any(each.verdict is None for each in checked)
    incomplete = any(each.verdict is not None and not each.verdict.complete for each in checked)
    return ExitCode.REFUSED if damaged or (strict and incomplete) else ExitCode.OK


async def check_all(
    client: AsyncClient, datasets: Sequence[Dataset], *, start: str | None = None, end: str | None = None, host: str
) -> list[Checked]:
    """Return the verdicts on some datasets, in their order; one that cannot be read does not hide the others."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(dataset: Dataset) -> Checked:
        request = CheckDatasetRequest(
            key=dataset.key,
            start_time=None if start is None else start_timestamp(start),
            end_time=None if end is None else end_timestamp(end),
        )
        async with turns:
            try:
                return Checked(dataset, await client.data.check_dataset(request, host=host), "")
            except DataLoss as error:
                return Checked(dataset, None, error.message)

    return list(await asyncio.gather(*(one(dataset) for dataset in datasets)))


def _is_bar_size(text: str) -> bool:
    try:
        parse_bar_size(text)
    except ValueError:
        return False
    return True


def _print_one(printer: Printer, verdict: DatasetVerdict) -> None:
    if printer.format is OutputFormat.TABLE:
        for line in verdict_lines(verdict):
            printer.text(line)
    elif printer.format is OutputFormat.CSV:
        printer.rows([], [], [message_values(verdict)], name="verdicts")
    else:
        printer.json(message_values(verdict))


def _row(checked: Checked) -> list[str | Text]:
    key, verdict = checked.dataset.key, checked.verdict
    cells: list[str | Text] = [instrument_title(key.instrument), _kind_of_bars(key), source_name(key.source)]
    if verdict is None:
        return [*cells, "", "", f"{checked.dataset.rows:,}", "", Text(f"DAMAGED: {checked.problem}", style="bold red")]
    # What a complete one lacks stands in two columns already.
    words = Text("complete", "green") if verdict.complete and verdict.missing_bars else verdict_text(verdict)
    if revisions := revision_words(verdict.revisions):
        words = Text.assemble(words, f"; {revisions} noticed")
    return [
        *cells,
        date_text(verdict.dataset.first_bar_time),
        date_text(verdict.dataset.last_bar_time),
        f"{verdict.stored_bars:,}",
        f"{verdict.expected_bars:,}" if sessions_are_known(verdict) else "",
        words,
    ]


def _kind_of_bars(key: DatasetKey) -> str:
    """Return the bar size, and what else tells these bars from others: "1d", "1d adjusted_last", "5min all hours"."""
    prices = what_to_show_name(key.what_to_show).lower()
    parts = [bar_size_name(key.bar_size)]
    parts += [prices] if prices != default_prices(key.instrument) else []
    parts += ["all hours"] if key.HasField("use_rth") and not key.use_rth else []
    return " ".join(parts)


def _record(checked: Checked) -> dict[str, Any]:
    if checked.verdict is None:
        return {"dataset": message_values(checked.dataset), "complete": False, "problem": checked.problem}
    return message_values(checked.verdict)


def _print_hints(printer: Printer, checked: Sequence[Checked]) -> None:
    if printer.format is not OutputFormat.TABLE:
        return
    gaps = [each.verdict for each in checked if each.verdict is not None and each.verdict.missing_bars]
    # What can be loaded comes first: incomplete before complete, of a gateway before imported.
    gaps.sort(key=lambda verdict: (verdict.complete, verdict.dataset.key.source == SOURCE_IMPORTED))
    if gaps:
        printer.message(f"see what is missing:  {data_command('gaps', gaps[0].dataset.key, source=True)}")
