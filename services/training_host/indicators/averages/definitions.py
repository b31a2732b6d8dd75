"""Moving averages."""

from typing import Literal

from pydantic import Field

from services.training_host.indicators.model import (
    FullWindow,
    IndicatorDefinition,
    Output,
    WindowOfChanges,
    in_units,
    scale_free,
    window,
)

DISTANCE = scale_free("distance", "close - average in percent of the close")


def _average(name: str, description: str) -> tuple[Output, ...]:
    return in_units(name, f"{description}, in price units"), DISTANCE


class Sma(FullWindow):
    """Mean of the closes in the window."""

    title = "Simple moving average"
    inputs = ("close",)
    results = _average("sma", "Mean of the closes in the window")
    type: Literal["sma"]
    period: int = window(20, "Closes in the window.")


class Ema(FullWindow):
    """Average whose newest close has the weight 2 / (period + 1). It starts from the mean of the first period."""

    title = "Exponential moving average"
    inputs = ("close",)
    results = _average("ema", "Average whose weights fall exponentially")
    type: Literal["ema"]
    period: int = window(20, "Bars that the factor 2 / (period + 1) is made from.")


class Wma(FullWindow):
    """Average of the window whose weights rise by one from bar to bar."""

    title = "Weighted moving average"
    inputs = ("close",)
    results = _average("wma", "Average of the window, the newest close with the weight `period`, the oldest with 1")
    type: Literal["wma"]
    period: int = window(20, "Closes in the window.")


class Trima(FullWindow):
    """Average of the window whose weights rise to its middle and fall again."""

    title = "Triangular moving average"
    inputs = ("close",)
    results = _average("trima", "Average of the window, with the largest weights in its middle")
    type: Literal["trima"]
    period: int = window(20, "Closes in the window.")


class Midpoint(FullWindow):
    """Middle between the highest and the lowest close."""

    title = "Midpoint"
    inputs = ("close",)
    results = _average("midpoint", "Middle between the highest and the lowest close of the window")
    type: Literal["midpoint"]
    period: int = window(14, "Closes in the window.")


class Dema(IndicatorDefinition):
    """Lags less than an EMA, and overshoots after jumps: 2 · EMA - EMA(EMA)."""

    title = "Double exponential moving average"
    inputs = ("close",)
    results = _average("dema", "2 · EMA - EMA(EMA)")
    type: Literal["dema"]
    period: int = window(20, "Bars of each EMA.")

    @property
    def warm_up_bars(self) -> int:
        """The second average starts from values of the first."""
        return 2 * (self.period - 1)


class Tema(IndicatorDefinition):
    """Lags even less than a DEMA, and overshoots after jumps: 3 · EMA - 3 · EMA(EMA) + EMA(EMA(EMA))."""

    title = "Triple exponential moving average"
    inputs = ("close",)
    results = _average("tema", "3 · EMA - 3 · EMA(EMA) + EMA(EMA(EMA))")
    type: Literal["tema"]
    period: int = window(20, "Bars of each EMA.")

    @property
    def warm_up_bars(self) -> int:
        """Each of the three averages starts from values of the one before."""
        return 3 * (self.period - 1)


class T3(IndicatorDefinition):
    """Tillson's average: an EMA six times over, combined so that it lags little."""

    title = "T3 moving average"
    inputs = ("close",)
    results = _average("t3", "Six EMAs in a row, combined")
    type: Literal["t3"]
    period: int = window(5, "Bars of each EMA.")
    factor: float = Field(
        default=0.7, ge=0, le=1, description="0 smooths as an EMA of an EMA of an EMA does; 1 lags least."
    )

    @property
    def warm_up_bars(self) -> int:
        """Each of the six averages starts from values of the one before."""
        return 6 * (self.period - 1)


class Kama(WindowOfChanges):
    """Quick as an EMA of 2 bars in a steady move, slow as one of 30 in noise."""

    title = "Kaufman adaptive moving average"
    inputs = ("close",)
    results = _average("kama", "Average whose factor follows the efficiency of the move")
    type: Literal["kama"]
    period: int = window(10, "Changes that the efficiency of a move is taken from.")


Average = Sma | Ema | Wma | Dema | Tema | Trima | Kama | T3 | Midpoint
"""Any moving average."""
