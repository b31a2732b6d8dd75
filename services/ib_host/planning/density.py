"""How many bars an answer may have."""

from typing import Final

from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BarLength
from services.ib_host.planning.steps import Duration

_SECONDS_OF_A_DAY: Final = 86_400.0
_REGULAR_HOURS: Final = 6.5
_ALL_HOURS: Final = 16.0
_AROUND_THE_CLOCK: Final = 24.0
_SESSIONS: Final = {"D": 1, "W": 5, "M": 22, "Y": 261}
_LISTED: Final = frozenset({bars_pb2.SECURITY_TYPE_STOCK, bars_pb2.SECURITY_TYPE_INDEX})


class BarDensity:
    """The most bars that a session has: as in US markets at first, and more once more were seen.

    Args:
        bar: length of the bars.
        security_type: stocks and indices have all hours of 16, other instruments trade around the clock.
        use_rth: regular trading hours only; currencies have none.
    """

    def __init__(self, bar: BarLength, *, security_type: bars_pb2.SecurityType.ValueType, use_rth: bool) -> None:
        self._bar_seconds = bar.length.total_seconds()
        if use_rth and security_type != bars_pb2.SECURITY_TYPE_FOREX:
            hours = _REGULAR_HOURS
        else:
            hours = _ALL_HOURS if security_type in _LISTED else _AROUND_THE_CLOCK
        if bar.dated:  # a week has five sessions, and a bar of a week is a fifth of a bar in each
            self._most = 7 / 5 * _SECONDS_OF_A_DAY / self._bar_seconds
            self._bars = min(1.0, self._most)
        else:
            self._most = _SECONDS_OF_A_DAY / self._bar_seconds
            self._bars = hours * 3_600.0 / self._bar_seconds

    def saw(self, bars: int, duration: Duration) -> None:
        """Take note of the bars of an answer.

        Args:
            bars: how many.
            duration: that was asked for.
        """
        if duration.unit != "S":
            self._bars = min(self._most, max(self._bars, bars / (duration.count * _SESSIONS[duration.unit])))

    def bars_in(self, duration: Duration) -> float:
        """Return the most bars of an answer for a duration."""
        if duration.unit == "S":
            return duration.count / self._bar_seconds
        return duration.count * _SESSIONS[duration.unit] * self._bars
