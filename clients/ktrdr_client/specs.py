"""Specs of the work that can be asked for, from plain Python values."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from os import PathLike, fspath

from google.protobuf.timestamp_pb2 import Timestamp
from ktrdr.ib.v1.bars_pb2 import Instrument
from ktrdr.ib.v1.ib_pb2 import DataLoadSpec
from ktrdr.training.v1.training_pb2 import LocalBars, StoredBars, TrainingSpec

from ktrdr_client.bar_sizes import parse_bar_size
from ktrdr_client.states import parse_source, parse_what_to_show
from ktrdr_client.times import range_end, range_start

Moment = datetime | date | str
"""A point in time: an aware datetime, a date, or a text such as "2000-03-01"."""


def training_spec(
    strategy_text: str,
    *,
    overrides: Mapping[str, str] | None = None,
    bars_path: str | PathLike[str] | None = None,
    source: str | None = None,
) -> TrainingSpec:
    """Return the spec of a training.

    Args:
        strategy_text: The YAML of the strategy.
        overrides: Dotted paths of keys to their new values as YAML: {"training.epochs": "20"}.
        bars_path: Parquet or CSV file on the training host's machine, instead of the IB host's bars.
        source: "ib" or "replay", where both are stored.

    Raises:
        ValueError: The source is neither, or was given together with a file.
    """
    spec = TrainingSpec(strategy=strategy_text, overrides=dict(overrides or {}))
    if bars_path is not None and source is not None:
        message = "bars come either from a file or from a source, not from both"
        raise ValueError(message)
    if bars_path is not None:
        spec.local.CopyFrom(LocalBars(path=fspath(bars_path)))
    elif source is not None:
        spec.stored.CopyFrom(StoredBars(source=parse_source(source)))
    return spec


def data_load_spec(
    instruments: Sequence[str | Instrument] | str | Instrument,
    bar_size: str,
    *,
    start: Moment,
    end: Moment,
    what_to_show: str = "trades",
    use_rth: bool = True,
) -> DataLoadSpec:
    """Return the spec of a load of a range.

    Args:
        instruments: Symbols of US stocks, or instruments where more has to be said.
        bar_size: "1d", "1h", "5min", …
        start: First day or instant, UTC.
        end: Last day (counted in full) or end instant (exclusive), UTC.
        what_to_show: "trades", "midpoint", "bid" or "ask".
        use_rth: Regular trading hours only.

    Raises:
        ValueError: A value cannot be understood.
    """
    named = [instruments] if isinstance(instruments, str | Instrument) else instruments
    return DataLoadSpec(
        instruments=[Instrument(symbol=each) if isinstance(each, str) else each for each in named],
        bar_size=parse_bar_size(bar_size),
        what_to_show=parse_what_to_show(what_to_show),
        use_rth=use_rth,
        mode=DataLoadSpec.MODE_RANGE,
        start_time=start_timestamp(start),
        end_time=end_timestamp(end),
    )


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
