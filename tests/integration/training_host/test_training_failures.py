"""What bars, strategy, device or disk do not allow, as errors that say what to do."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ktrdr.host.v1.session_pb2 import DatasetUse
from ktrdr.ib.v1.bars_pb2 import Source
from ktrdr_bridge import Bridge

from services.common.errors import ServiceError, reason_name
from services.training_host.bars.loaded import LoadedBars
from services.training_host.bars.series import Bars
from services.training_host.checkpoints.store import CheckpointStore
from services.training_host.evaluation.report import ClassEvaluation
from services.training_host.strategy.check import load_strategy
from services.training_host.trained_model import TrainedModel
from services.training_host.training_run import TrainingRun
from tests.support.trainings import bars_of_closes, random_bars, reference_text


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    with Bridge.create(tmp_path / "journal", control=tmp_path / "control") as bridge:
        yield bridge


def run(bridge: Bridge, folder: Path, bars: Bars, **overrides: str) -> TrainedModel:
    changes = {"training.epochs": "2"} | {name.replace("__", "."): value for name, value in overrides.items()}
    strategy = load_strategy(reference_text(), changes)
    bars = replace(bars, symbol="AAPL")
    series = {(bars.symbol, bars.timeframe): bars}
    return TrainingRun(
        strategy=strategy,
        strategy_text="",
        overrides=changes,
        load_bars=lambda _: LoadedBars(series, "memory", Source.SOURCE_UNSPECIFIED, [DatasetUse(name="memory")]),
        folder=folder,
        session_id="s",
        progress=bridge,
        checkpoints=CheckpointStore(folder.with_name("checkpoints"), keep=1),
    ).run()


def failure(bridge: Bridge, folder: Path, bars: Bars, **overrides: str) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        run(bridge, folder, bars, **overrides)
    return caught.value


@pytest.mark.parametrize("count", [1, 50, 105, 170])
def test_too_few_bars_tell_what_there_is_and_what_is_needed(bridge: Bridge, tmp_path: Path, count: int) -> None:
    error = failure(bridge, tmp_path / "model", random_bars(count))
    assert reason_name(error.reason) == "TOO_FEW_BARS"
    assert f"too few bars: {count} of at least " in error.message
    assert f"AAPL 1d has {count} bars; 100 are history" in error.message
    assert "each needs 10" in error.message
    assert not (tmp_path / "model").exists()


def test_as_many_bars_as_are_asked_for_are_enough(bridge: Bridge, tmp_path: Path) -> None:
    error = failure(bridge, tmp_path / "model", random_bars(150))
    needed = int(error.parameters["needed"])
    assert needed > 150
    assert run(bridge, tmp_path / "model", random_bars(needed)).loaded.count == needed


def test_labels_without_a_difference_are_the_thresholds_fault(bridge: Bridge, tmp_path: Path) -> None:
    error = failure(bridge, tmp_path / "model", random_bars(400), training__labels__threshold="0.9")
    assert reason_name(error.reason) == "STRATEGY_INVALID"
    assert error.fields[0].field == "training.labels"
    assert 'all samples of the training part are "flat"' in error.fields[0].description


def test_a_damaged_bar_is_named(bridge: Bridge, tmp_path: Path) -> None:
    bars = random_bars(400)
    bars.low[7] = np.nan
    error = failure(bridge, tmp_path / "model", bars)
    assert reason_name(error.reason) == "BAR_SOURCE_UNAVAILABLE"
    assert "low of the bar of 1970-01-08T00:00:00+00:00 is nan" in error.message


def test_an_absent_device_is_refused_before_bars_are_read(bridge: Bridge, tmp_path: Path) -> None:
    error = failure(bridge, tmp_path / "model", bars_of_closes(1.0), training__device='"cuda:9"')
    assert reason_name(error.reason) == "DEVICE_UNAVAILABLE"


def test_a_model_that_cannot_be_written_is_a_failure_of_storage(bridge: Bridge, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    error = failure(bridge, tmp_path / "file" / "model", random_bars(400))
    assert reason_name(error.reason) == "STORAGE_FULL"
    assert str(tmp_path / "file") in error.message


def test_bars_of_the_future_change_neither_scaling_nor_the_weights(bridge: Bridge, tmp_path: Path) -> None:
    """Only the training part teaches; here all bars after the border of the training part's labels are doubled."""
    bars = random_bars(600)
    first = run(bridge, tmp_path / "a", bars, training__epochs="1")
    (fold,) = first.dataset.folds
    border = int(fold.split.validation[0])
    factor = np.where(np.arange(600) >= border, 2.0, 1.0)
    changed = replace(bars, close=bars.close * factor, high=bars.high * factor, low=bars.low * factor)
    second = run(bridge, tmp_path / "b", changed, training__epochs="1")
    (other,) = second.dataset.folds
    train = fold.split.train
    np.testing.assert_array_equal(fold.scaler.offset, other.scaler.offset)
    np.testing.assert_array_equal(train, other.split.train)
    np.testing.assert_array_equal(first.dataset.inputs(fold)[train], second.dataset.inputs(other)[train])
    np.testing.assert_array_equal(first.dataset.targets(fold)[train], second.dataset.targets(other)[train])
    before, after = (trained.outcomes[0].history.epochs[0] for trained in (first, second))
    assert before["train_loss"] == after["train_loss"]
    assert before["val_loss"] != after["val_loss"]


def test_zigzag_labels_can_be_trained_on(bridge: Bridge, tmp_path: Path) -> None:
    trained = run(
        bridge, tmp_path / "model", random_bars(900, seed=2), training__labels="{source: zigzag, threshold: 0.05}"
    )
    assert trained.strategy.classes == ("down", "up")
    (outcome,) = trained.outcomes
    split, ends = outcome.fold.split, trained.dataset.labels.end_rows
    assert ends[split.train].max() < split.validation[0]
    assert ends[split.validation].max() < split.test[0]
    test = outcome.evaluations["test"]
    assert isinstance(test, ClassEvaluation)
    assert sum(count for row in test.confusion for count in row) == len(split.test)
