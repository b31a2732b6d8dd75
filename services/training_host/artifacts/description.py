"""Inputs and metrics of a model, as they are written beside its weights."""

from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from typing import Any

from services.training_host.artifacts.metadata import FORMAT_VERSION
from services.training_host.dataset import Dataset
from services.training_host.evaluation import Evaluation
from services.training_host.loop.training import TrainingHistory
from services.training_host.strategy.strategy import Strategy


def features(strategy: Strategy, dataset: Dataset) -> dict[str, Any]:
    """Describe how to get from bars to the network's inputs, scaling included, and what its outputs mean."""
    return {
        "format_version": FORMAT_VERSION,
        "warm_up_bars": strategy.warm_up_bars,
        "indicators": {name: indicator.model_dump() for name, indicator in strategy.indicators.items()},
        "inputs": [
            {
                "name": column.name,
                "source": column.source,
                "membership": column.membership.model_dump() if column.membership else None,
                "normalization": column.normalization,
                "offset": float(offset),
                "scale": float(scale),
            }
            for column, offset, scale in zip(dataset.columns, dataset.scaler.offset, dataset.scaler.scale, strict=True)
        ],
        "classes": list(strategy.classes),
    }


def metrics(
    strategy: Strategy, dataset: Dataset, history: TrainingHistory, evaluations: Mapping[str, Evaluation]
) -> dict[str, Any]:
    """Describe the curve and the final evaluation of each part."""
    return {
        "format_version": FORMAT_VERSION,
        "epochs": [{name: _number(value) for name, value in epoch.items()} for epoch in history.epochs],
        "best_epoch": history.best_epoch,
        "best_validation_loss": history.best_validation_loss,
        "stopped_early": history.stopped_early,
        "purged_samples": len(dataset.split.purged),
        "classes": list(strategy.classes),
        "confidence_threshold": strategy.decisions.confidence_threshold,
        "parts": {name: asdict(evaluation) for name, evaluation in evaluations.items()},
    }


def _number(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if isfinite(value) else None
