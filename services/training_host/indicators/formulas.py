"""Formulas that several groups of indicators share."""

import numpy as np

from services.training_host.indicators.dispatch import Outputs, Values


def percent_of(part: Values, whole: Values) -> Values:
    """Return part / whole · 100, written over `part`."""
    part /= whole
    part *= 100.0
    return part


def distance(close: Values, average: Values) -> Values:
    """Return close - average in percent of the close.

    Of the close, because averages that overshoot (DEMA, TEMA, T3) may come down to 0 after a crash.
    """
    return percent_of(close - average, close)


def channel(close: Values, upper: Values, middle: Values, lower: Values) -> Outputs:
    """Return the bands, the place of the close between them, and their width as a share of the middle."""
    width = upper - lower
    # Where all prices of a window are equal the bands touch: the close is in their middle.
    place = np.where(np.isnan(width), np.nan, 0.5)
    np.divide(close - lower, width, out=place, where=width > 0)
    width /= middle
    return upper, middle, lower, place, width
