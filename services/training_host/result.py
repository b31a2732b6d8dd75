"""The contract's words for what a training produced."""

from ktrdr.training.v1.training_pb2 import Artifact, TrainingResult

from services.common.timestamps import to_timestamp
from services.training_host.training_run import TrainedModel


def training_result(model: TrainedModel) -> TrainingResult:
    """Describe a trained model."""
    bars, split, history = model.loaded.bars, model.dataset.split, model.history
    test = model.evaluations["test"]
    return TrainingResult(
        strategy=model.strategy.name,
        symbols=[bars.symbol],
        bars=len(bars),
        first_bar_time=to_timestamp(bars.time(0)),
        last_bar_time=to_timestamp(bars.time(-1)),
        source=model.loaded.source,
        data_fingerprint=bars.fingerprint(),
        train_samples=len(split.train),
        validation_samples=len(split.validation),
        test_samples=len(split.test),
        epochs=len(history.epochs),
        best_epoch=history.best_epoch,
        best_validation_loss=history.best_validation_loss,
        test_accuracy=test.accuracy,
        majority_accuracy=test.majority_accuracy,
        stopped_early=history.stopped_early,
        seed=model.strategy.training.seed,
        device=model.device,
        artifact_folder=str(model.folder),
        artifacts=[
            Artifact(name=file.name, size_bytes=file.size_bytes, sha256=file.sha256) for file in model.artifacts
        ],
        parameters=model.parameters,
    )
