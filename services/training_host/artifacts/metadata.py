"""Where a model came from, so that it can be made again."""

import platform
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any

from ktrdr.ib.v1.bars_pb2 import Source

from services.training_host.bars.loaded import LoadedBars
from services.training_host.strategy.strategy import Strategy

FORMAT_VERSION = 1
"""Of the files in a model's folder; counts up when a reader of older ones would misread them."""
LIBRARIES = ("ktrdr", "torch", "numpy", "pyarrow", "TA-Lib", "safetensors")


def metadata(
    strategy: Strategy,
    loaded: LoadedBars,
    *,
    overrides: Mapping[str, str],
    session_id: str,
    device: str,
    threads: int,
    created_at: datetime,
) -> dict[str, Any]:
    """Describe data, software and seed.

    Args:
        strategy: The strategy as it was trained.
        loaded: Its bars.
        overrides: What was changed in the strategy's text.
        session_id: Session that made the model.
        device: Device it was trained on.
        threads: Threads inside one operation; part of what makes a training repeatable.
        created_at: When, UTC.
    """
    bars = loaded.bars
    return {
        "format_version": FORMAT_VERSION,
        "name": strategy.name,
        "description": strategy.description,
        "session_id": session_id,
        "created_at": created_at.isoformat(),
        "data": {
            "symbol": bars.symbol,
            "timeframe": bars.timeframe,
            "bars": len(bars),
            "first_bar_time": bars.time(0).isoformat(),
            "last_bar_time": bars.time(-1).isoformat(),
            "fingerprint_sha256": bars.fingerprint(),
            "source": Source.Name(loaded.source),
            "origin": loaded.origin,
        },
        "overrides": dict(overrides),
        "seed": strategy.training.seed,
        "device": device,
        "threads": threads,
        "libraries": {name: version(name) for name in LIBRARIES},
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
