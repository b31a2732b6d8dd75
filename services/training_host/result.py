"""The contract's words for what a training produced."""

from google.protobuf.timestamp_pb2 import Timestamp
from ktrdr.training.v1 import training_pb2
from ktrdr.training.v1.training_pb2 import Artifact, TrainingResult

from services.common.timestamps import to_timestamp
from services.training_host.backtest.report import BacktestReport
from services.training_host.dataset import Dataset
from services.training_host.evaluation.judgement import FoldOutcome, pooled_backtest, pooled_test
from services.training_host.evaluation.report import ClassEvaluation, Evaluation, ReturnEvaluation
from services.training_host.instants import utc
from services.training_host.trained_model import TrainedModel


def training_result(model: TrainedModel) -> TrainingResult:
    """Describe a trained model.

    With several folds `epochs` and `test_samples` count those of all folds; training and validation samples, best epoch
    and loss are those of the last fold, whose network is kept.
    """
    loaded, dataset, outcomes = model.loaded, model.dataset, model.outcomes
    last, history = outcomes[-1], outcomes[-1].history
    test = pooled_test(model.strategy, dataset, outcomes)
    return TrainingResult(
        strategy=model.strategy.name,
        symbols=model.strategy.symbols,
        timeframes=model.strategy.timeframes,
        bars=loaded.count,
        first_bar_time=to_timestamp(loaded.first_time),
        last_bar_time=to_timestamp(loaded.last_time),
        source=loaded.source,
        data_fingerprint=loaded.fingerprint(),
        train_samples=len(last.fold.split.train),
        validation_samples=len(last.fold.split.validation),
        test_samples=test.samples,
        epochs=sum(len(outcome.history.epochs) for outcome in outcomes),
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
        model_version=model.version,
        test=evaluation_message(test),
        backtest=backtest_message(pooled_backtest(model.strategy, dataset, outcomes)),
        folds=[_fold(dataset, outcome) for outcome in outcomes] if len(outcomes) > 1 else [],
        resumed_epochs=model.resumed_epochs,
    )


def evaluation_message(evaluation: Evaluation) -> training_pb2.Evaluation:
    """Put an evaluation into the contract's words."""
    message = training_pb2.Evaluation(
        samples=evaluation.samples,
        accuracy=evaluation.accuracy,
        majority_accuracy=evaluation.majority_accuracy,
        decided=evaluation.decided,
        decided_accuracy=evaluation.decided_accuracy,
    )
    if isinstance(evaluation, ClassEvaluation):
        message.balanced_accuracy = evaluation.balanced_accuracy
        message.calibration_error = evaluation.calibration_error
        message.brier_score = evaluation.brier_score
        message.confusion.extend(count for row in evaluation.confusion for count in row)
        message.classes.extend(
            training_pb2.ClassScore(
                name=score.name, samples=score.samples, precision=score.precision, recall=score.recall, f1=score.f1
            )
            for score in evaluation.classes
        )
    if isinstance(evaluation, ReturnEvaluation):
        message.mean_absolute_error = evaluation.mean_absolute_error
        message.root_mean_squared_error = evaluation.root_mean_squared_error
        if evaluation.r_squared is not None:
            message.r_squared = evaluation.r_squared
    return message


def backtest_message(report: BacktestReport) -> training_pb2.Backtest:
    """Put a backtest into the contract's words."""
    return training_pb2.Backtest(
        bars=report.bars,
        first_time=to_timestamp(report.first_time),
        last_time=to_timestamp(report.last_time),
        total_return=report.decisions.total_return,
        sharpe_ratio=report.decisions.sharpe_ratio,
        max_drawdown=report.decisions.max_drawdown,
        hold_total_return=report.hold.total_return,
        hold_sharpe_ratio=report.hold.sharpe_ratio,
        hold_max_drawdown=report.hold.max_drawdown,
        trades=report.trades,
        exposure=report.exposure,
        costs=report.costs,
    )


def _fold(dataset: Dataset, outcome: FoldOutcome) -> training_pb2.Fold:
    split, history = outcome.fold.split, outcome.history
    return training_pb2.Fold(
        number=outcome.fold.number,
        train_samples=len(split.train),
        validation_samples=len(split.validation),
        first_test_time=_timestamp(dataset, int(split.test[0])),
        last_test_time=_timestamp(dataset, int(split.test[-1])),
        epochs=len(history.epochs),
        best_epoch=history.best_epoch,
        best_validation_loss=history.best_validation_loss,
        test=evaluation_message(outcome.evaluations["test"]),
        backtest=backtest_message(outcome.backtest),
    )


def _timestamp(dataset: Dataset, row: int) -> Timestamp:
    return to_timestamp(utc(int(dataset.times[row])))
