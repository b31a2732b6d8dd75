"""A trained model as a folder of files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn

from services.training_host.artifacts.features import features
from services.training_host.artifacts.folder import appearing_folder
from services.training_host.artifacts.json_file import write_json
from services.training_host.artifacts.listing import list_artifacts
from services.training_host.artifacts.metadata import metadata, origin
from services.training_host.artifacts.metrics import metrics, wall_times
from services.training_host.artifacts.model_card import model_card
from services.training_host.artifacts.network import network
from services.training_host.artifacts.predictions import write_predictions
from services.training_host.artifacts.version import TRAINING_FILE, model_version
from services.training_host.artifacts.weights import write_weights
from services.training_host.bars.loaded import LoadedBars
from services.training_host.dataset import Dataset
from services.training_host.evaluation.judgement import FoldOutcome
from services.training_host.failures import storage_full
from services.training_host.strategy.strategy import Strategy


def write_model(
    folder: Path,
    *,
    strategy: Strategy,
    strategy_text: str,
    loaded: LoadedBars,
    dataset: Dataset,
    outcomes: Sequence[FoldOutcome],
    model: nn.Module,
    facts: dict[str, Any],
) -> str:
    """Write everything that is known about a model. The folder appears complete, or not at all.

    Args:
        folder: Where it goes; must not exist.
        strategy: What was trained.
        strategy_text: Its YAML, overrides included.
        loaded: The bars.
        dataset: What was made of them.
        outcomes: Of all folds, oldest first.
        model: The network of the last fold.
        facts: What may differ between two equal trainings, as JSON values: session, machine, times.

    Returns:
        The model's version, as of `model_version`: equal trainings on the same machine have the same one.

    Raises:
        ServiceError: STORAGE_FULL, if it cannot be written.
    """
    last = outcomes[-1].fold
    documents = {
        "features.json": features(strategy, dataset, last),
        "network.json": network(strategy, dataset, last, model),
        "metrics.json": metrics(strategy, dataset, outcomes),
        "metadata.json": metadata(strategy, loaded),
        TRAINING_FILE: {**facts, "data": origin(loaded), "wall_times": wall_times(outcomes)},
    }
    try:
        with appearing_folder(folder) as new:
            write_weights(new / "model.safetensors", strategy, model)
            (new / "strategy.yaml").write_text(strategy_text, "utf-8")
            for name, document in documents.items():
                write_json(new / name, document)
            write_predictions(new / "predictions.parquet", strategy, dataset, outcomes)
            (new / "model_card.md").write_text(model_card(strategy, loaded, dataset, outcomes), "utf-8")
    except (OSError, SafetensorError) as error:
        raise storage_full(folder.parent, error) from error
    return model_version(list_artifacts(folder))
