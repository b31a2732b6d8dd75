"""Stored bars beside the same bars as they are received again."""

import math
from datetime import datetime
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2

from services.common.timestamps import to_timestamp
from services.ib_host.revisions.factor import Factor, Flags, Floats, common_factor, rounding, same
from services.ib_host.store.columns import instant, times_of

_PRICES: Final = ("open", "high", "low", "close")
_NEAREST_SPLIT: Final = 0.005
"""Factors nearer to 1 are no split: the smallest that companies make, a stock dividend of 1 %, is twice as far away."""
_WIDEST: Final = 0.25
"""A factor says nothing when rounding leaves it less certain than this part of its distance from 1, in logarithms."""
_ALIKE: Final = 0.02
_ENOUGH: Final = 0.8
_FEWEST: Final = 3
_LOT: Final = 100.0
_VOLUME_NOISE: Final = 0.001


class _Overlap(NamedTuple):
    """The bars of the times that both have, ascending; prices have one row for each bar."""

    times: npt.NDArray[np.int64]
    stored: Floats
    received: Floats
    stored_volume: Floats
    received_volume: Floats

    def only(self, rows: Flags) -> "_Overlap":
        return _Overlap(
            self.times[rows],
            self.stored[rows],
            self.received[rows],
            self.stored_volume[rows],
            self.received_volume[rows],
        )


class _Scaling(NamedTuple):
    factor: Factor
    rows: int


def compare(stored: pa.Table, received: pa.Table) -> bars_pb2.Revision | None:
    """Return how bars that are received again differ from what is stored; None: in nothing that counts.

    Only prices count. IB corrects volumes, averages and counts for days after a session, when late trades are reported:
    the newer ones are stored, and that is no revision. A price counts as changed when it differs by more than the noise
    of float arithmetic.

    A split is: all bars that differ, or nearly all, do so by one factor; no older bar is the same; and volumes went the
    other way. Where there are no volumes to tell, the factor has to be a ratio of small whole numbers, as a split's is.
    A dividend moves prices by one factor too, but not volumes: that is a correction with a `price_ratio`. Where
    `price_ratio` is set, everything before these bars is to be loaded again, whatever the kind.

    Args:
        stored: the bars as they are stored, ascending, with the columns of the store.
        received: likewise, as they came now. A bar that was not over when it was stored is to be left out by
            the caller: it differs for another reason.

    Returns:
        The revision without `notice_time`. `end_time` is one bar after the last that differs, as far as the bars
        themselves show how long one is.
    """
    both = _overlap(stored, received)
    differs: Flags = np.logical_not(same(both.stored, both.received).all(axis=1))
    if not differs.any():
        return None
    changed = both.only(differs)
    blank = (both.stored == 0.0).all(axis=1)
    until = int(np.flatnonzero(differs)[-1]) + 1
    oldest_first = bool((differs | blank)[:until].all())
    scaling = _scaling(changed, both) if oldest_first else None
    revision = bars_pb2.Revision(
        kind=bars_pb2.Revision.KIND_CORRECTION,
        start_time=to_timestamp(_first(changed)),
        end_time=to_timestamp(instant(int(changed.times[-1]) + _step(stored, received))),
        bars=len(changed.times),
        text=_correction_text(changed, len(both.times)),
    )
    if scaling is None:
        return revision
    factor = scaling.factor
    others = len(changed.times) - scaling.rows
    if _is_split(changed, factor):
        revision.kind = bars_pb2.Revision.KIND_SPLIT
        revision.price_ratio = factor.value
        revision.text = _split_text(changed, factor, others)
    elif len(changed.times) >= _FEWEST:
        revision.price_ratio = factor.value
        revision.text = (
            f"{_scaled_text(changed, factor)}, but other volumes than a split gives: an adjustment, as for a dividend"
        )
    return revision


