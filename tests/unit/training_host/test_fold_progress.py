"""Which fold is trained is told with its curves, so that those of two folds are not taken for one."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.no_progress import NoProgress
from tests.support.tiny_trainings import WALKING, run_tiny, write_bars

SHORT = {"training.epochs": "4", "training.early_stopping": "null"}


class Told(NoProgress):
    """Keeps the metrics of batches and epochs in their order."""

    def __init__(self) -> None:
        self.batches: list[dict[str, float]] = []
        self.epochs: list[dict[str, float]] = []
        self.after_epochs: list[int] = []

    def on_batch(self, batch: int, total: int, metrics: Mapping[str, float]) -> None:  # noqa: ARG002 - the protocol
        self.batches.append(dict(metrics))
        self.after_epochs.append(len(self.epochs))

    def on_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:  # noqa: ARG002 - the protocol
        self.epochs.append(dict(metrics))


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bars(tmp_path_factory.mktemp("bars") / "bars.csv", count=400)


def test_each_epoch_and_the_first_batch_of_each_fold_name_it(tmp_path: Path, bars: Path) -> None:
    told = Told()
    model = run_tiny(tmp_path, bars, WALKING | SHORT, told)
    assert [metrics["fold"] for metrics in told.epochs] == [1] * 4 + [2] * 4 + [3] * 4
    batches = zip(told.after_epochs, told.batches, strict=True)
    named = [(after, metrics["fold"]) for after, metrics in batches if "fold" in metrics]
    assert named == [(0, 1), (4, 2), (8, 3)]
    assert all("fold" not in epoch for outcome in model.outcomes for epoch in outcome.history.epochs)


def test_a_single_split_has_no_folds_to_tell_apart(tmp_path: Path, bars: Path) -> None:
    told = Told()
    run_tiny(tmp_path, bars, SHORT, told)
    assert not any("fold" in metrics for metrics in [*told.batches, *told.epochs])
