"""Lengths of bars: from the strategy's words to the contract's."""

from collections.abc import Mapping
from typing import Final, get_args

from ktrdr.ib.v1.bars_pb2 import BarSize

from services.training_host.strategy.training_data import Timeframe

_SIZES: Final = (
    BarSize.BAR_SIZE_1_SECOND,
    BarSize.BAR_SIZE_5_SECONDS,
    BarSize.BAR_SIZE_10_SECONDS,
    BarSize.BAR_SIZE_15_SECONDS,
    BarSize.BAR_SIZE_30_SECONDS,
    BarSize.BAR_SIZE_1_MINUTE,
    BarSize.BAR_SIZE_2_MINUTES,
    BarSize.BAR_SIZE_3_MINUTES,
    BarSize.BAR_SIZE_5_MINUTES,
    BarSize.BAR_SIZE_10_MINUTES,
    BarSize.BAR_SIZE_15_MINUTES,
    BarSize.BAR_SIZE_20_MINUTES,
    BarSize.BAR_SIZE_30_MINUTES,
    BarSize.BAR_SIZE_1_HOUR,
    BarSize.BAR_SIZE_2_HOURS,
    BarSize.BAR_SIZE_3_HOURS,
    BarSize.BAR_SIZE_4_HOURS,
    BarSize.BAR_SIZE_8_HOURS,
    BarSize.BAR_SIZE_1_DAY,
    BarSize.BAR_SIZE_1_WEEK,
    BarSize.BAR_SIZE_1_MONTH,
)

BAR_SIZES: Final[Mapping[str, BarSize.ValueType]] = dict(zip(get_args(Timeframe), _SIZES, strict=True))
"""The contract's value for each timeframe of a strategy; both lists go from short to long."""
