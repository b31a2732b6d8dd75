"""The inputs of the benchmark's strategy as they are often written: pandas, and the formulas of the sets in NumPy."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from services.training_host.bars.series import Bars


def plain_features(bars: Bars) -> NDArray[np.float64]:
    """Return the inputs, float64 [bars, 20], in the order of the strategy.

    Averages that never forget begin with the first value instead of the mean of the first period, so that the values
    equal TA-Lib's once this is forgotten.
    """
    columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    table = pd.DataFrame(columns)
    inputs = pd.DataFrame(index=table.index)
    rsi = _rsi(table.close, 14)
    inputs["oversold"] = _trapezoid(rsi, 0, 0, 30, 45)
    inputs["neutral"] = _trapezoid(rsi, 35, 50, 50, 65)
    inputs["overbought"] = _trapezoid(rsi, 55, 70, 100, 100)
    fast, slow = table.close.ewm(span=12, adjust=False).mean(), table.close.ewm(span=26, adjust=False).mean()
    ppo = (fast - slow) / slow * 100
    inputs["down"] = _trapezoid(ppo, -100, -100, -0.2, 0)
    inputs["flat"] = np.exp(-(ppo**2) / (2 * 0.1**2))
    inputs["up"] = _trapezoid(ppo, 0, 0.2, 100, 100)
    middle, deviation = table.close.rolling(20).mean(), table.close.rolling(20).std(ddof=0)
    percent_b = (table.close - (middle - 2 * deviation)) / (4 * deviation)
    inputs["low"] = _trapezoid(percent_b, -2, -2, 0.1, 0.4)
    inputs["high"] = _trapezoid(percent_b, 0.6, 0.9, 3, 3)
    ranges = _true_range(table)
    inputs["natr"] = ranges.ewm(alpha=1 / 14, adjust=False).mean() / table.close * 100
    adx = _adx(table, ranges, 14)
    inputs["weak"] = _trapezoid(adx, 0, 0, 20, 30)
    inputs["strong"] = _trapezoid(adx, 20, 30, 100, 100)
    lowest, highest = table.low.rolling(14).min(), table.high.rolling(14).max()
    k = (100 * (table.close - lowest) / (highest - lowest)).rolling(3).mean()
    _thirds(inputs, "place", k, 20, 80)
    distance = (table.close - table.close.ewm(span=50, adjust=False).mean()) / table.close * 100
    _thirds(inputs, "distance", distance, -0.3, 0.3)
    _thirds(inputs, "flow", _mfi(table, 14), 20, 80)
    return inputs.to_numpy()


def _rsi(close: pd.Series, period: int) -> pd.Series:
    change = close.diff()
    gains = change.clip(lower=0).ewm(alpha=1 / period, adjust=False).mean()
    losses = (-change).clip(lower=0).ewm(alpha=1 / period, adjust=False).mean()
    return 100 * gains / (gains + losses)


def _true_range(table: pd.DataFrame) -> pd.Series:
    before = table.close.shift()
    high = pd.concat([table.high, before], axis=1).max(axis=1)
    low = pd.concat([table.low, before], axis=1).min(axis=1)
    return high - low


def _adx(table: pd.DataFrame, ranges: pd.Series, period: int) -> pd.Series:
    up, down = table.high.diff(), -table.low.diff()
    plus = up.where((up > down) & (up > 0), 0.0).ewm(alpha=1 / period, adjust=False).mean()
    minus = down.where((down > up) & (down > 0), 0.0).ewm(alpha=1 / period, adjust=False).mean()
    size = ranges.ewm(alpha=1 / period, adjust=False).mean()
    plus, minus = 100 * plus / size, 100 * minus / size
    return (100 * (plus - minus).abs() / (plus + minus)).ewm(alpha=1 / period, adjust=False).mean()


def _mfi(table: pd.DataFrame, period: int) -> pd.Series:
    typical = (table.high + table.low + table.close) / 3
    money, change = typical * table.volume, typical.diff()
    inflow = money.where(change > 0, 0.0).rolling(period).sum()
    outflow = money.where(change < 0, 0.0).rolling(period).sum()
    return 100 * inflow / (inflow + outflow)


def _thirds(inputs: pd.DataFrame, name: str, values: pd.Series, low: float, high: float) -> None:
    """Add the three labels of a preset."""
    middle = (low + high) / 2
    inputs[f"{name}_low"] = _trapezoid(values, -1e9, -1e9, low, middle)
    inputs[f"{name}_medium"] = _trapezoid(values, low, middle, middle, high)
    inputs[f"{name}_high"] = _trapezoid(values, middle, high, 1e9, 1e9)


def _trapezoid(values: pd.Series, a: float, b: float, c: float, d: float) -> NDArray[np.float64]:
    x = values.to_numpy()
    rise = (x - a) / (b - a) if b > a else np.where(x >= a, 1.0, 0.0)
    fall = (d - x) / (d - c) if d > c else np.where(x <= d, 1.0, 0.0)
    return np.where(np.isnan(x), np.nan, np.clip(np.minimum(rise, fall), 0.0, 1.0))
