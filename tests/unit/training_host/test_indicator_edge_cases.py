"""Bars that are few, flat, broken, or without a volume."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import talib

from services.training_host.bars.series import PRICE_COLUMNS, Bars
from services.training_host.indicators.calculation import VolumeMissing, calculate, calculate_all
from services.training_host.indicators.definition import INDICATOR_TYPES, IndicatorDefinition
from tests.support.indicators import TYPES
from tests.support.trainings import bars_of_closes, random_bars

BARS = random_bars(120)
TALIB: Any = talib  # the stubs miss some of its functions
READ_VOLUME = {"obv", "ad", "adosc", "mfi", "volume_ratio"}
FLAT = {
    "stoch.k": 0, "stoch.d": 0, "stochf.k": 0, "stochf.d": 0, "stochrsi.k": 0, "stochrsi.d": 0, "rsi.rsi": 0,
    "cmo.cmo": 0, "willr.willr": 0, "ultosc.ultosc": 0, "cci.cci": 0, "bop.bop": 0, "mfi.mfi": 0, "adx.adx": 0,
    "dx.dx": 0, "di.plus": 0, "di.minus": 0, "aroon.up": 100, "aroon.down": 100, "aroonosc.aroonosc": 0,
    "bbands.percent_b": 0.5, "bbands.width": 0, "donchian.position": 0.5, "donchian.width": 0, "keltner.position": 0.5,
    "keltner.width": 0, "volume_ratio.volume_ratio": 1, "roc.roc": 0, "trix.trix": 0, "ppo.ppo": 0, "natr.natr": 0,
    "macd.histogram_percent": 0, "linearreg_slope.percent": 0, "stddev.percent": 0, "trange.percent": 0,
}  # fmt: skip
"""Scale-free outputs, but distances, over bars of one price."""


def default(name: str) -> IndicatorDefinition:
    return INDICATOR_TYPES[name].model_validate({"type": name})


def with_values(bars: Bars, columns: tuple[str, ...], rows: slice, value: float) -> Bars:
    changed: Any = {}
    for column in columns:
        changed[column] = getattr(bars, column).copy()
        changed[column][rows] = value
    return replace(bars, **changed)


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("name", TYPES)
def test_fewer_bars_than_the_warm_up_give_no_values(name: str, count: int) -> None:
    indicator = default(name)
    for output in calculate(indicator, BARS.rows(0, count)):
        assert len(output) == count
        assert np.isnan(output[: indicator.warm_up_bars]).all()


@pytest.mark.parametrize("name", TYPES)
def test_bars_of_one_price_give_numbers(name: str) -> None:
    indicator = default(name)
    for output, values in zip(indicator.outputs, calculate(indicator, bars_of_closes(*[10.0] * 120)), strict=True):
        known = values[indicator.warm_up_bars :]
        assert np.isfinite(known).all()
        if output == "distance":
            assert known == pytest.approx(0)
        elif output in indicator.scale_free and not name.startswith("ht_"):
            assert known == pytest.approx(FLAT[f"{name}.{output}"])


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("price", [0.1, 123.45])
def test_prices_that_stop_moving_give_numbers(name: str, price: float) -> None:
    stopped = with_values(random_bars(300), PRICE_COLUMNS, slice(120, None), price)
    indicator = default(name)
    for values in calculate(indicator, stopped):
        assert np.isfinite(values[indicator.warm_up_bars :]).all()


@pytest.mark.parametrize("name", sorted(READ_VOLUME))
def test_bars_without_trades_give_numbers(name: str) -> None:
    indicator = default(name)
    for values in calculate(indicator, with_values(BARS, ("volume",), slice(20, 60), 0)):
        assert np.isfinite(values[indicator.warm_up_bars :]).all()


def test_an_average_may_overshoot_below_zero_and_the_distance_keeps_its_sign() -> None:
    bars = bars_of_closes(*[1000.0] * 60, *[10.0] * 60)
    average, distance = calculate(INDICATOR_TYPES["dema"].model_validate({"type": "dema", "period": 20}), bars)
    assert np.nanmin(average) < 0
    assert (distance[average < bars.close] > 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", TYPES)
def test_a_value_that_is_no_number_is_refused(name: str, value: float) -> None:
    indicator = default(name)
    for column in indicator.inputs:
        with pytest.raises(ValueError, match=f"{column} of TEST 1d is not finite; ask faulty_bar"):
            calculate(indicator, with_values(BARS, (column,), slice(50, 51), value))


@pytest.mark.parametrize("name", TYPES)
def test_bars_without_volume_are_refused_by_those_who_read_it(name: str) -> None:
    bars = with_values(BARS, ("volume",), slice(None), -1)
    indicator = default(name)
    if name not in READ_VOLUME:
        np.testing.assert_array_equal(calculate(indicator, bars), calculate(indicator, BARS))
        return
    with pytest.raises(VolumeMissing) as refused:
        calculate(indicator, bars)
    assert refused.value.identifier == name
    assert str(refused.value) == (
        f"{name} reads the volume, which 120 of the 120 bars of TEST 1d do not have; load bars of trades, or take an "
        "indicator that reads prices only"
    )


def test_a_missing_volume_names_the_indicator_of_the_strategy() -> None:
    bars = with_values(BARS, ("volume",), slice(7, 8), -1)
    with pytest.raises(VolumeMissing, match=r"^mfi reads the volume, which 1 of the 120 bars") as refused:
        calculate_all({"strength": default("rsi"), "flow": default("mfi")}, bars)
    assert refused.value.identifier == "flow"


def test_the_settings_of_talib_stay_as_they_are() -> None:
    before = [TALIB.get_unstable_period(name) for name in ("RSI", "EMA", "ATR", "ADX")]
    for name in TYPES:
        calculate(default(name), BARS)
    assert [TALIB.get_unstable_period(name) for name in ("RSI", "EMA", "ATR", "ADX")] == before == [0, 0, 0, 0]
