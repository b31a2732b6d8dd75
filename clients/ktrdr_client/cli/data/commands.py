"""The commands of `ktrdr data` that a message tells people to type next."""

import shlex
from datetime import UTC, datetime, timedelta

from ktrdr.ib.v1 import bars_pb2
from ktrdr.ib.v1.bars_pb2 import SOURCE_IMPORTED, DatasetKey, Instrument

from ktrdr_client.bar_sizes import bar_size_name, is_daily_or_longer
from ktrdr_client.instruments import default_prices, instrument_title
from ktrdr_client.states import security_type_name, source_name, what_to_show_name


def data_command(verb: str, key: DatasetKey, *more: str, source: bool = False) -> str:
    """Return the command `ktrdr data VERB` for a dataset, with all flags that name it.

    Args:
        verb: "load", "gaps", ….
        key: The dataset.
        more: Further words.
        source: Name the source too, which commands about stored bars can take.
    """
    instrument = key.instrument
    words = ["ktrdr", "data", verb, _symbol(instrument), bar_size_name(key.bar_size), *more, *_kind_words(instrument)]
    prices = what_to_show_name(key.what_to_show).lower()
    words += ["--what", prices] if prices != default_prices(instrument) else []
    words += ["--no-rth"] if key.HasField("use_rth") and not key.use_rth else []
    words += ["--source", source_name(key.source).lower()] if source and key.source == SOURCE_IMPORTED else []
    return shlex.join(words)


def load_command(key: DatasetKey, start: datetime, end: datetime, *, reload: bool = False) -> str:
    """Return the command that loads a range of a dataset.

    Args:
        key: The dataset.
        start: First instant.
        end: End, exclusive.
        reload: Ask again for what the gateway was asked for before.
    """
    if key.what_to_show == bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST:  # always loaded whole
        return data_command("load", key, "--mode", "full")
    flags = ["--start", moment_text(start, key), "--end", last_text(end, key)]
    return data_command("load", key, *flags, *(["--reload"] if reload else []))


def moment_text(moment: datetime, key: DatasetKey) -> str:
    """Return a time as flags take it: a date for daily and longer bars."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%d}" if is_daily_or_longer(key.bar_size) else f"{moment:%Y-%m-%dT%H:%M:%S}"


def last_text(end: datetime, key: DatasetKey) -> str:
    """Return an exclusive end as flags take it: for daily and longer bars that is the last date."""
    return moment_text(end - timedelta(microseconds=1) if is_daily_or_longer(key.bar_size) else end, key)


def shown(text: str) -> str:
    """Return a time of a flag as tables show it: "2024-01-02 14:30"."""
    day, _, time = text.partition("T")
    return f"{day} {time.removesuffix(':00')}" if time else day


def _symbol(instrument: Instrument) -> str:
    if instrument.security_type == bars_pb2.SECURITY_TYPE_FOREX:
        return instrument_title(instrument)
    return instrument.symbol or "SYMBOL"


def _kind_words(instrument: Instrument) -> list[str]:
    kind = instrument.security_type
    if kind == bars_pb2.SECURITY_TYPE_FUTURE:
        words = ["--type", "future"]
        words += ["--local-symbol", instrument.local_symbol] if instrument.local_symbol else []
        if instrument.last_trade_date and not instrument.local_symbol:
            words += ["--last-trade-date", instrument.last_trade_date]
        return words
    words = ["--type", security_type_name(kind)] if kind == bars_pb2.SECURITY_TYPE_INDEX else []
    words += ["--exchange", instrument.exchange] if words and instrument.exchange else []
    if kind != bars_pb2.SECURITY_TYPE_FOREX and instrument.currency not in {"", "USD"}:
        words += ["--currency", instrument.currency]
    return words
