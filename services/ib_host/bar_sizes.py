"""The lengths that a bar can have: in the contract, on the command line, and in IB's words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ktrdr.ib.v1 import bars_pb2

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class BarLength:
    """One length.

    Attributes:
        size: the contract's enum value.
        name: what a user types, such as "1d".
        setting: IB's bar size setting, such as "1 day".
        length: from the start of a bar to the start of the next; nominal for a month.
    """

    size: bars_pb2.BarSize.ValueType
    name: str
    setting: str
    length: timedelta

    @property
    def dated(self) -> bool:
        """Whether bars carry the date of a session instead of an instant."""
        return self.length >= _DAY


def _seconds(size: bars_pb2.BarSize.ValueType, count: int) -> BarLength:
    return BarLength(size, f"{count}s", f"{count} secs", timedelta(seconds=count))


def _minutes(size: bars_pb2.BarSize.ValueType, count: int) -> BarLength:
    return BarLength(size, f"{count}min", f"{count} min{'s' if count > 1 else ''}", timedelta(minutes=count))


def _hours(size: bars_pb2.BarSize.ValueType, count: int) -> BarLength:
    return BarLength(size, f"{count}h", f"{count} hour{'s' if count > 1 else ''}", timedelta(hours=count))


BAR_LENGTHS: Final[Mapping[bars_pb2.BarSize.ValueType, BarLength]] = {
    bar.size: bar
    for bar in (
        _seconds(bars_pb2.BAR_SIZE_1_SECOND, 1),
        _seconds(bars_pb2.BAR_SIZE_5_SECONDS, 5),
        _seconds(bars_pb2.BAR_SIZE_10_SECONDS, 10),
        _seconds(bars_pb2.BAR_SIZE_15_SECONDS, 15),
        _seconds(bars_pb2.BAR_SIZE_30_SECONDS, 30),
        _minutes(bars_pb2.BAR_SIZE_1_MINUTE, 1),
        _minutes(bars_pb2.BAR_SIZE_2_MINUTES, 2),
        _minutes(bars_pb2.BAR_SIZE_3_MINUTES, 3),
        _minutes(bars_pb2.BAR_SIZE_5_MINUTES, 5),
        _minutes(bars_pb2.BAR_SIZE_10_MINUTES, 10),
        _minutes(bars_pb2.BAR_SIZE_15_MINUTES, 15),
        _minutes(bars_pb2.BAR_SIZE_20_MINUTES, 20),
        _minutes(bars_pb2.BAR_SIZE_30_MINUTES, 30),
        _hours(bars_pb2.BAR_SIZE_1_HOUR, 1),
        _hours(bars_pb2.BAR_SIZE_2_HOURS, 2),
        _hours(bars_pb2.BAR_SIZE_3_HOURS, 3),
        _hours(bars_pb2.BAR_SIZE_4_HOURS, 4),
        _hours(bars_pb2.BAR_SIZE_8_HOURS, 8),
        BarLength(bars_pb2.BAR_SIZE_1_DAY, "1d", "1 day", _DAY),
        BarLength(bars_pb2.BAR_SIZE_1_WEEK, "1w", "1W", 7 * _DAY),
        BarLength(bars_pb2.BAR_SIZE_1_MONTH, "1month", "1M", 31 * _DAY),
    )
}
"""Every length that IB has. Its gateways list these very settings when they refuse another one."""
