"""Ask a trained model without KTRDR: from bars to answers with NumPy, TA-Lib, PyTorch and safetensors alone.

    python examples/reload_model.py MODEL_FOLDER 1d=AAPL.csv [1w=AAPL_weekly.csv …]

Each file has the columns time (or date), open, high, low, close and volume, and the bars of one symbol from the model's
first bar on: metadata.json names it. "ktrdr data export AAPL 1d AAPL.csv" writes such a file. Everything
else is read from features.json and network.json of the folder, where each step is explained.
"""

import csv
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import talib
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch.nn import functional

Columns = dict[str, NDArray[Any]]
HOUR_NS = 3_600_000_000_000


RULES: dict[str, Callable[..., NDArray[np.float64]]] = {
    "distance": lambda a, b: (a - b) / a * 100,
    "percent": lambda a, b: a / b * 100,
    "place": lambda a, b, c: np.where(c == b, 0.5, quotient(a - b, c - b)),
    "width": lambda a, b, c: (a - b) / c,
    "middle": lambda a, b: (a + b) * 0.5,
    "sum": lambda a, b, factor: a + b * factor,
    "difference": lambda a, b, factor: a - b * factor,
    "without_first": lambda a, count: np.concatenate([np.full(count, np.nan), a[count:]]),
    "ratio": lambda a, b: np.where(b <= 0, 1.0, quotient(a, b)),
}
"""What is computed beside TA-Lib's functions: `rules` in features.json."""


