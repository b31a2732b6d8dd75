"""What it costs to turn ten years of one-minute bars into the inputs of a network.

`python -m benchmarks.features [--json FILE]`. The strategy has 8 indicators and 20 inputs. What is timed is what a
training does with a series once it is loaded: indicators by TA-Lib, memberships, and the matrix of the inputs; no file
and no network. Beside it, in turns: the same inputs written in pandas and NumPy (their values are compared), and the
bare calls of TA-Lib (the floor). Then each indicator by itself, and the memory that is needed.
"""

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable
from statistics import median
from typing import Final

import numpy as np
import talib
from numpy.typing import NDArray
from talib._ta_lib import MA_Type

from benchmarks.findings import Findings, add_json_flag
from benchmarks.plain_features import plain_features
from services.training_host.bars.series import Bars
from services.training_host.features.column import feature_columns
from services.training_host.features.matrix import fill_features
from services.training_host.indicators.calculation import calculate
from services.training_host.indicators.definition import INDICATOR_TYPES
from services.training_host.strategy.check import load_strategy

BARS: Final = 10 * 252 * 390
"""Ten years of 252 sessions of 6.5 hours."""
TURNS: Final = 5
TARGET_SECONDS: Final = 2.0
SETTLED: Final = 2_000
"""Bars after which how an average began no longer matters."""
SAME: Final = 1e-5
"""How far memberships may be apart: TA-Lib sums squares for its deviation, pandas compensates for rounding."""
MINUTE_NS: Final = 60_000_000_000
STRATEGY: Final = """
name: features
version: "3.0"
training_data:
  symbols: {mode: single, symbol: TEST}
  timeframes: {mode: single, timeframe: 1min}
  start_date: 2016-01-01
  end_date: 2025-12-31
indicators:
  rsi: {type: rsi, period: 14}
  ppo: {type: ppo, fast: 12, slow: 26}
  bands: {type: bbands, period: 20, deviations: 2.0}
  natr: {type: natr, period: 14}
  adx: {type: adx, period: 14}
  stoch: {type: stoch, period: 14, smoothing: 3, signal: 3}
  ema: {type: ema, period: 50}
  mfi: {type: mfi, period: 14}
fuzzy_sets:
  momentum:
    indicator: rsi
    oversold: {type: trapezoidal, parameters: [0, 0, 30, 45]}
    neutral: [35, 50, 65]
    overbought: {type: trapezoidal, parameters: [55, 70, 100, 100]}
  trend:
    indicator: ppo
    down: {type: trapezoidal, parameters: [-100, -100, -0.2, 0]}
    flat: {type: gaussian, parameters: [0, 0.1]}
    up: {type: trapezoidal, parameters: [0, 0.2, 100, 100]}
  band:
    indicator: bands.percent_b
    low: {type: trapezoidal, parameters: [-2, -2, 0.1, 0.4]}
    high: {type: trapezoidal, parameters: [0.6, 0.9, 3, 3]}
  strength:
    indicator: adx
    weak: {type: trapezoidal, parameters: [0, 0, 20, 30]}
    strong: {type: trapezoidal, parameters: [20, 30, 100, 100]}
  place: {indicator: stoch.k, preset: {terms: 3, range: [20, 80]}}
  distance: {indicator: ema.distance, preset: {terms: 3, range: [-0.3, 0.3]}}
  flow: {indicator: mfi, preset: {terms: 3, range: [20, 80]}}
nn_inputs:
  - {fuzzy_set: momentum}
  - {fuzzy_set: trend}
  - {fuzzy_set: band}
  - {raw_indicator: natr, normalization: zscore}
  - {fuzzy_set: strength}
  - {fuzzy_set: place}
  - {fuzzy_set: distance}
  - {fuzzy_set: flow}
model: {type: mlp, architecture: {hidden_layers: [32], activation: relu}}
decisions: {output_format: classification}
training:
  labels: {source: forward_return, horizon: 30, threshold: 0.001}
  data_split: {train: 0.7, validation: 0.15, test: 0.15}
  epochs: 1
  batch_size: 256
  learning_rate: 0.001
"""


def minute_bars(count: int) -> Bars:
    """Return bars of a random walk, the same ones each time."""
    random = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(random.normal(0, 5e-4, count)))
    opening = np.concatenate([close[:1], close[:-1]]) * np.exp(random.normal(0, 1e-4, count))
    high = np.maximum(opening, close) * (1 + random.uniform(0, 5e-4, count))
    low = np.minimum(opening, close) * (1 - random.uniform(0, 5e-4, count))
    times = np.arange(count, dtype=np.int64) * MINUTE_NS
    return Bars("TEST", "1min", times, opening, high, low, close, random.uniform(1e3, 1e5, count).round())


