"""`ktrdr data gaps`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from ktrdr.ib.v1.bars_pb2 import SOURCE_IMPORTED, DatasetKey, DatasetVerdict, MissingSpan
from rich.text import Text

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.bar_sizes import bar_size_name
from ktrdr_client.cli.data.commands import data_command, last_text, load_command, moment_text, shown
from ktrdr_client.cli.data.flags import Bar, End, IbHost, Rth, Source, Start, Symbol, What
from ktrdr_client.cli.data.instrument_flags import InstrumentFlags, takes_instrument
from ktrdr_client.cli.dataset_verdicts import REASONS, missing_words, sessions_are_known, verdict_words
from ktrdr_client.cli.invocation import Invocation, OutputFormat
from ktrdr_client.cli.printer import Printer, message_values
from ktrdr_client.cli.tables import Column
from ktrdr_client.instruments import instrument_title
from ktrdr_client.market_data.stored import MOST_SPANS
from ktrdr_client.states import source_name

_COLUMNS: Final = (
    Column("FROM"),
    Column("TO"),
    Column("BARS", align="right"),
    Column("REASON"),
    Column("WHY", flexible=True),
)
_UNASKED: Final = (MissingSpan.REASON_NOT_LOADED, MissingSpan.REASON_FAILED, MissingSpan.REASON_UNSPECIFIED)
"""Reasons for which the next load asks by itself."""
_TABLE_LIMIT: Final = 50


@takes_instrument
async def gaps(
    invocation: Invocation,
    symbol: Symbol,
    bar: Bar,
    *,
    source: Source = None,
    start: Start = None,
    end: End = None,
    what: What = "",
    rth: Rth = True,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Most stretches, the oldest ones.", show_default="50 in a table")
    ] = None,
    about: InstrumentFlags,
    host: IbHost = "",
) -> None:
    """Show where bars are missing, why, and the commands that load them."""
    printer = Printer(invocation)
    most = limit or (_TABLE_LIMIT if printer.format is OutputFormat.TABLE else MOST_SPANS)
    async with AsyncClient(invocation.server) as client:
        verdict = await client.data.check(
            about.instrument(symbol),
            bar,
            source=source,
            start=start,
            end=end,
            what_to_show=what,
            use_rth=rth,
            most_spans=MOST_SPANS,
            host=host,
        )
    key, spans = verdict.dataset.key, verdict.missing[:most]
    title = f"{instrument_title(key.instrument)} {bar_size_name(key.bar_size)}"
    printer.rows(
        _COLUMNS,
        [_row(span, key) for span in spans],
        [_record(span, key) for span in spans],
        name="gaps",
        empty=_nothing(verdict, f"{title}, {source_name(key.source)}"),
        missing_bars=verdict.missing_bars,
        missing_spans=verdict.missing_spans,
    )
    if printer.format is OutputFormat.TABLE and spans:
        _print_next(printer, verdict, title, len(spans))


def _nothing(verdict: DatasetVerdict, title: str) -> str:
    if not sessions_are_known(verdict):
        return f"{title}: gaps cannot be told; sessions: {verdict.calendar or 'not known'}"
    return f"{title}: {verdict_words(verdict)}; nothing is missing"


def _print_next(printer: Printer, verdict: DatasetVerdict, title: str, listed: int) -> None:
    key = verdict.dataset.key
    more = f"; these are the first {listed}" if verdict.missing_spans > listed else ""
    printer.message(f"{title}, {source_name(key.source)}: {missing_words(verdict)}{more}")
    if key.source == SOURCE_IMPORTED:
        printer.message(f"  bring them in:  {data_command('import', key).replace(' import ', ' import FILE ', 1)}")
        return
    unasked = [span for span in verdict.missing if span.reason in _UNASKED]
    if unasked:
        printer.message(f"  load them:      {_command(unasked, key)}")
    refused = [span for span in verdict.missing if span.reason not in _UNASKED]
    if refused:
        printer.message(f"  ask once more:  {_command(refused, key, reload=True)}")


def _command(spans: Sequence[MissingSpan], key: DatasetKey, *, reload: bool = False) -> str:
    """Return one command for several stretches: what is known between them is not asked for again."""
    return load_command(key, _instant(spans[0].start_time), _instant(spans[-1].end_time), reload=reload)


def _row(span: MissingSpan, key: DatasetKey) -> list[str | Text]:
    start, end = _instant(span.start_time), _instant(span.end_time)
    reason = Text(REASONS.get(span.reason, "not known"), style="yellow" if span.reason in _UNASKED else "")
    return [shown(moment_text(start, key)), shown(last_text(end, key)), f"{span.bars:,}", reason, span.text]


def _record(span: MissingSpan, key: DatasetKey) -> dict[str, Any]:
    reload = span.reason not in _UNASKED
    command = "" if key.source == SOURCE_IMPORTED else _command([span], key, reload=reload)
    return {**message_values(span), "command": command}


def _instant(stamp: Any) -> datetime:
    moment: datetime = stamp.ToDatetime(tzinfo=UTC)
    return moment
