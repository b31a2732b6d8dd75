"""The commands that get the bars of a dataset, for errors."""

from datetime import datetime, timedelta
from typing import Final

from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.store.identity import WHAT_TO_SHOW, kind_of

_TEN_YEARS: Final = timedelta(days=3652)


def load_command(wanted: bars_pb2.DatasetKey, start: datetime | None, end: datetime | None, now: datetime) -> str:
    """Return the command that loads a dataset: its last day is inclusive, while `end` is exclusive.

    Args:
        wanted: complete, or as it came in a request.
        start: begin of the bars, UTC; None for ten years before the end.
        end: their end, UTC, exclusive; None for now.
        now: UTC.
    """
    last = (end - timedelta(microseconds=1) if end else now).date()
    first = start.date() if start else last - _TEN_YEARS
    return " ".join(["ktrdr data load", *_words_of(wanted), f"--start {first}", f"--end {last}", *_flags_of(wanted)])


def recovery(key: bars_pb2.DatasetKey, times: tuple[datetime, datetime] | None = None) -> str:
    """Return a sentence on how to get bars again whose file is damaged.

    Args:
        key: of the dataset; complete, or as it came in a request.
        times: of the first and the last of these bars, UTC; None for all bars that there can be.
    """
    if key.source == bars_pb2.SOURCE_IMPORTED:
        return f"Bring its bars again, all of them: ktrdr data import FILE {' '.join(_words_of(key))} --replace."
    range_flags = f"--start {times[0].date()} --end {times[1].date()}" if times else "--mode full"
    words = ["ktrdr data load", *_words_of(key), range_flags, *_flags_of(key), "--reload"]
    return f"Get its bars again with: {' '.join(words)}."


def _words_of(key: bars_pb2.DatasetKey) -> list[str]:
    instrument = key.instrument
    symbol = instrument.symbol or "SYMBOL"
    if instrument.security_type == bars_pb2.SECURITY_TYPE_FOREX and instrument.currency:
        symbol = f"{symbol}.{instrument.currency}"
    return [symbol, BAR_LENGTHS[key.bar_size].name]


def _flags_of(key: bars_pb2.DatasetKey) -> list[str]:
    instrument, flags = key.instrument, []
    if instrument.security_type in {bars_pb2.SECURITY_TYPE_FUTURE, bars_pb2.SECURITY_TYPE_INDEX}:
        flags.append(f"--type {kind_of(instrument)}")
    if instrument.local_symbol:
        flags.append(f"--local-symbol {instrument.local_symbol}")
    elif instrument.last_trade_date:
        flags.append(f"--last-trade-date {instrument.last_trade_date}")
    usual = {bars_pb2.WHAT_TO_SHOW_UNSPECIFIED, bars_pb2.WHAT_TO_SHOW_TRADES}
    if instrument.security_type == bars_pb2.SECURITY_TYPE_FOREX:
        usual = {bars_pb2.WHAT_TO_SHOW_UNSPECIFIED, bars_pb2.WHAT_TO_SHOW_MIDPOINT}
    if key.what_to_show not in usual:
        flags.append(f"--what {WHAT_TO_SHOW[key.what_to_show]}")
    if key.HasField("use_rth") and not key.use_rth:
        flags.append("--no-rth")
    return flags