def quotient(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide; what is divided by 0 is replaced by who asks."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return a / b


def follow_steps(steps: list[dict[str, Any]], columns: Columns) -> Columns:
    """Compute an indicator: `steps` in features.json. Returns the columns with all outputs."""
    known = dict(columns)
    for step in steps:
        inputs = [known[name] for name in step["inputs"]]
        function = step["function"]
        apply = getattr(talib, function.removeprefix("talib.")) if function.startswith("talib.") else RULES[function]
        values = apply(*inputs, **step["parameters"])
        known |= zip(step["outputs"], values if isinstance(values, tuple) else (values,), strict=True)
    return known


def membership(kind: str, parameters: list[float], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute how much values belong to a fuzzy set: `membership_functions` in features.json."""
    if kind == "gaussian":
        center, spread = parameters
        distance = (x - center) / spread
        return np.asarray(np.exp(distance * distance * -0.5))
    a, b, c, d = parameters if kind == "trapezoidal" else (parameters[0], parameters[1], parameters[1], parameters[2])
    rise = (x - a) / (b - a) if b > a else np.where(x >= a, 1.0, 0.0)
    fall = (d - x) / (d - c) if d > c else np.where(x <= d, 1.0, 0.0)
    inside = np.clip(np.minimum(rise, fall), 0.0, 1.0)
    return np.where(np.isnan(x), np.nan, inside)


def over_at(times: NDArray[np.int64], timeframe: str) -> NDArray[np.int64]:
    """Return when bars are over, nanoseconds since 1970 UTC: `timeframe_join` in features.json."""
    days = times.astype("datetime64[ns]").astype("datetime64[D]")
    if timeframe == "1d":
        return np.maximum(days.astype("datetime64[ns]").astype(np.int64) + 36 * HOUR_NS, times + 25 * HOUR_NS)
    if timeframe == "1w":
        weekday = (days.astype(np.int64) + 3) % 7  # Monday is 0
        ends = days + (7 - weekday).astype("timedelta64[D]")
    elif timeframe == "1month":
        ends = (days.astype("datetime64[M]") + 1).astype("datetime64[D]")
    else:
        number = timeframe.rstrip("hmins")
        unit = {"h": HOUR_NS, "min": HOUR_NS // 60, "s": HOUR_NS // 3600}[timeframe.removeprefix(number)]
        return times + int(number) * unit
    over: NDArray[np.int64] = ends.astype("datetime64[ns]").astype(np.int64) + 12 * HOUR_NS
    return over


def network_inputs(features: dict[str, Any], bars: dict[str, Columns]) -> NDArray[np.float32]:
    """Return the scaled inputs at each bar of the base timeframe, float32 [bars, inputs]; NaN where there are none."""
    computed: dict[str, Columns] = {}
    for timeframe, columns in bars.items():
        values: Columns = {}
        for indicator in features["indicators"].values():
            results = follow_steps(indicator["steps"], columns)
            values |= {name: results[output].copy() for name, output in indicator["references"].items()}
        for series in values.values():
            series[: features["history_bars"]] = np.nan
        computed[timeframe] = values
    base = features["base_timeframe"]
    instants = over_at(bars[base]["time"], base)
    inputs = []
    for entry in features["inputs"]:
        x = computed[entry["timeframe"]][entry["source"]]
        if entry["membership"] is not None:
            x = membership(entry["membership"]["type"], entry["membership"]["parameters"], x)
        if entry["timeframe"] != base:
            ends = over_at(bars[entry["timeframe"]]["time"], entry["timeframe"])
            newest = np.searchsorted(ends, instants, side="right") - 1
            x = np.where(newest >= 0, x[newest], np.nan)
        inputs.append(((x - entry["offset"]) / entry["scale"]).astype(np.float32))
    matrix = np.column_stack(inputs)
    matrix[: features["history_bars"]] = np.nan
    return matrix


def answer(network: dict[str, Any], weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Ask the network: `layers` in network.json. Returns probabilities of the classes, or expected returns."""
    for layer in network["layers"]:
        own = {name: weights[tensor] for name, tensor in layer.get("tensors", {}).items()}
        if layer["kind"] == "linear":
            x = functional.linear(x, own["weight"], own["bias"])
        elif layer["kind"] in ("gru", "lstm"):
            recurrent = getattr(torch.nn, layer["kind"].upper())(layer["inputs"], layer["units"], batch_first=True)
            recurrent.load_state_dict(own)
            x, _ = recurrent(x)
        elif layer["kind"] == "last_bar":
            x = x[:, -1]
        else:
            x = getattr(functional, layer["function"])(x)
    if network["answer"]["kind"] == "classes":
        return torch.softmax(x, dim=1)
    scale: float = network["answer"]["target_scale"]
    return x * scale


def predict(folder: Path, bars: dict[str, Columns]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Answer at each bar that has inputs.

    Args:
        folder: Of the model.
        bars: By timeframe, of one symbol: time (int64 nanoseconds since 1970 UTC), open, high, low, close and volume.

    Returns:
        Times of the bars, and float32 [bars, classes] probabilities or [bars, 1] expected returns.
    """
    features = json.loads((folder / "features.json").read_text("utf-8"))
    network = json.loads((folder / "network.json").read_text("utf-8"))
    times, x = windows(features, bars)
    with torch.inference_mode():
        answers = answer(network, load_file(folder / "model.safetensors"), torch.from_numpy(x)).numpy()
    return times, answers


def windows(features: dict[str, Any], bars: dict[str, Columns]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the times of the bars that have inputs, and what the network reads for each: `input_shape`."""
    inputs = network_inputs(features, bars)
    length = features["sequence_length"]
    complete = np.isfinite(inputs).all(axis=1)
    rows = np.flatnonzero(np.lib.stride_tricks.sliding_window_view(complete, length).all(axis=1)) + length - 1
    x = inputs[rows] if length == 1 else inputs[rows[:, None] + np.arange(1 - length, 1)]
    return bars[features["base_timeframe"]]["time"][rows], x


def read_bars(path: Path) -> Columns:
    """Read bars from a CSV file."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = {name.strip().lower(): name for name in rows[0]}
    time = names.get("time", names.get("date", ""))
    columns: Columns = {
        name: np.array([float(row[names[name]]) for row in rows]) for name in ("open", "high", "low", "close", "volume")
    }
    columns["time"] = np.array([nanoseconds(row[time]) for row in rows])
    return columns


def nanoseconds(text: str) -> int:
    """Return a time such as 2000-03-01 or 2000-03-01T14:30:00Z, UTC where it names no zone, since 1970."""
    time = datetime.fromisoformat(text)
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1) * 1_000


def main(folder: str, *files: str) -> None:
    """Print the last answers."""
    bars = {timeframe: read_bars(Path(path)) for timeframe, path in (file.split("=", 1) for file in files)}
    network = json.loads((Path(folder) / "network.json").read_text("utf-8"))
    needed = json.loads((Path(folder) / "features.json").read_text("utf-8"))["timeframes"]
    if missing := [timeframe for timeframe in needed if timeframe not in bars]:
        sys.exit(f"the model reads bars of {', '.join(needed)}; give a file for {', '.join(missing)} too")
    print("time", *network["answer"].get("classes", ["return"]))
    times, answers = predict(Path(folder), bars)
    for time, answered in list(zip(times.astype("datetime64[ns]"), answers, strict=True))[-10:]:
        print(time.astype("datetime64[s]"), *(f"{value:.4f}" for value in answered))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python reload_model.py MODEL_FOLDER 1d=AAPL.csv [1w=AAPL_weekly.csv …]")
    main(*sys.argv[1:])
