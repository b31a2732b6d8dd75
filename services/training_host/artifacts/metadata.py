"""What a model was made of, so that it can be made again."""

import platform
from importlib.metadata import version
from typing import Any, Final

from ktrdr.ib.v1.bars_pb2 import Source

from services.training_host.bars.loaded import LoadedBars
from services.training_host.bars.series import Bars
from services.training_host.strategy.strategy import Strategy

LIBRARIES: Final = ("ktrdr", "torch", "numpy", "pyarrow", "TA-Lib", "safetensors")


def origin(loaded: LoadedBars) -> dict[str, Any]:
    """Describe where the bars came from: the same ones may be had from another address or file, or from more bars."""
    return {
        "origin": loaded.origin,
        "datasets": [
            {"name": dataset.name, "fingerprint_sha256": dataset.fingerprint, "bars": dataset.bars}
            for dataset in loaded.datasets
        ],
    }


def metadata(strategy: Strategy, loaded: LoadedBars) -> dict[str, Any]:
    """Describe data, software and seed.

    Args:
        strategy: The strategy as it was trained.
        loaded: Its bars.
    """
    return {
        "name": strategy.name,
        "description": strategy.description,
        "data": {
            "symbols": list(strategy.symbols),
            "timeframes": list(strategy.timeframes),
            "base_timeframe": strategy.base_timeframe,
            "bars": loaded.count,
            "first_bar_time": loaded.first_time.isoformat(),
            "last_bar_time": loaded.last_time.isoformat(),
            "fingerprint_sha256": loaded.fingerprint(),
            "source": Source.Name(loaded.source),
            "series": [_series(bars) for bars in loaded.series.values()],
        },
        "seed": strategy.training.seed,
        "libraries": {name: version(name) for name in LIBRARIES},
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def _series(bars: Bars) -> dict[str, Any]:
    return {
        "symbol": bars.symbol,
        "timeframe": bars.timeframe,
        "bars": len(bars),
        "first_bar_time": bars.time(0).isoformat(),
        "last_bar_time": bars.time(-1).isoformat(),
        "fingerprint_sha256": bars.fingerprint(),
    }
