"""Values of volatility indicators."""

from typing import Final

import numpy as np
import talib
from talib._ta_lib import MA_Type

from services.training_host.bars.series import Bars
from services.training_host.indicators.dispatch import Calculations, Outputs
from services.training_host.indicators.formulas import channel, percent_of
from services.training_host.indicators.volatility.definitions import (
    Atr,
    BollingerBands,
    Donchian,
    Keltner,
    Natr,
    Stddev,
    Trange,
)

volatility: Final = Calculations()


@volatility.of(BollingerBands)
def _bollinger_bands(bands: BollingerBands, bars: Bars) -> Outputs:
    return channel(bars.close, *talib.BBANDS(bars.close, bands.period, bands.deviations, bands.deviations, MA_Type.SMA))


@volatility.of(Donchian)
def _donchian(donchian: Donchian, bars: Bars) -> Outputs:
    upper, lower = talib.MAX(bars.high, donchian.period), talib.MIN(bars.low, donchian.period)
    middle = upper + lower
    middle *= 0.5
    return channel(bars.close, upper, middle, lower)


@volatility.of(Keltner)
def _keltner(keltner: Keltner, bars: Bars) -> Outputs:
    middle = talib.EMA(bars.close, keltner.period)
    middle[: keltner.period] = np.nan  # the true ranges begin one bar later
    half = talib.ATR(bars.high, bars.low, bars.close, keltner.period)
    half *= keltner.ranges
    return channel(bars.close, middle + half, middle, middle - half)


@volatility.of(Trange)
def _trange(_: Trange, bars: Bars) -> Outputs:
    ranges = talib.TRANGE(bars.high, bars.low, bars.close)
    return ranges, percent_of(ranges.copy(), bars.close)


@volatility.of(Atr)
def _atr(atr: Atr, bars: Bars) -> Outputs:
    return (talib.ATR(bars.high, bars.low, bars.close, atr.period),)


@volatility.of(Natr)
def _natr(natr: Natr, bars: Bars) -> Outputs:
    return (talib.NATR(bars.high, bars.low, bars.close, natr.period),)


@volatility.of(Stddev)
def _stddev(stddev: Stddev, bars: Bars) -> Outputs:
    deviation = talib.STDDEV(bars.close, stddev.period)
    return deviation, percent_of(deviation.copy(), bars.close)
