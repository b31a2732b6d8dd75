"""One training from its bars to its model's folder."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
import torch

from services.training_host.artifacts.listing import list_artifacts
from services.training_host.artifacts.model import write_model
from services.training_host.bars.loaded import LoadedBars
from services.training_host.checkpoints.files import CheckpointHead
from services.training_host.checkpoints.resuming import earlier_checkpoint, library_versions
from services.training_host.checkpoints.schedule import CheckpointSchedule
from services.training_host.checkpoints.store import CheckpointStore
from services.training_host.dataset import prepare
from services.training_host.fold_runs import FoldRuns
from services.training_host.model.device import choose_device
from services.training_host.model.network import parameter_count
from services.training_host.model.probe import describe
from services.training_host.progress import Progress
from services.training_host.strategy.strategy import Strategy
from services.training_host.trained_model import TrainedModel

_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True)
class TrainingRun:
    """One training.

    Attributes:
        strategy: What to train.
        strategy_text: Its YAML with all overrides applied, for artifacts and checkpoints.
        overrides: What was changed in the text that was sent.
        load_bars: Brings the bars.
        folder: Where the model goes; must not exist.
        session_id: Session that runs this.
        progress: Told about everything.
        checkpoints: Where its state is written; if they come from another session it goes on from there.
        threads: Threads inside one operation.
    """

    strategy: Strategy
    strategy_text: str
    overrides: Mapping[str, str]
    load_bars: Callable[[Strategy], LoadedBars]
    folder: Path
    session_id: str
    progress: Progress
    checkpoints: CheckpointStore
    threads: int = 1

    def run(self) -> TrainedModel:
        """Train.

        Raises:
            ktrdr_bridge.Cancelled: A stop was asked for.
            ServiceError: Bars, strategy, device or checkpoint do not allow it, or the model cannot be written.
        """
        began = time.perf_counter()
        rules = self.strategy.training
        device = choose_device(rules.device)
        _LOG.info("training_started", strategy=self.strategy.name, device=str(device), seed=rules.seed)
        self.progress.set_phase("bars")
        loaded = self.load_bars(self.strategy)
        fingerprint = loaded.fingerprint()
        _LOG.info("bars_read", bars=loaded.count, series=len(loaded.series), origin=loaded.origin)
        self.progress.raise_if_cancelled()
        earlier = earlier_checkpoint(
            self.checkpoints, self.strategy, data_sha256=fingerprint, device=str(device), threads=self.threads
        )
        dataset = prepare(self.strategy, loaded, self.progress)
        _LOG.info("dataset_prepared", inputs=len(dataset.columns), folds=len(dataset.folds))
        folds = FoldRuns(
            self.strategy,
            dataset,
            device=device,
            threads=self.threads,
            progress=self.progress,
            schedule=CheckpointSchedule(self.checkpoints, rules.checkpoints),
            describe=lambda fold, epochs: self._head(fingerprint, device, fold, epochs),
        )
        prepared = time.perf_counter()
        outcomes, model = folds.run(earlier)
        trained = time.perf_counter()
        self.progress.set_phase("artifacts")
        resumed_epochs = 0 if earlier is None else earlier.head.epochs
        seconds = {"preparation_seconds": prepared - began, "training_seconds": trained - prepared}
        version = write_model(
            self.folder,
            strategy=self.strategy,
            strategy_text=self.strategy_text,
            loaded=loaded,
            dataset=dataset,
            outcomes=outcomes,
            model=model,
            facts=self._facts(device, resumed_epochs) | seconds,
        )
        _LOG.info("model_written", folder=str(self.folder), version=version)
        return TrainedModel(
            strategy=self.strategy,
            loaded=loaded,
            dataset=dataset,
            outcomes=outcomes,
            device=str(device),
            parameters=parameter_count(model),
            folder=self.folder,
            artifacts=list_artifacts(self.folder),
            version=version,
            resumed_epochs=resumed_epochs,
        )

    def _head(self, fingerprint: str, device: torch.device, fold: int, epochs: int) -> CheckpointHead:
        return CheckpointHead(
            session_id=self.session_id,
            created_at=datetime.now(UTC).isoformat(),
            strategy=self.strategy_text,
            data_sha256=fingerprint,
            fold=fold,
            epochs=epochs,
            device=str(device),
            threads=self.threads,
            libraries=library_versions(),
        )

    def _facts(self, device: torch.device, resumed_epochs: int) -> dict[str, Any]:
        """Return what may differ between two equal trainings."""
        return {
            "session_id": self.session_id,
            "created_at": datetime.now(UTC).isoformat(),
            "device": str(device),
            "device_name": describe(str(device)),
            "threads": self.threads,
            "overrides": dict(self.overrides),
            "resumed_epochs": resumed_epochs,
        }
