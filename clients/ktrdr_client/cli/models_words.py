"""Models, for people and as data."""

import math
from typing import Any

from ktrdr.training.v1.training_pb2 import Artifact

from ktrdr_client.cli.words import is_regression, percent
from ktrdr_client.models.model import Model


def accuracy_words(model: Model, *, short: bool = False) -> str:
    """Return how well a model did on its test part, beside what always answering the same would have scored.

    Args:
        model: The model.
        short: A title says already what stands beside.
    """
    what = "sign " if is_regression(model.result.test) else ""
    beside = percent(model.result.majority_accuracy, 1)
    return f"{what}{percent(model.result.test_accuracy, 1)} ({beside if short else f'majority {beside}'})"


def model_record(model: Model) -> dict[str, Any]:
    """Return a model as plain values."""
    return {
        "operation_id": model.operation_id,
        "name": model.operation.display_name,
        "strategy": model.strategy,
        "symbols": list(model.result.symbols),
        "timeframes": list(model.result.timeframes),
        "test_accuracy": _number(model.result.test_accuracy),
        "majority_accuracy": _number(model.result.majority_accuracy),
        "model_version": model.version,
        "host": model.host,
        "session_id": model.session_id,
        "attempt": model.attempt,
        "end_time": None if model.end_time is None else model.end_time.isoformat().replace("+00:00", "Z"),
    }


def file_record(file: Artifact) -> dict[str, Any]:
    """Return a file of a model as plain values."""
    return {"name": file.name, "size_bytes": file.size_bytes, "sha256": file.sha256}


def _number(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if math.isfinite(value) else None
