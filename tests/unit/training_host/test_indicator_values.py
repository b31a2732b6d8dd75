"""Indicators equal TA-Lib, called through its generic interface with parameters of its own names."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import talib.abstract

from services.training_host.bars.series import COLUMNS
from services.training_host.indicators.calculation import calculate, calculate_all
from services.training_host.indicators.definition import INDICATOR_TYPES
from tests.support.trainings import random_bars

BARS = random_bars(300)
CLOSE, VOLUME = BARS.close, BARS.volume
PRICES = {name: getattr(BARS, name) for name in COLUMNS}
FUNCTION: Any = talib.abstract.Function  # type: ignore[attr-defined]  # missing in the stubs
SMA, EMA = 0, 1
Expected = list[np.ndarray]


def ta(name: str, **parameters: Any) -> Expected:
    found = FUNCTION(name)(PRICES, **parameters)
    return list(found) if isinstance(found, list | tuple) else [found]


def percent(values: np.ndarray) -> np.ndarray:
    return 100 * values / CLOSE


def with_distance(name: str, **parameters: Any) -> Expected:
    (average,) = ta(name, **parameters)
    return [average, percent(CLOSE - average)]


def with_percent(name: str, **parameters: Any) -> Expected:
    (values,) = ta(name, **parameters)
    return [values, percent(values)]


def channel(upper: np.ndarray, middle: np.ndarray, lower: np.ndarray) -> Expected:
    return [upper, middle, lower, (CLOSE - lower) / (upper - lower), (upper - lower) / middle]


def keltner(period: int, ranges: float) -> Expected:
    (middle,), (size,) = ta("ema", timeperiod=period), ta("atr", timeperiod=period)
    middle = np.where(np.isnan(size), np.nan, middle)
    return channel(middle + ranges * size, middle, middle - ranges * size)


def donchian(period: int) -> Expected:
    upper, lower = talib.MAX(PRICES["high"], timeperiod=period), talib.MIN(PRICES["low"], timeperiod=period)
    return channel(upper, (upper + lower) / 2, lower)


def macd(fast: int, slow: int, signal: int) -> Expected:
    line, signals, histogram = ta("macd", fastperiod=fast, slowperiod=slow, signalperiod=signal)
    return [line, signals, histogram, percent(histogram)]


def volume_ratio(period: int) -> Expected:
    sums = np.concatenate([[np.nan] * (period - 1), np.convolve(VOLUME, np.ones(period), "valid")])
    return [VOLUME * period / sums]


Case = tuple[str, dict[str, Any], Callable[[], Expected]]
CASES: list[Case] = [
    *[
        (name, {"period": period}, lambda name=name, period=period: with_distance(name, timeperiod=period))
        for name in ("sma", "ema", "wma", "dema", "tema", "trima", "kama", "midpoint")
        for period in (5, 12)
    ],
    *[
        (name, {"period": period}, lambda name=name, period=period: ta(name, timeperiod=period))
        for name in ("rsi", "cmo", "willr", "cci", "roc", "mom", "trix", "adx", "dx", "aroonosc", "atr", "natr", "mfi")
        for period in (6, 17)
    ],
    *[(name, {}, lambda name=name: ta(name)) for name in ("bop", "obv", "ad", "ht_sine", "ht_dcperiod")],
    ("t3", {"period": 4, "factor": 0.6}, lambda: with_distance("t3", timeperiod=4, vfactor=0.6)),
    ("ht_trendline", {}, lambda: with_distance("ht_trendline")),
    (
        "stoch",
        {"period": 9, "smoothing": 4, "signal": 2},
        lambda: ta("stoch", fastk_period=9, slowk_period=4, slowk_matype=SMA, slowd_period=2, slowd_matype=SMA),
    ),
    ("stochf", {"period": 9, "signal": 4}, lambda: ta("stochf", fastk_period=9, fastd_period=4, fastd_matype=SMA)),
    (
        "stochrsi",
        {"period": 8, "range_period": 11, "signal": 5},
        lambda: ta("stochrsi", timeperiod=8, fastk_period=11, fastd_period=5, fastd_matype=SMA),
    ),
    (
        "ultosc",
        {"fast": 4, "medium": 9, "slow": 15},
        lambda: ta("ultosc", timeperiod1=4, timeperiod2=9, timeperiod3=15),
    ),
    ("macd", {"fast": 5, "slow": 13, "signal": 4}, lambda: macd(5, 13, 4)),
    ("ppo", {"fast": 6, "slow": 15}, lambda: ta("ppo", fastperiod=6, slowperiod=15, matype=EMA)),
    ("ppo", {"fast": 6, "slow": 15, "average": "sma"}, lambda: ta("ppo", fastperiod=6, slowperiod=15, matype=SMA)),
    ("apo", {"fast": 6, "slow": 15}, lambda: ta("apo", fastperiod=6, slowperiod=15, matype=EMA)),
    ("apo", {"fast": 6, "slow": 15, "average": "sma"}, lambda: ta("apo", fastperiod=6, slowperiod=15, matype=SMA)),
    ("di", {"period": 9}, lambda: [*ta("plus_di", timeperiod=9), *ta("minus_di", timeperiod=9)]),
    ("aroon", {"period": 9}, lambda: ta("aroon", timeperiod=9)[::-1]),
    ("sar", {"acceleration": 0.03, "maximum": 0.3}, lambda: with_distance("sar", acceleration=0.03, maximum=0.3)),
    ("linearreg_slope", {"period": 9}, lambda: with_percent("linearreg_slope", timeperiod=9)),
    ("linearreg_angle", {"period": 9}, lambda: ta("linearreg_angle", timeperiod=9)),
    (
        "bbands",
        {"period": 12, "deviations": 1.5},
        lambda: channel(*ta("bbands", timeperiod=12, nbdevup=1.5, nbdevdn=1.5, matype=SMA)),
    ),
    ("donchian", {"period": 12}, lambda: donchian(12)),
    ("keltner", {"period": 12, "ranges": 1.5}, lambda: keltner(12, 1.5)),
    ("trange", {}, lambda: with_percent("trange")),
    ("stddev", {"period": 12}, lambda: with_percent("stddev", timeperiod=12, nbdev=1.0)),
    ("adosc", {"fast": 4, "slow": 9}, lambda: ta("adosc", fastperiod=4, slowperiod=9)),
    ("volume_ratio", {"period": 7}, lambda: volume_ratio(7)),
]


@pytest.mark.parametrize(("name", "parameters", "expected"), CASES, ids=[f"{case[0]} {case[1]}" for case in CASES])
def test_values_equal_talib(name: str, parameters: dict[str, Any], expected: Callable[[], Expected]) -> None:
    kind = INDICATOR_TYPES[name]
    found = calculate(kind.model_validate({"type": name, **parameters}), BARS)
    for output, values, want in zip(kind.outputs, found, expected(), strict=True):
        np.testing.assert_allclose(values, want, rtol=1e-11, atol=1e-11, err_msg=output)


def test_every_type_is_compared() -> None:
    assert {name for name, _, _ in CASES} == set(INDICATOR_TYPES)


def test_outputs_are_named_as_strategies_refer_to_them() -> None:
    indicators = {
        "r": INDICATOR_TYPES["rsi"].model_validate({"type": "rsi"}),
        "m": INDICATOR_TYPES["macd"].model_validate({"type": "macd"}),
    }
    values = calculate_all(indicators, BARS)
    assert list(values) == ["r", "m.macd", "m.signal", "m.histogram", "m.histogram_percent"]
    np.testing.assert_array_equal(values["m.signal"], calculate(indicators["m"], BARS)[1])