def product_features(bars: Bars) -> Callable[[], NDArray[np.float64]]:
    """Return the way a training makes its inputs."""
    strategy = load_strategy(STRATEGY)
    columns = feature_columns(strategy)

    def compute() -> NDArray[np.float64]:
        matrix = np.full((len(bars), len(columns)), np.nan)
        fill_features(
            matrix,
            columns,
            indicators=strategy.indicators,
            bars=bars,
            base_bars=bars,
            warm_up_bars=strategy.warm_up_bars,
        )
        return matrix

    return compute


def bare_calls(bars: Bars) -> None:
    """Call TA-Lib for the 8 indicators, and throw the values away."""
    talib.RSI(bars.close, 14)
    talib.PPO(bars.close, 12, 26, MA_Type.EMA)
    talib.BBANDS(bars.close, 20, 2, 2)
    talib.NATR(bars.high, bars.low, bars.close, 14)
    talib.ADX(bars.high, bars.low, bars.close, 14)
    talib.STOCH(bars.high, bars.low, bars.close, 14, 3, MA_Type.SMA, 3, MA_Type.SMA)
    talib.EMA(bars.close, 50)
    talib.MFI(bars.high, bars.low, bars.close, bars.volume, 14)


def in_turns(ways: dict[str, Callable[[], object]]) -> dict[str, tuple[float, float]]:
    """Return the median seconds of each way, by the clock and of the processor."""
    wall: dict[str, list[float]] = {name: [] for name in ways}
    processor: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(TURNS + 1):
        for name, way in ways.items():
            began, used = time.perf_counter(), time.process_time()
            way()
            if turn:  # the first one warms up
                wall[name].append(time.perf_counter() - began)
                processor[name].append(time.process_time() - used)
    return {name: (median(wall[name]), median(processor[name])) for name in ways}


def compare(bars: Bars, findings: Findings) -> None:
    """Time the ways in turns, and hold the product's against the target."""
    ours, pandas, floor = "8 indicators, 20 inputs", "the same in pandas and NumPy", "TA-Lib alone"
    product = product_features(bars)
    apart = np.abs(product() - plain_features(bars))[SETTLED:].max()
    if not apart < SAME:
        raise SystemExit(f"the ways differ by {apart}: what is compared is not the same")
    ways: dict[str, Callable[[], object]] = {
        ours: product,
        pandas: lambda: plain_features(bars),
        floor: lambda: bare_calls(bars),
    }
    found = in_turns(ways)
    print(f"{'of ' + format(len(bars), ',') + ' bars':36}{'seconds':>9}{'CPU':>9}{'CPU ratio':>11}")
    for name, (wall, processor) in found.items():
        print(f"{name:36}{wall:9.3f}{processor:9.3f}{processor / found[ours][1]:11.2f}")
        findings.keep(name, seconds=wall, cpu_seconds=processor)
    seconds, used = found[ours]
    findings.check(
        "features of ten years of minutes",
        seconds,
        f"{seconds:.2f} s ({used:.2f} s of the processor), pandas {found[pandas][1] / used:.1f} x as much",
        f"<= {TARGET_SECONDS:.0f} s on one core",
        passed=max(seconds, used) <= TARGET_SECONDS,
    )


def tell_memory(bars: Bars, findings: Findings) -> None:
    """Tell the largest amount of memory in use, over that of the matrix."""
    for name, way in (("product", product_features(bars)), ("pandas", lambda: plain_features(bars))):
        tracemalloc.start()
        size = way().nbytes
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"memory at most, {name}: {peak / 1e6:.0f} MB, {peak / size:.1f} x the inputs")
        findings.keep(f"memory {name}", peak_bytes=peak, ratio=peak / size)


def each_indicator(bars: Bars, findings: Findings) -> None:
    """Tell what every indicator costs the processor by itself, with all of its outputs."""
    costs = {}
    for name, kind in INDICATOR_TYPES.items():
        indicator = kind.model_validate({"type": name})
        times = []
        for _ in range(3):
            began = time.process_time()
            calculate(indicator, bars)
            times.append(time.process_time() - began)
        costs[name] = min(times) * 1e3 / (len(bars) / 1e6)
    findings.keep("milliseconds for a million bars", **{name: round(cost, 1) for name, cost in costs.items()})
    print("ms for a million bars, all outputs: " + ", ".join(f"{name} {cost:.0f}" for name, cost in costs.items()))


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=BARS, help=f"how many bars ({BARS:,})")
    add_json_flag(parser)
    options = parser.parse_args()
    findings = Findings("features")
    findings.head()
    bars = minute_bars(options.bars)
    compare(bars, findings)
    tell_memory(bars, findings)
    each_indicator(bars, findings)
    return findings.write(options.json)


if __name__ == "__main__":
    sys.exit(main())
