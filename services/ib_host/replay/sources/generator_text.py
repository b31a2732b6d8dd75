"""The setting that asks for made-up bars: `generated:AAPL,EUR.USD,ES.FUT?seed=1&days=20`."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from urllib.parse import parse_qsl

from services.ib_host.replay.history import Split
from services.ib_host.replay.recorded import RecordingError
from services.ib_host.replay.sources.generated import GeneratorSpec
from services.ib_host.replay.sources.generated_instruments import security_type_of

PREFIX = "generated:"

_SYMBOL = re.compile(r"[A-Z][A-Z0-9.]{0,11}")
_FIRST_DAY = date(2024, 1, 2)
_MOST_DAYS = 520
_MOST_GAPS = 0.5
_NAMES = ("seed", "days", "start", "gaps", "quotes", "split")
_SPLIT = re.compile(r"([A-Z0-9.]+):(\d{4}-\d\d-\d\d):(\d{1,3}(?:/\d{1,3})?)")


def parse_generator(text: str) -> GeneratorSpec:
    """Read `generated:SYMBOL[,SYMBOL...]`, with optional values after a question mark.

    A symbol is a stock, a pair of currencies (EUR.USD), a future (ES.FUT) or an index (SPX.IND). The values are seed
    (whole number, 1), days (sessions, 20), start (first day, 2024-01-02), gaps (share of minutes that are missing,
    0.01), quotes (first day with bars of MIDPOINT, BID and ASK) and any number of split (SYMBOL:DATE:RATIO).

    Raises:
        RecordingError: the text is nothing of this kind; it says what is wrong.
    """
    try:
        return _parse(text)
    except ValueError as error:
        message = f"{text} does not say what to generate: {error}"
        raise RecordingError(message) from error


def _parse(text: str) -> GeneratorSpec:
    names, _, query = text.removeprefix(PREFIX).partition("?")
    symbols = tuple(name.strip().upper() for name in names.split(","))
    for symbol in symbols:
        _require(_SYMBOL.fullmatch(symbol), f"{symbol!r} is no symbol")
    _require(len(set(symbols)) == len(symbols), "a symbol is named twice")
    values: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
        _require(name in _NAMES, f"{name!r} is not known: use one of {', '.join(_NAMES)}")
        _require(name == "split" or not values[name], f"{name} is given twice")
        values[name].append(value)
    days, gaps = int(_one(values, "days", "20")), float(_one(values, "gaps", "0.01"))
    _require(1 <= days <= _MOST_DAYS, f"days should be 1 to {_MOST_DAYS}")
    _require(0 <= gaps <= _MOST_GAPS, f"gaps should be 0 to {_MOST_GAPS}")
    start = date.fromisoformat(_one(values, "start", _FIRST_DAY.isoformat()))
    _require(1950 <= start.year <= 2100, "start should lie between 1950 and 2100")
    quotes = date.fromisoformat(values["quotes"][0]) if values["quotes"] else None
    seed, splits = int(_one(values, "seed", "1")), _splits(values["split"], symbols)
    return GeneratorSpec(symbols, seed, start, days, gaps, splits, quotes)


def _splits(texts: Sequence[str], symbols: Sequence[str]) -> Mapping[str, Sequence[Split]]:
    splits: defaultdict[str, list[Split]] = defaultdict(list)
    for text in texts:
        match = _SPLIT.fullmatch(text)
        if match is None or match[1] not in symbols or security_type_of(match[1]) != "STK":
            message = f"split={text} should be one of its stocks, a date and a ratio, such as AAPL:2024-01-10:2"
            raise ValueError(message)
        try:
            ratio = Fraction(match[3])
        except ZeroDivisionError:
            ratio = Fraction(0)
        _require(ratio > 0, f"split={text} has a ratio that is no positive number")
        splits[match[1]].append(Split(date.fromisoformat(match[2]), ratio))
    return {symbol: sorted(found, key=lambda split: split.session) for symbol, found in splits.items()}


def _one(values: Mapping[str, Sequence[str]], name: str, default: str) -> str:
    return values[name][0] if values.get(name) else default


def _require(holds: object, message: str) -> None:
    if not holds:
        raise ValueError(message)
