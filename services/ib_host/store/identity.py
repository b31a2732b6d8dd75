"""Which dataset bars belong to, and where it lies."""

from pathlib import Path
from typing import Final
from urllib.parse import quote

from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BAR_LENGTHS, BarLength

SOURCE_FOLDERS: Final = {
    bars_pb2.SOURCE_IB: "ib",
    bars_pb2.SOURCE_REPLAY: "replay",
    bars_pb2.SOURCE_IMPORTED: "imported",
}
"""Bars of different sources lie apart from the top on: they can never meet in one file."""

WHAT_TO_SHOW: Final = {
    bars_pb2.WHAT_TO_SHOW_TRADES: "TRADES",
    bars_pb2.WHAT_TO_SHOW_MIDPOINT: "MIDPOINT",
    bars_pb2.WHAT_TO_SHOW_BID: "BID",
    bars_pb2.WHAT_TO_SHOW_ASK: "ASK",
    bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST: "ADJUSTED_LAST",
}
"""What the bars show, in IB's words."""

_SOURCE_WORDS: Final = {bars_pb2.SOURCE_REPLAY: ["(REPLAY)"], bars_pb2.SOURCE_IMPORTED: ["(imported)"]}
_KINDS: Final = {
    bars_pb2.SECURITY_TYPE_STOCK: "stock",
    bars_pb2.SECURITY_TYPE_FOREX: "forex",
    bars_pb2.SECURITY_TYPE_FUTURE: "future",
    bars_pb2.SECURITY_TYPE_INDEX: "index",
}


def bar_length(key: bars_pb2.DatasetKey) -> BarLength:
    """Return the length of a dataset's bars."""
    return BAR_LENGTHS[key.bar_size]


def folder_of(key: bars_pb2.DatasetKey) -> Path:
    """Return the folder of a dataset, relative to that of all bars: <source>/<symbol>-<contract>/<bar>-<what>-<hours>.

    Args:
        key: complete.
    """
    instrument = key.instrument
    hours = "rth" if key.use_rth else "all"
    return (
        Path(SOURCE_FOLDERS[key.source])
        / f"{symbol_folder(instrument.symbol)}{instrument.contract_id or _description(instrument)}"
        / f"{bar_length(key).name}-{WHAT_TO_SHOW[key.what_to_show].lower()}-{hours}"
    )


def symbol_folder(symbol: str) -> str:
    """Return what the folder names of a symbol's instruments begin with; the contract's id follows."""
    return _in_file_name(symbol) + "-"


def kind_of(instrument: bars_pb2.Instrument) -> str:
    """Return the kind of an instrument: "stock", "forex", "future" or "index"."""
    return _KINDS.get(instrument.security_type, "stock")


def title_of(key: bars_pb2.DatasetKey) -> str:
    """Return a dataset's name for people: "AAPL 1d TRADES"; recorded bars are called REPLAY, others' imported.

    Args:
        key: complete, or as it came in a request.
    """
    words = [key.instrument.symbol or f"contract {key.instrument.contract_id}"]
    words += [BAR_LENGTHS[key.bar_size].name] if key.bar_size in BAR_LENGTHS else []
    words.append(WHAT_TO_SHOW.get(key.what_to_show, "TRADES"))
    words += ["all hours"] if key.HasField("use_rth") and not key.use_rth else []
    return " ".join(words + _SOURCE_WORDS.get(key.source, []))


def _description(instrument: bars_pb2.Instrument) -> str:
    """Return what tells imported instruments without IB's number apart: "0" for a stock in dollars, "0-future-ESH5"."""
    kind = kind_of(instrument)
    expiry = instrument.local_symbol or instrument.last_trade_date
    if kind == "stock" and instrument.currency in {"", "USD"} and not expiry:
        return "0"
    return "-".join(["0", kind, _in_file_name(expiry or instrument.currency or "USD")])


def _in_file_name(text: str) -> str:
    return quote(text, safe=" ").replace(".", "%2E")
