"""A trained model in the contract's words."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from ktrdr.ib.v1.bars_pb2 import SOURCE_REPLAY
from ktrdr.training.v1.training_pb2 import TrainingResult

from services.training_host.artifacts.listing import ArtifactFile
from services.training_host.evaluation.judgement import pooled_backtest
from services.training_host.evaluation.report import ClassEvaluation
from services.training_host.result import training_result
from services.training_host.trained_model import TrainedModel
from tests.support.small_models import REGRESSION, WALK_FORWARD, Small, small


def model_of(made: Small) -> TrainedModel:
    return TrainedModel(
        strategy=made.strategy,
        loaded=made.loaded,
        dataset=made.dataset,
        outcomes=made.outcomes(),
        device="cpu",
        parameters=123,
        folder=Path("/models/one"),
        artifacts=[ArtifactFile("model.safetensors", 7, "ab")],
        version="cd",
        resumed_epochs=2,
    )


def unset_fields(result: TrainingResult) -> set[str]:
    return {field.name for field in result.DESCRIPTOR.fields} - {field.name for field, _ in result.ListFields()}


def test_every_field_of_a_result_is_filled() -> None:
    model = model_of(small())
    result = training_result(model)
    # A single split has no folds, and the training ran to its last epoch.
    assert unset_fields(result) == {"folds", "stopped_early"}
    assert (list(result.symbols), list(result.timeframes)) == (["AAA", "BBB"], ["1d", "1w"])
    assert result.bars == 2 * 320 + 2 * 47
    assert result.first_bar_time.ToDatetime(UTC) == datetime(1970, 1, 1, tzinfo=UTC)
    assert result.source == SOURCE_REPLAY
    assert result.data_fingerprint == model.loaded.fingerprint()
    split = model.outcomes[0].fold.split
    samples = (result.train_samples, result.validation_samples, result.test_samples)
    assert samples == (len(split.train), len(split.validation), len(split.test))
    assert (result.epochs, result.best_epoch, result.best_validation_loss) == (3, 2, 1.0)
    assert (result.model_version, result.resumed_epochs, result.parameters) == ("cd", 2, 123)
    assert [(file.name, file.size_bytes, file.sha256) for file in result.artifacts] == [("model.safetensors", 7, "ab")]


def test_the_evaluation_of_classes_is_told_whole() -> None:
    model = model_of(small())
    told, test = training_result(model).test, model.outcomes[0].evaluations["test"]
    assert isinstance(test, ClassEvaluation)
    assert training_result(model).test_accuracy == told.accuracy == test.accuracy
    assert training_result(model).majority_accuracy == told.majority_accuracy == test.majority_accuracy
    assert (told.samples, told.balanced_accuracy) == (test.samples, test.balanced_accuracy)
    assert (told.calibration_error, told.brier_score) == (test.calibration_error, test.brier_score)
    assert (told.decided, told.decided_accuracy) == (test.decided, test.decided_accuracy)
    assert list(told.confusion) == [count for row in test.confusion for count in row]
    assert [(each.name, each.samples, each.precision, each.recall, each.f1) for each in told.classes] == [
        (each.name, each.samples, each.precision, each.recall, each.f1) for each in test.classes
    ]
    assert not told.HasField("r_squared")


def test_the_evaluation_of_returns_is_told_whole() -> None:
    told = training_result(model_of(small(REGRESSION))).test
    assert told.HasField("r_squared")
    assert 0 < told.mean_absolute_error <= told.root_mean_squared_error
    assert (len(told.classes), len(told.confusion)) == (0, 0)


def test_what_there_is_not_stays_unset() -> None:
    silent = {"decisions": "{output_format: classification, confidence_threshold: 0.999}"}
    result = training_result(model_of(small(silent)))
    assert not result.test.HasField("decided_accuracy")
    assert not result.backtest.HasField("sharpe_ratio")
    assert result.backtest.HasField("hold_sharpe_ratio")
    assert (result.backtest.trades, result.backtest.exposure, result.backtest.total_return) == (0, 0, 0)


def test_the_backtest_is_told_whole() -> None:
    model = model_of(small())
    told, report = training_result(model).backtest, model.outcomes[0].backtest
    assert (told.bars, told.trades, told.exposure, told.costs) == (
        report.bars, report.trades, report.exposure, report.costs,
    )  # fmt: skip
    assert (told.total_return, told.sharpe_ratio, told.max_drawdown) == (
        report.decisions.total_return, report.decisions.sharpe_ratio, report.decisions.max_drawdown,
    )  # fmt: skip
    assert (told.hold_total_return, told.hold_sharpe_ratio, told.hold_max_drawdown) == (
        report.hold.total_return, report.hold.sharpe_ratio, report.hold.max_drawdown,
    )  # fmt: skip
    assert (told.first_time.ToDatetime(UTC), told.last_time.ToDatetime(UTC)) == (report.first_time, report.last_time)


def test_folds_are_told_one_by_one_and_together() -> None:
    model = model_of(small(WALK_FORWARD, bars=480))
    result = training_result(model)
    assert [fold.number for fold in result.folds] == [1, 2, 3]
    assert result.epochs == 9
    assert result.test_samples == result.test.samples == sum(fold.test.samples for fold in result.folds)
    right = sum(fold.test.accuracy * fold.test.samples for fold in result.folds)
    assert result.test_accuracy == pytest.approx(right / result.test.samples)
    last = result.folds[-1]
    assert (result.train_samples, result.validation_samples) == (last.train_samples, last.validation_samples)
    assert result.folds[0].last_test_time.seconds < result.folds[1].first_test_time.seconds
    expected = pooled_backtest(model.strategy, model.dataset, model.outcomes)
    assert result.backtest.total_return == expected.decisions.total_return
