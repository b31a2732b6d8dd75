"""Indicators equal TA-Lib, know their warm-up, and never look ahead."""

from typing import Any

import numpy as np
import pytest
import talib
import talib.abstract
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training_host.bars.series import Bars
from services.training_host.indicators.calculation import calculate, calculate_all
from services.training_host.indicators.definition import (
    INDICATOR_TYPES,
    Adx,
    Atr,
    BollingerBands,
    Ema,
    IndicatorDefinition,
    Macd,
    Natr,
    Ppo,
    Rsi,
    references,
)
from tests.support.trainings import bars_of_closes, random_bars, with_later_bars_scaled

BARS = random_bars(300)
FUNCTION: Any = talib.abstract.Function  # type: ignore[attr-defined]  # missing in the stubs
ALL: list[Any] = [
    Rsi(type="rsi", period=9),
    Ema(type="ema", period=11),
    Macd(type="macd", fast=5, slow=13, signal=4),
    Ppo(type="ppo", fast=6, slow=15),
    Ppo(type="ppo", fast=6, slow=15, average="sma"),
    BollingerBands(type="bbands", period=12, deviations=1.5),
    Atr(type="atr", period=7),
    Natr(type="natr", period=8),
    Adx(type="adx", period=6),
]


def expected(indicator: IndicatorDefinition, bars: Bars) -> tuple[np.ndarray, ...]:
    """The same through TA-Lib's generic interface, by names of its own."""
    match indicator:
        case Rsi(period=period) | Ema(period=period):
            return (FUNCTION(indicator.type)({"close": bars.close}, timeperiod=period),)
        case Atr(period=period) | Natr(period=period) | Adx(period=period):
            prices = {"high": bars.high, "low": bars.low, "close": bars.close}
            return (FUNCTION(indicator.type)(prices, timeperiod=period),)
        case Macd(fast=fast, slow=slow, signal=signal):
            function = FUNCTION("macd")
            return tuple(function({"close": bars.close}, fastperiod=fast, slowperiod=slow, signalperiod=signal))
        case Ppo(fast=fast, slow=slow, average=average):
            function = FUNCTION("ppo")
            kind = {"sma": 0, "ema": 1}[average]
            return (function({"close": bars.close}, fastperiod=fast, slowperiod=slow, matype=kind),)
        case BollingerBands(period=period, deviations=deviations):
            function = FUNCTION("bbands")
            upper, middle, lower = function(
                {"close": bars.close}, timeperiod=period, nbdevup=deviations, nbdevdn=deviations
            )
            return upper, middle, lower, (bars.close - lower) / (upper - lower), (upper - lower) / middle
    raise AssertionError(indicator)


@pytest.mark.parametrize("indicator", ALL, ids=repr)
def test_values_equal_talib(indicator: Any) -> None:
    outputs = calculate(indicator, BARS)
    wanted = expected(indicator, BARS)
    assert len(outputs) == len(wanted) == len(indicator.outputs)
    for output, want in zip(outputs, wanted, strict=True):
        np.testing.assert_array_equal(output, want)


@pytest.mark.parametrize("indicator", ALL, ids=repr)
def test_warm_up_is_exactly_the_bars_without_a_value(indicator: Any) -> None:
    for output in calculate(indicator, BARS):
        assert np.isnan(output[: indicator.warm_up_bars]).all()
        assert np.isfinite(output[indicator.warm_up_bars :]).all()


@given(st.sampled_from(ALL), st.integers(0, 299), st.floats(0.01, 100))
@settings(max_examples=60, deadline=None)
def test_a_change_of_later_bars_changes_nothing_before(indicator: Any, last: int, factor: float) -> None:
    later = with_later_bars_scaled(BARS, last, factor)
    for output, changed in zip(calculate(indicator, BARS), calculate(indicator, later), strict=True):
        np.testing.assert_array_equal(output[: last + 1], changed[: last + 1])


def test_touching_bands_put_the_close_in_the_middle() -> None:
    bands = BollingerBands(type="bbands", period=5)
    *_, percent_b, width = calculate(bands, bars_of_closes(*[10.0] * 8))
    assert np.isnan(percent_b[:4]).all()
    assert percent_b[4:].tolist() == [0.5] * 4
    assert width[4:].tolist() == [0.0] * 4


def test_ppo_by_hand() -> None:
    ppo = Ppo(type="ppo", fast=2, slow=3, average="sma")
    (values,) = calculate(ppo, bars_of_closes(10.0, 12.0, 14.0, 10.0))
    # Averages of 2 and 3 closes: 13 and 12, then 12 and 12.
    np.testing.assert_allclose(values[2:], [(13 - 12) / 12 * 100, 0.0], atol=1e-12)


def test_fewer_bars_than_the_warm_up_give_no_values() -> None:
    for indicator in ALL:
        assert all(np.isnan(output).all() for output in calculate(indicator, random_bars(2)))


def test_outputs_are_named_as_strategies_refer_to_them() -> None:
    values = calculate_all({"r": ALL[0], "m": ALL[2]}, BARS)
    assert list(values) == ["r", "m.macd", "m.signal", "m.histogram"]
    assert references("b", BollingerBands.outputs)[3] == "b.percent_b"
    assert {type(indicator) for indicator in ALL} == set(INDICATOR_TYPES.values())
