"""Values of Hilbert transform indicators."""

from typing import Final

import talib

from services.training_host.bars.series import Bars
from services.training_host.indicators.cycles.definitions import HtDcperiod, HtSine, HtTrendline
from services.training_host.indicators.dispatch import Calculations, Outputs
from services.training_host.indicators.formulas import distance

cycles: Final = Calculations()


@cycles.of(HtTrendline)
def _ht_trendline(_: HtTrendline, bars: Bars) -> Outputs:
    trendline = talib.HT_TRENDLINE(bars.close)
    return trendline, distance(bars.close, trendline)


@cycles.of(HtSine)
def _ht_sine(_: HtSine, bars: Bars) -> Outputs:
    return talib.HT_SINE(bars.close)


@cycles.of(HtDcperiod)
def _ht_dcperiod(_: HtDcperiod, bars: Bars) -> Outputs:
    return (talib.HT_DCPERIOD(bars.close),)
