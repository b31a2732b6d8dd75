"""Bar sizes as people write them: 1d, 1h, 5min, 30s, 1w, 1month."""

import re
from collections.abc import Mapping
from typing import Final

from ktrdr.ib.v1 import bars_pb2
from ktrdr.ib.v1.bars_pb2 import BarSize

_UNITS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "SECOND"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "MINUTE"),
    **dict.fromkeys(("h", "hour", "hours"), "HOUR"),
    **dict.fromkeys(("d", "day", "days"), "DAY"),
    **dict.fromkeys(("w", "week", "weeks"), "WEEK"),
    **dict.fromkeys(("month", "months"), "MONTH"),
}
_SUFFIXES: Final[Mapping[str, str]] = {
    "SECOND": "s", "MINUTE": "min", "HOUR": "h", "DAY": "d", "WEEK": "w", "MONTH": "month",
}  # fmt: skip


def bar_size_name(size: "BarSize.ValueType") -> str:
    """Return the short form of a bar size: "5min"; "" where none is given."""
    if size == bars_pb2.BAR_SIZE_UNSPECIFIED:
        return ""
    count, unit = BarSize.Name(size).removeprefix("BAR_SIZE_").split("_")
    return f"{count}{_SUFFIXES[unit.removesuffix('S')]}"


def parse_bar_size(text: str) -> "BarSize.ValueType":
    """Return the bar size that a text such as "1d" or "5 mins" names.

    Raises:
        ValueError: IB has no such bars; the message lists those that it has.
    """
    match = re.fullmatch(r"\s*(\d+)\s*([A-Za-z]+)\s*", text)
    unit = _UNITS.get(match[2].lower()) if match else None
    if match and unit:
        count = int(match[1])
        name = f"BAR_SIZE_{count}_{unit}{'S' if count > 1 else ''}"
        if name in BarSize.keys():  # noqa: SIM118 - an enum wrapper, not a dictionary
            return BarSize.Value(name)
    sizes = [bar_size_name(size) for size in BarSize.values() if size]
    message = f"there are no bars of {text!r}; choose from {' '.join(sizes)}"
    raise ValueError(message)


def is_daily_or_longer(size: "BarSize.ValueType") -> bool:
    """Say whether bars of this size are session dates instead of instants."""
    return size >= bars_pb2.BAR_SIZE_1_DAY
