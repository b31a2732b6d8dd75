"""Cycles.

These follow J. F. Ehlers, Rocket Science for Traders, 2001. Their lengths are fixed; they have no parameters.
"""

from typing import Literal

from services.training_host.indicators.model import IndicatorDefinition, in_units, scale_free


class _HilbertTransform(IndicatorDefinition):
    @property
    def warm_up_bars(self) -> int:
        """What TA-Lib leaves out while its filters settle."""
        return 63


class HtTrendline(_HilbertTransform):
    """Average of the close over one cycle, so that the cycle is filtered out."""

    title = "Hilbert transform trendline"
    inputs = ("close",)
    results = (
        in_units("trendline", "In price units"),
        scale_free("distance", "close - trendline in percent of the close"),
    )
    type: Literal["ht_trendline"]


class HtSine(_HilbertTransform):
    """Sine of the phase of the cycle, and the same an eighth of a cycle ahead: they cross before turns of a cycle."""

    title = "Hilbert transform sine wave"
    inputs = ("close",)
    results = (
        scale_free("sine", "Sine of the phase, -1 to 1"),
        scale_free("lead", "Sine of the phase and 45 degrees, -1 to 1"),
    )
    type: Literal["ht_sine"]


class HtDcperiod(IndicatorDefinition):
    """Length of the dominant cycle."""

    title = "Hilbert transform dominant cycle period"
    inputs = ("close",)
    results = (scale_free("ht_dcperiod", "Length of the cycle in bars, 6 to 50"),)
    type: Literal["ht_dcperiod"]

    @property
    def warm_up_bars(self) -> int:
        """What TA-Lib leaves out while its filters settle."""
        return 32


Cycle = HtTrendline | HtSine | HtDcperiod
"""Any of these indicators."""
