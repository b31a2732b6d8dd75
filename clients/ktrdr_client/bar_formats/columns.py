"""The columns of bars, by the many names that programs give them."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

PRICES: Final = ("open", "high", "low", "close")
OPTIONAL: Final = ("volume", "wap", "count")
_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("time", "timestamp", "ts", "t", "datetime", "date", "bartime", "gmttime", "starttime"), "time"),
    **dict.fromkeys(("open", "o", "openprice"), "open"),
    **dict.fromkeys(("high", "h", "highprice"), "high"),
    **dict.fromkeys(("low", "l", "lowprice"), "low"),
    **dict.fromkeys(("close", "c", "closeprice", "last"), "close"),
    **dict.fromkeys(("volume", "vol", "v"), "volume"),
    **dict.fromkeys(("wap", "vwap", "average"), "wap"),
    **dict.fromkeys(("count", "barcount", "trades", "n"), "count"),
}


class NotBars(Exception):
    """This is no table of bars; the message says why, for people."""


class ColumnChoice(NamedTuple):
    """Which columns of a file are which columns of bars."""

    columns: Mapping[str, int]
    """Position of each column that was found, by the name that bars have for it."""
    time_of_day: int | None
    """Position of the column with the time of day, where that is apart from the date."""
    left_out: Sequence[str]
    """Columns that say nothing about bars."""


def choose_columns(names: Sequence[str]) -> ColumnChoice:
    """Find the columns of bars, whatever their case: time (timestamp, date, datetime), o h l c v, vwap, ….

    Args:
        names: Names of all columns, in their order.

    Raises:
        NotBars: One is missing, or two could be the same one.
    """
    found: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        meaning = _NAMES.get(_plain(name), "")
        found.setdefault(meaning, []).append(index)
    left_out = [names[index] for index in found.pop("", [])]
    time_of_day = _split_off_time(names, found)
    for meaning, places in found.items():
        if len(places) > 1:
            message = f"the columns {' and '.join(repr(names[each]) for each in places)} could both be the {meaning}"
            raise NotBars(message)
    missing = [name for name in ("time", *PRICES) if name not in found]
    if missing:
        message = (
            f"no column is called {' or '.join(missing)}; there are {', '.join(names) or 'none'}"
            "\n  the first line has to name the columns: time, open, high, low, close, and volume if there is one"
        )
        raise NotBars(message)
    return ColumnChoice({name: places[0] for name, places in found.items()}, time_of_day, left_out)


def _plain(name: str) -> str:
    """Return a name without case, signs and leading numbers: "<OPEN>" and "1. open" are "open"."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"^[^a-z]+", "", name.lower()))


def _split_off_time(names: Sequence[str], found: dict[str, list[int]]) -> int | None:
    """Take the time of day out of what may be the time, where date and time stand in columns of their own."""
    by_name = {_plain(names[index]): index for index in found.get("time", [])}
    if set(by_name) != {"date", "time"} or len(found["time"]) != 2:
        return None
    found["time"] = [by_name["date"]]
    return by_name["time"]