def _overlap(stored: pa.Table, received: pa.Table) -> _Overlap:
    times, in_stored, in_received = np.intersect1d(
        times_of(stored), times_of(received), assume_unique=True, return_indices=True
    )

    def prices(table: pa.Table, rows: npt.NDArray[np.int64]) -> Floats:
        return np.column_stack([table.column(name).to_numpy()[rows] for name in _PRICES])

    return _Overlap(
        times,
        prices(stored, in_stored),
        prices(received, in_received),
        stored.column("volume").to_numpy()[in_stored],
        received.column("volume").to_numpy()[in_received],
    )


def _scaling(changed: _Overlap, both: _Overlap) -> _Scaling | None:
    """Return the factor that explains the changed prices, and how many bars it explains."""
    slack = {"stored_rounding": rounding(both.stored), "received_rounding": rounding(both.received)}
    factor = common_factor(changed.stored, changed.received, **slack)
    rows = len(changed.times)
    if factor is None:
        # A bar that was corrected too must not hide that all others were split.
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = changed.received[:, 3] / changed.stored[:, 3]
            finite = np.isfinite(ratios)
            if not finite.any():
                return None
            usual = finite & (np.abs(ratios / np.median(ratios[finite]) - 1.0) < _ALIKE)
        if usual.sum() < max(_FEWEST, _ENOUGH * rows):
            return None
        factor = common_factor(changed.stored[usual], changed.received[usual], **slack)
        rows = int(usual.sum())
    if factor is None or math.log(factor.high / factor.low) > _WIDEST * abs(math.log(factor.value)):
        return None
    if factor.low - _NEAREST_SPLIT < 1.0 < factor.high + _NEAREST_SPLIT:
        return None
    return _Scaling(factor, rows)


def _is_split(changed: _Overlap, factor: Factor) -> bool:
    known = (changed.stored_volume > 0.0) & (changed.received_volume > 0.0)
    old, new = changed.stored_volume[known], changed.received_volume[known]
    inverse = _near(new, old / factor.value, factor.value)
    unchanged = _near(new, old, 1.0)
    telling = int((inverse != unchanged).sum())
    if telling == 0:
        return factor.plain is not None
    return int((inverse & ~unchanged).sum()) * 2 > telling


def _near(volumes: Floats, wanted: Floats, factor: float) -> Flags:
    """Tell for each volume whether it is the wanted one, as whole lots before and after a split allow."""
    return (
        np.abs(volumes - wanted)
        <= np.minimum(_LOT * (1.0 + 1.0 / factor), 0.02 * wanted) + 1.0 + _VOLUME_NOISE * wanted
    )


def _step(*tables: pa.Table) -> int:
    """Return the shortest time between two bars, in microseconds; 1 where there is only one."""
    gaps = [np.diff(times_of(table)) for table in tables]
    return min((int(gap[gap > 0].min()) for gap in gaps if (gap > 0).any()), default=1)


def _first(changed: _Overlap) -> datetime:
    return instant(int(changed.times[0]))


def _split_text(changed: _Overlap, factor: Factor, others: int) -> str:
    plain = factor.plain or Fraction(factor.value).limit_denominator(1000)
    text = f"{_scaled_text(changed, factor)}: a split, {plain.denominator} for {plain.numerator}"
    return f"{text}; {_bars(others)} of them changed otherwise" if others else text


def _scaled_text(changed: _Overlap, factor: Factor) -> str:
    bars = _bars(len(changed.times))
    return f"{bars} from {_day(_first(changed))} on have prices {factor.value:.6g} times those stored"


def _correction_text(changed: _Overlap, compared: int) -> str:
    row, column = np.argwhere(~same(changed.stored, changed.received))[0]
    old, new = changed.stored[row, column], changed.received[row, column]
    return (
        f"{len(changed.times)} of {_bars(compared)} that came again differ; the first: {_PRICES[column]} of "
        f"{_day(_first(changed))} was {old:.10g} and is {new:.10g}"
    )


def _bars(count: int) -> str:
    return f"{count} bar" if count == 1 else f"{count} bars"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}" if moment.time() == datetime.min.time() else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
