"""One training from its bars to its model's folder."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from services.training_host.artifacts.description import features, metrics
from services.training_host.artifacts.folder import appearing_folder
from services.training_host.artifacts.listing import ArtifactFile, list_artifacts
from services.training_host.artifacts.metadata import metadata
from services.training_host.artifacts.predictions import write_predictions
from services.training_host.bars.loaded import LoadedBars
from services.training_host.dataset import Dataset, prepare
from services.training_host.evaluation import Evaluation, evaluate, predict
from services.training_host.failures import storage_full
from services.training_host.loop.determinism import make_deterministic
from services.training_host.loop.samples import Samples, class_weights
from services.training_host.loop.training import TrainingHistory, train
from services.training_host.model.device import choose_device
from services.training_host.model.mlp import build_mlp, parameter_count
from services.training_host.progress import Progress
from services.training_host.split.chronological import PARTS
from services.training_host.strategy.strategy import Strategy

_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What a training produced.

    Attributes:
        strategy: What was trained.
        loaded: On what.
        dataset: The samples.
        history: The curve.
        evaluations: The best epoch on each part, by its name.
        device: Where it was trained.
        parameters: Trainable numbers in the network.
        folder: Where the model lies.
        artifacts: Its files.
    """

    strategy: Strategy
    loaded: LoadedBars
    dataset: Dataset
    history: TrainingHistory
    evaluations: dict[str, Evaluation]
    device: str
    parameters: int
    folder: Path
    artifacts: list[ArtifactFile]


@dataclass(frozen=True)
class TrainingRun:
    """One training.

    Attributes:
        strategy: What to train.
        strategy_text: Its YAML, for the artifacts.
        overrides: What was changed in the text that was sent.
        load_bars: Brings the bars.
        folder: Where the model goes; must not exist.
        session_id: Session that runs this.
        progress: Told about everything.
        threads: Threads inside one operation.
    """

    strategy: Strategy
    strategy_text: str
    overrides: Mapping[str, str]
    load_bars: Callable[[Strategy], LoadedBars]
    folder: Path
    session_id: str
    progress: Progress
    threads: int = 1

    def run(self) -> TrainedModel:
        """Train.

        Raises:
            ktrdr_bridge.Cancelled: A stop was asked for.
            ServiceError: Bars, strategy or device do not allow it, or the model cannot be written.
        """
        rules = self.strategy.training
        device = choose_device(rules.device)
        make_deterministic(rules.seed, threads=self.threads)
        _LOG.info("training_started", strategy=self.strategy.name, device=str(device), seed=rules.seed)
        self.progress.set_phase("bars")
        loaded = self.load_bars(self.strategy)
        _LOG.info("bars_read", **_range(loaded))
        self.progress.raise_if_cancelled()
        dataset = prepare(self.strategy, loaded.bars, loaded.origin, self.progress)
        model = self._build(dataset, device)
        samples = {f"{name}_samples": len(dataset.split.part(name)) for name in PARTS}
        _LOG.info("dataset_prepared", inputs=len(dataset.columns), parameters=parameter_count(model), **samples)
        history = self._train(model, dataset, device)
        self.progress.set_phase("evaluate", total=len(PARTS), unit="part")
        probabilities = {name: predict(model, dataset.part(name)[0], device) for name in PARTS}
        threshold = self.strategy.decisions.confidence_threshold
        evaluations = {
            name: evaluate(chances, dataset.part(name)[1], threshold) for name, chances in probabilities.items()
        }
        test = evaluations["test"]
        _LOG.info("model_evaluated", test_accuracy=test.accuracy, majority_accuracy=test.majority_accuracy)
        self.progress.raise_if_cancelled()
        self.progress.set_phase("artifacts")
        documents = {
            "features.json": features(self.strategy, dataset),
            "metrics.json": metrics(self.strategy, dataset, history, evaluations),
            "metadata.json": self._metadata(loaded, device),
        }
        try:
            with appearing_folder(self.folder) as folder:
                _save_weights(model, folder / "model.safetensors")
                (folder / "strategy.yaml").write_text(self.strategy_text, "utf-8")
                for name, document in documents.items():
                    (folder / name).write_text(json.dumps(document, indent=2) + "\n", "utf-8")
                write_predictions(folder / "predictions.parquet", dataset, self.strategy.classes, probabilities)
        except (OSError, SafetensorError) as error:
            raise storage_full(self.folder.parent, error) from error
        _LOG.info("model_written", folder=str(self.folder))
        return TrainedModel(
            strategy=self.strategy,
            loaded=loaded,
            dataset=dataset,
            history=history,
            evaluations=evaluations,
            device=str(device),
            parameters=parameter_count(model),
            folder=self.folder,
            artifacts=list_artifacts(self.folder),
        )

    def _build(self, dataset: Dataset, device: torch.device) -> nn.Module:
        architecture = self.strategy.model.architecture
        classes, seed = len(self.strategy.classes), self.strategy.training.seed
        return build_mlp(architecture, inputs=len(dataset.columns), classes=classes, seed=seed).to(device)

    def _train(self, model: nn.Module, dataset: Dataset, device: torch.device) -> TrainingHistory:
        weights = class_weights(dataset.part("train")[1], len(self.strategy.classes))
        return train(
            model,
            training_part=Samples.on_device(*dataset.part("train"), device),
            validation_part=Samples.on_device(*dataset.part("validation"), device),
            weights=torch.from_numpy(weights).to(device),
            rules=self.strategy.training,
            progress=self.progress,
        )

    def _metadata(self, loaded: LoadedBars, device: torch.device) -> dict[str, Any]:
        return metadata(
            self.strategy,
            loaded,
            overrides=self.overrides,
            session_id=self.session_id,
            device=str(device),
            threads=self.threads,
            created_at=datetime.now(UTC),
        )


def _range(loaded: LoadedBars) -> dict[str, Any]:
    bars = loaded.bars
    known = {"symbol": bars.symbol, "timeframe": bars.timeframe, "bars": len(bars), "origin": loaded.origin}
    if not len(bars):
        return known
    return {**known, "first": bars.time(0).isoformat(), "last": bars.time(-1).isoformat()}


def _save_weights(model: nn.Module, path: Path) -> None:
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, path)
