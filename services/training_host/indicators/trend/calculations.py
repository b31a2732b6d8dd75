"""Values of trend indicators."""

from typing import Final

import talib

from services.training_host.bars.series import Bars
from services.training_host.indicators.dispatch import Calculations, Outputs
from services.training_host.indicators.formulas import distance, percent_of
from services.training_host.indicators.trend.definitions import (
    Adx,
    Aroon,
    Aroonosc,
    Di,
    Dx,
    LinearregAngle,
    LinearregSlope,
    Sar,
)

trend: Final = Calculations()


@trend.of(Adx)
def _adx(adx: Adx, bars: Bars) -> Outputs:
    return (talib.ADX(bars.high, bars.low, bars.close, adx.period),)


@trend.of(Dx)
def _dx(dx: Dx, bars: Bars) -> Outputs:
    return (talib.DX(bars.high, bars.low, bars.close, dx.period),)


@trend.of(Di)
def _di(di: Di, bars: Bars) -> Outputs:
    plus = talib.PLUS_DI(bars.high, bars.low, bars.close, di.period)
    return plus, talib.MINUS_DI(bars.high, bars.low, bars.close, di.period)


@trend.of(Aroon)
def _aroon(aroon: Aroon, bars: Bars) -> Outputs:
    down, up = talib.AROON(bars.high, bars.low, aroon.period)
    return up, down


@trend.of(Aroonosc)
def _aroonosc(aroonosc: Aroonosc, bars: Bars) -> Outputs:
    return (talib.AROONOSC(bars.high, bars.low, aroonosc.period),)


@trend.of(Sar)
def _sar(sar: Sar, bars: Bars) -> Outputs:
    stop = talib.SAR(bars.high, bars.low, sar.acceleration, sar.maximum)
    return stop, distance(bars.close, stop)


@trend.of(LinearregSlope)
def _linearreg_slope(linearreg: LinearregSlope, bars: Bars) -> Outputs:
    slope = talib.LINEARREG_SLOPE(bars.close, linearreg.period)
    return slope, percent_of(slope.copy(), bars.close)


@trend.of(LinearregAngle)
def _linearreg_angle(linearreg: LinearregAngle, bars: Bars) -> Outputs:
    return (talib.LINEARREG_ANGLE(bars.close, linearreg.period),)
