"""Values of volume indicators."""

from typing import Final

import numpy as np
import talib

from services.training_host.bars.series import Bars
from services.training_host.indicators.dispatch import Calculations, Outputs
from services.training_host.indicators.volume.definitions import Ad, Adosc, Mfi, Obv, VolumeRatio

volume: Final = Calculations()


@volume.of(Obv)
def _obv(_: Obv, bars: Bars) -> Outputs:
    return (talib.OBV(bars.close, bars.volume),)


@volume.of(Ad)
def _ad(_: Ad, bars: Bars) -> Outputs:
    return (talib.AD(bars.high, bars.low, bars.close, bars.volume),)


@volume.of(Adosc)
def _adosc(adosc: Adosc, bars: Bars) -> Outputs:
    return (talib.ADOSC(bars.high, bars.low, bars.close, bars.volume, adosc.fast, adosc.slow),)


@volume.of(Mfi)
def _mfi(mfi: Mfi, bars: Bars) -> Outputs:
    return (talib.MFI(bars.high, bars.low, bars.close, bars.volume, mfi.period),)


@volume.of(VolumeRatio)
def _volume_ratio(ratio: VolumeRatio, bars: Bars) -> Outputs:
    average = talib.SMA(bars.volume, ratio.period)
    values = np.where(np.isnan(average), np.nan, 1.0)
    np.divide(bars.volume, average, out=values, where=average > 0)
    return (values,)
