"""Values of momentum indicators."""

from typing import Final, Literal

import talib
from talib._ta_lib import MA_Type

from services.training_host.bars.series import Bars
from services.training_host.indicators.dispatch import Calculations, Outputs
from services.training_host.indicators.formulas import percent_of
from services.training_host.indicators.momentum.definitions import Apo, Macd, Mom, Ppo, Roc, Trix

momentum: Final = Calculations()


def _kind(average: Literal["ema", "sma"]) -> MA_Type:
    return MA_Type.EMA if average == "ema" else MA_Type.SMA


@momentum.of(Macd)
def _macd(macd: Macd, bars: Bars) -> Outputs:
    line, signal, histogram = talib.MACD(bars.close, macd.fast, macd.slow, macd.signal)
    return line, signal, histogram, percent_of(histogram.copy(), bars.close)


@momentum.of(Ppo)
def _ppo(ppo: Ppo, bars: Bars) -> Outputs:
    return (talib.PPO(bars.close, ppo.fast, ppo.slow, _kind(ppo.average)),)


@momentum.of(Apo)
def _apo(apo: Apo, bars: Bars) -> Outputs:
    return (talib.APO(bars.close, apo.fast, apo.slow, _kind(apo.average)),)


@momentum.of(Roc)
def _roc(roc: Roc, bars: Bars) -> Outputs:
    return (talib.ROC(bars.close, roc.period),)


@momentum.of(Mom)
def _mom(mom: Mom, bars: Bars) -> Outputs:
    return (talib.MOM(bars.close, mom.period),)


@momentum.of(Trix)
def _trix(trix: Trix, bars: Bars) -> Outputs:
    return (talib.TRIX(bars.close, trix.period),)
