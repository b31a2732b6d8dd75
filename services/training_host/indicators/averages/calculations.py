"""Values of moving averages."""

from typing import Final

import talib

from services.training_host.bars.series import Bars
from services.training_host.indicators.averages.definitions import (
    T3,
    Dema,
    Ema,
    Kama,
    Midpoint,
    Sma,
    Tema,
    Trima,
    Wma,
)
from services.training_host.indicators.dispatch import Calculations, Outputs, Values
from services.training_host.indicators.formulas import distance

averages: Final = Calculations()


def _with_distance(bars: Bars, average: Values) -> Outputs:
    return average, distance(bars.close, average)


@averages.of(Sma)
def _sma(sma: Sma, bars: Bars) -> Outputs:
    return _with_distance(bars, talib.SMA(bars.close, sma.period))


@averages.of(Ema)
def _ema(ema: Ema, bars: Bars) -> Outputs:
    return _with_distance(bars, talib.EMA(bars.close, ema.period))


@averages.of(Wma)
def _wma(wma: Wma, bars: Bars) -> Outputs:
    return _with_distance(bars, talib.WMA(bars.close, wma.period))


@averages.of(Dema)
def _dema(dema: Dema, bars: Bars) -> Outputs:
    return _with_distance(bars, talib.DEMA(bars.close, dema.period))


@averages.of(Tema)
def _tema(tema: Tema, bars: Bars) -> Outputs:
    return _with_distance(bars, talib.TEMA(bars.close, tema.period))


@averages.of(Trima)
def _trima(trima: Trima, bars: Bars) -> Outputs:
    return _with_distance(bars, talib.TRIMA(bars.close, trima.period))


@averages.of(Kama)
def _kama(kama: Kama, bars: Bars) -> Outputs:
    return _with_distance(bars, talib.KAMA(bars.close, kama.period))


@averages.of(T3)
def _t3(t3: T3, bars: Bars) -> Outputs:
    return _with_distance(bars, talib.T3(bars.close, t3.period, t3.factor))


@averages.of(Midpoint)
def _midpoint(midpoint: Midpoint, bars: Bars) -> Outputs:
    return _with_distance(bars, talib.MIDPOINT(bars.close, midpoint.period))
