"""Specs of the work that can be asked for, from plain Python values."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from os import PathLike, fspath

from google.protobuf.timestamp_pb2 import Timestamp
from ktrdr.ib.v1.bars_pb2 import DatasetKey, Instrument
from ktrdr.ib.v1.ib_pb2 import DataLoadSpec
from ktrdr.training.v1.training_pb2 import LocalBars, StoredBars, TrainingSpec

from ktrdr_client.bar_sizes import parse_bar_size
from ktrdr_client.instruments import as_instrument, default_prices
from ktrdr_client.states import parse_load_mode, parse_source, parse_what_to_show
from ktrdr_client.times import range_end, range_start

Moment = datetime | date | str
"""A point in time: an aware datetime, a date, or a text such as "2000-03-01"."""


def training_spec(
    strategy_text: str,
    *,
    overrides: Mapping[str, str] | None = None,
    bars_path: str | PathLike[str] | None = None,
    source: str | None = None,
    what_to_show: str = "",
) -> TrainingSpec:
    """Return the spec of a training.

    Args:
        strategy_text: The YAML of the strategy.
        overrides: Dotted paths of keys to their new values as YAML: {"training.epochs": "20"}.
        bars_path: Parquet or CSV file on the training host's machine, instead of the IB host's bars.
        source: "ib", "replay" or "imported", where several are stored.
        what_to_show: "trades", "midpoint", "bid", "ask" or "adjusted_last"; empty: midpoint for forex, else trades.

    Raises:
        ValueError: A word is none of them, or was given together with a file.
    """
    spec = TrainingSpec(strategy=strategy_text, overrides=dict(overrides or {}))
    if bars_path is not None and (source is not None or what_to_show):
        message = "bars come either from a file or from the store, not from both"
        raise ValueError(message)
    if bars_path is not None:
        spec.local.CopyFrom(LocalBars(path=fspath(bars_path)))
    elif source is not None or what_to_show:
        spec.stored.CopyFrom(StoredBars(source=parse_source(source or "")))
        if what_to_show:
            spec.stored.what_to_show = parse_what_to_show(what_to_show)
    return spec


def data_load_spec(
    instruments: Sequence[str | Instrument] | str | Instrument,
    bar_size: str,
    *,
    mode: str = "",
    start: Moment | None = None,
    end: Moment | None = None,
    what_to_show: str = "",
    use_rth: bool = True,
    reload: bool = False,
) -> DataLoadSpec:
    """Return the spec of a load.

    Args:
        instruments: Symbols of US stocks or currency pairs, or instruments where more has to be said.
        bar_size: "1d", "1h", "5min", …
        mode: "range", "tail", "backfill", "full" or "local"; empty: a range, which needs a start.
        start: First day or instant, UTC.
        end: Last day (counted in full) or end instant (exclusive), UTC; a range without one ends now.
        what_to_show: "trades", "midpoint", "bid", "ask" or "adjusted_last"; empty: midpoint for forex, else trades.
        use_rth: Regular trading hours only.
        reload: Ask also for what earlier loads have, or know that the gateway does not have.

    Raises:
        ValueError: A value cannot be understood, or a range has no start.
    """
    named = [instruments] if isinstance(instruments, str | Instrument) else instruments
    described = [as_instrument(each) for each in named]
    wanted = parse_load_mode(mode or "range")
    if wanted == DataLoadSpec.MODE_RANGE:
        if start is None:
            message = "a range needs a start; without one, choose the mode tail, backfill or full"
            raise ValueError(message)
        end = datetime.now(UTC).date() if end is None else end
    return DataLoadSpec(
        instruments=described,
        bar_size=parse_bar_size(bar_size),
        what_to_show=parse_what_to_show(what_to_show or _prices_of_all(described)),
        use_rth=use_rth,
        mode=wanted,
        start_time=None if start is None else start_timestamp(start),
        end_time=None if end is None else end_timestamp(end),
        reload=reload,
    )


def dataset_key(
    symbol: str | Instrument, bar_size: str, *, source: str | None = None, what_to_show: str = "", use_rth: bool = True
) -> DatasetKey:
    """Return the key of a dataset as far as a request has to name it.

    Args:
        symbol: Symbol of a US stock or currency pair, or an instrument.
        bar_size: "1d", "1h", "5min", …
        source: "ib", "replay" or "imported", where several are stored.
        what_to_show: "trades", "midpoint", …; empty: midpoint for forex, else trades.
        use_rth: Regular trading hours only.

    Raises:
        ValueError: A text cannot be understood.
    """
    described = as_instrument(symbol)
    return DatasetKey(
        source=parse_source(source or ""),
        instrument=described,
        what_to_show=parse_what_to_show(what_to_show or default_prices(described)),
        use_rth=use_rth,
        bar_size=parse_bar_size(bar_size),
    )


def _prices_of_all(instruments: Sequence[Instrument]) -> str:
    defaults = {default_prices(each) for each in instruments} or {"trades"}
    if len(defaults) > 1:
        message = "stocks have trades and forex has none: load them apart, or name the prices, such as midpoint"
        raise ValueError(message)
    return defaults.pop()


def start_timestamp(moment: Moment) -> Timestamp:
    """Return the first instant of a range as the contract has it.

    Raises:
        ValueError: A text cannot be understood, or a datetime has no time zone.
    """
    if isinstance(moment, str):
        return _timestamp(range_start(moment))
    return _timestamp(
        moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    )


def end_timestamp(moment: Moment) -> Timestamp:
    """Return the end of a range, exclusive, as the contract has it; a date counts in full.

    Raises:
        ValueError: A text cannot be understood, or a datetime has no time zone.
    """
    if isinstance(moment, str):
        return _timestamp(range_end(moment))
    if isinstance(moment, datetime):
        return _timestamp(moment)
    return _timestamp(datetime(moment.year, moment.month, moment.day, tzinfo=UTC) + timedelta(days=1))


def _timestamp(moment: datetime) -> Timestamp:
    if moment.tzinfo is None:
        message = (
            f"{moment.isoformat()} has no time zone; give an aware datetime, such as datetime(2000, 3, 1, tzinfo=UTC)"
        )
        raise ValueError(message)
    stamp = Timestamp()
    stamp.FromDatetime(moment.astimezone(UTC))
    return stamp
