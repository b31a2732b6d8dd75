"""Values of indicators over bars, by TA-Lib."""

from collections.abc import Mapping

import numpy as np
import talib
from numpy.typing import NDArray
from talib._ta_lib import MA_Type

from services.training_host.bars.series import Bars
from services.training_host.indicators.definition import (
    Adx,
    Atr,
    BollingerBands,
    Ema,
    Indicator,
    Macd,
    Natr,
    Ppo,
    Rsi,
    references,
)

Values = NDArray[np.float64]


def calculate(indicator: Indicator, bars: Bars) -> tuple[Values, ...]:
    """Compute an indicator.

    Args:
        indicator: What to compute.
        bars: Over which.

    Returns:
        Its outputs in the order of `outputs`, float64 of the bars' length each; NaN during the warm-up.
    """
    close = bars.close
    match indicator:
        case Rsi():
            return (talib.RSI(close, indicator.period),)
        case Ema():
            return (talib.EMA(close, indicator.period),)
        case Macd():
            return talib.MACD(close, indicator.fast, indicator.slow, indicator.signal)
        case Ppo():
            average = MA_Type.EMA if indicator.average == "ema" else MA_Type.SMA
            return (talib.PPO(close, indicator.fast, indicator.slow, average),)
        case BollingerBands():
            return _bollinger_bands(close, indicator)
        case Atr():
            return (talib.ATR(bars.high, bars.low, close, indicator.period),)
        case Natr():
            return (talib.NATR(bars.high, bars.low, close, indicator.period),)
        case Adx():
            return (talib.ADX(bars.high, bars.low, close, indicator.period),)


def calculate_all(indicators: Mapping[str, Indicator], bars: Bars) -> dict[str, Values]:
    """Compute indicators by the names that strategies refer to their outputs by."""
    return {
        reference: values
        for identifier, indicator in indicators.items()
        for reference, values in zip(references(identifier, indicator.outputs), calculate(indicator, bars), strict=True)
    }


def _bollinger_bands(close: Values, bands: BollingerBands) -> tuple[Values, ...]:
    upper, middle, lower = talib.BBANDS(close, bands.period, bands.deviations, bands.deviations, MA_Type.SMA)
    span = upper - lower
    # A window of equal closes has bands that touch: the close is in their middle.
    percent_b = np.divide(close - lower, span, out=np.where(np.isnan(span), np.nan, 0.5), where=span > 0)
    return upper, middle, lower, percent_b, span / middle
