"""Small indicators whose values can be worked out on paper."""

from typing import Any

import numpy as np
import pytest

from services.training_host.bars.series import Bars
from services.training_host.indicators.calculation import calculate
from services.training_host.indicators.definition import INDICATOR_TYPES
from tests.support.trainings import DAY_NS, bars_of_closes


def of(name: str, bars: Bars, **parameters: Any) -> dict[str, list[float]]:
    kind = INDICATOR_TYPES[name]
    found = calculate(kind.model_validate({"type": name, **parameters}), bars)
    return {output: values.tolist() for output, values in zip(kind.outputs, found, strict=True)}


def bars_of(*rows: tuple[float, float, float, float]) -> Bars:
    """Bars of (high, low, close, volume); they open where they close."""
    high, low, close, volume = np.array(rows, dtype=np.float64).T.copy()
    return Bars("TEST", "1d", np.arange(len(rows), dtype=np.int64) * DAY_NS, close, high, low, close, volume)


def test_simple_average() -> None:
    found = of("sma", bars_of_closes(1, 2, 6, 4), period=3)
    assert found["sma"][2:] == pytest.approx([3, 4])
    assert found["distance"][2:] == pytest.approx([50, 0])


def test_exponential_average() -> None:
    # The mean of three, then half of the way to the close each time: the factor is 2 / 4.
    found = of("ema", bars_of_closes(1, 2, 6, 5, 8), period=3)
    assert found["ema"][2:] == pytest.approx([3, 4, 6])
    assert found["distance"][2:] == pytest.approx([50, 20, 25])


def test_weighted_average() -> None:
    assert of("wma", bars_of_closes(1, 2, 6), period=3)["wma"][2] == pytest.approx((1 + 4 + 18) / 6)


def test_relative_strength() -> None:
    # Changes +2, -1, +3, -4; the first mean of two is (1, 0.5), then each counts as one of two.
    found = of("rsi", bars_of_closes(10, 12, 11, 14, 10), period=2)["rsi"]
    gains, losses = [1, (1 + 3) / 2, (2 + 0) / 2], [0.5, (0.5 + 0) / 2, (0.25 + 4) / 2]
    assert found[2:] == pytest.approx([100 * gain / (gain + loss) for gain, loss in zip(gains, losses, strict=True)])


def test_average_true_range() -> None:
    # True ranges 3 (high - low), 5 (from the close before up to the high) and 4 (down to the low).
    bars = bars_of((10, 8, 9, 1), (11, 8, 10, 1), (15, 13, 14, 1), (13, 10, 12, 1))
    assert of("trange", bars)["trange"][1:] == [3, 5, 4]
    assert of("atr", bars, period=2)["atr"][2:] == [4, 4]
    assert of("natr", bars, period=2)["natr"][2:] == pytest.approx([400 / 14, 400 / 12])


def test_percentage_price_oscillator() -> None:
    # Averages of 2 and 3 closes: 13 and 12, then 12 and 12.
    found = of("ppo", bars_of_closes(10, 12, 14, 10), fast=2, slow=3, average="sma")["ppo"]
    assert found[2:] == pytest.approx([100 / 12, 0])


def test_fast_stochastic_and_williams() -> None:
    bars = bars_of((10, 6, 8, 1), (12, 8, 9, 1), (11, 7, 11, 1))
    assert of("stochf", bars, period=2, signal=2)["k"][2] == pytest.approx(100 * (11 - 7) / (12 - 7))
    assert of("stochf", bars, period=2, signal=2)["d"][2] == pytest.approx((50 + 80) / 2)
    assert of("willr", bars, period=2)["willr"][1:] == pytest.approx([-50, -20])


def test_channel_of_highs_and_lows() -> None:
    found = of("donchian", bars_of((10, 6, 8, 1), (12, 8, 9, 1)), period=2)
    assert {output: values[1] for output, values in found.items()} == pytest.approx(
        {"upper": 12, "middle": 9, "lower": 6, "position": 0.5, "width": 6 / 9}
    )


def test_bands_of_deviations() -> None:
    found = of("bbands", bars_of_closes(8, 12), period=2, deviations=1.5)
    assert {output: values[1] for output, values in found.items()} == pytest.approx(
        {"upper": 13, "middle": 10, "lower": 7, "percent_b": 5 / 6, "width": 0.6}
    )


def test_volumes() -> None:
    bars = bars_of((10, 10, 10, 100), (11, 11, 11, 50), (9, 9, 9, 30), (9, 9, 9, 70))
    assert of("obv", bars)["obv"] == [100, 150, 120, 120]
    assert of("volume_ratio", bars, period=2)["volume_ratio"][1:] == pytest.approx([50 / 75, 30 / 40, 70 / 50])
    # Money 550 flowed in, 270 out; the last bar did not change.
    assert of("mfi", bars, period=2)["mfi"][2:] == pytest.approx([100 * 550 / 820, 0])


def test_changes() -> None:
    bars = bars_of_closes(10, 11, 12)
    assert of("mom", bars, period=2)["mom"][2] == 2
    assert of("roc", bars, period=2)["roc"][2] == pytest.approx(20)
    assert of("linearreg_slope", bars, period=3) == {
        "slope": [pytest.approx(value, nan_ok=True) for value in (np.nan, np.nan, 1)],
        "percent": [pytest.approx(value, nan_ok=True) for value in (np.nan, np.nan, 100 / 12)],
    }
    assert of("linearreg_angle", bars, period=3)["linearreg_angle"][2] == pytest.approx(45)
