"""Values of oscillators."""

from typing import Final

import talib
from talib._ta_lib import MA_Type

from services.training_host.bars.series import Bars
from services.training_host.indicators.dispatch import Calculations, Outputs
from services.training_host.indicators.oscillators.definitions import (
    Bop,
    Cci,
    Cmo,
    Rsi,
    Stoch,
    Stochf,
    Stochrsi,
    Ultosc,
    Willr,
)

oscillators: Final = Calculations()


@oscillators.of(Rsi)
def _rsi(rsi: Rsi, bars: Bars) -> Outputs:
    return (talib.RSI(bars.close, rsi.period),)


@oscillators.of(Cmo)
def _cmo(cmo: Cmo, bars: Bars) -> Outputs:
    return (talib.CMO(bars.close, cmo.period),)


@oscillators.of(Stoch)
def _stoch(stoch: Stoch, bars: Bars) -> Outputs:
    return talib.STOCH(
        bars.high, bars.low, bars.close, stoch.period, stoch.smoothing, MA_Type.SMA, stoch.signal, MA_Type.SMA
    )


@oscillators.of(Stochf)
def _stochf(stochf: Stochf, bars: Bars) -> Outputs:
    return talib.STOCHF(bars.high, bars.low, bars.close, stochf.period, stochf.signal, MA_Type.SMA)


@oscillators.of(Stochrsi)
def _stochrsi(stochrsi: Stochrsi, bars: Bars) -> Outputs:
    return talib.STOCHRSI(bars.close, stochrsi.period, stochrsi.range_period, stochrsi.signal, MA_Type.SMA)


@oscillators.of(Willr)
def _willr(willr: Willr, bars: Bars) -> Outputs:
    return (talib.WILLR(bars.high, bars.low, bars.close, willr.period),)


@oscillators.of(Ultosc)
def _ultosc(ultosc: Ultosc, bars: Bars) -> Outputs:
    return (talib.ULTOSC(bars.high, bars.low, bars.close, ultosc.fast, ultosc.medium, ultosc.slow),)


@oscillators.of(Cci)
def _cci(cci: Cci, bars: Bars) -> Outputs:
    return (talib.CCI(bars.high, bars.low, bars.close, cci.period),)


@oscillators.of(Bop)
def _bop(_: Bop, bars: Bars) -> Outputs:
    return (talib.BOP(bars.open, bars.high, bars.low, bars.close),)
