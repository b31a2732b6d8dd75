"""The loop: what it reports, when it stops, which weights it leaves."""

import contextlib
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr_bridge import Bridge, Cancelled, JournalRead, JournalReader, request_stop
from torch import nn

from services.common.errors import ServiceError
from services.training_host.loop.determinism import make_deterministic
from services.training_host.loop.epoch import REPORT_SECONDS
from services.training_host.loop.history import TrainingHistory
from services.training_host.loop.objective import CrossEntropyObjective
from services.training_host.loop.score import evaluate
from services.training_host.loop.training import TrainingLoop
from tests.support.training_loops import Recipe, RecordedProgress, network, part, rules

SERIES = {
    "train_loss", "val_loss", "train_accuracy", "val_accuracy", "learning_rate", "gradient_norm", "epoch_seconds",
    "samples_per_second",
}  # fmt: skip


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    with Bridge.create(tmp_path / "journal", control=tmp_path / "control") as bridge:
        yield bridge


def read_journal(folder: Path) -> JournalRead:
    with contextlib.closing(JournalReader(folder / "journal")) as reader:
        return reader.read()


def run(bridge: Bridge, model: nn.Module | None = None, **changes: Any) -> TrainingHistory:
    return loop(bridge, model, **changes).run()


def loop(bridge: Bridge, model: nn.Module | None = None, **changes: Any) -> TrainingLoop:
    make_deterministic(3, threads=1)
    return TrainingLoop(
        model or network(),
        training_part=part(100, seed=1),
        validation_part=part(40, seed=2),
        objective=CrossEntropyObjective(torch.ones(3)),
        rules=rules(**changes),
        progress=bridge,
    )


def test_every_batch_and_epoch_is_in_the_journal(bridge: Bridge, tmp_path: Path) -> None:
    history = run(bridge)
    read = read_journal(tmp_path)
    series = {each.name: each for each in read.series}
    assert set(series) == SERIES | {"batch_loss"}
    assert series["batch_loss"].steps.tolist() == list(range(1, 8)) * 4
    assert series["val_loss"].steps.tolist() == [1, 2, 3, 4]
    for name in SERIES:
        assert series[name].values.tolist() == [epoch[name] for epoch in history.epochs]
    assert read.progress.phase == "train"
    assert (read.progress.completed, read.progress.total, read.progress.unit) == (4, 4, "epoch")


def test_the_loop_learns(bridge: Bridge) -> None:
    history = run(bridge, epochs=25)
    assert history.epochs[-1]["val_accuracy"] > 0.85
    assert history.epochs[-1]["train_loss"] < history.epochs[0]["train_loss"] / 2
    assert not history.stopped_early
    assert history.best_validation_loss == min(epoch["val_loss"] for epoch in history.epochs)
    assert history.best_epoch == 1 + int(np.argmin([epoch["val_loss"] for epoch in history.epochs]))


def test_the_model_ends_with_the_weights_of_its_best_epoch(bridge: Bridge) -> None:
    model = network()
    # A step this long overshoots: the last epoch is far from the best.
    history = run(bridge, model, epochs=12, learning_rate=0.5)
    assert history.best_epoch < len(history.epochs)
    again = evaluate(model, part(40, seed=2), CrossEntropyObjective(torch.ones(3)), bridge)
    assert again.loss == history.best_validation_loss


def test_early_stopping_reports_its_last_epoch(bridge: Bridge, tmp_path: Path) -> None:
    history = run(bridge, epochs=50, learning_rate=1e-9, early_stopping={"patience": 3, "min_delta": 0.1})
    assert history.stopped_early
    assert len(history.epochs) == 4  # the first is an improvement over nothing
    read = read_journal(tmp_path)
    assert next(each for each in read.series if each.name == "val_loss").steps.tolist() == [1, 2, 3, 4]


def test_patience_that_ends_with_the_last_epoch_is_not_early(bridge: Bridge) -> None:
    history = run(bridge, epochs=4, learning_rate=1e-9, early_stopping={"patience": 3, "min_delta": 0.1})
    assert len(history.epochs) == 4
    assert not history.stopped_early


def test_the_learning_rate_falls_on_a_plateau(bridge: Bridge) -> None:
    history = run(bridge, epochs=6, learning_rate=1e-7, lr_scheduler={"type": "plateau", "factor": 0.1, "patience": 0})
    rates = [epoch["learning_rate"] for epoch in history.epochs]
    assert rates[0] == 1e-7
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(rates[0] * 0.1, rel=0.01)  # below 1e-8 torch leaves it alone


def test_gradients_are_clipped_and_their_norm_is_the_one_before(bridge: Bridge) -> None:
    step = {"optimizer": "sgd", "learning_rate": 1.0, "epochs": 1, "batch_size": 100}
    free, clipped = network(), network()
    start = nn.utils.parameters_to_vector(free.parameters()).detach().clone()
    unlimited = run(bridge, free, gradient_clip_norm=None, **step).epochs[0]["gradient_norm"]
    limited = run(bridge, clipped, gradient_clip_norm=0.01, **step).epochs[0]["gradient_norm"]
    assert limited == unlimited > 0.01
    # With a learning rate of 1 the weights move by the gradient.
    moved = [
        float((nn.utils.parameters_to_vector(model.parameters()) - start).norm().detach()) for model in (free, clipped)
    ]
    assert moved == pytest.approx([unlimited, 0.01], rel=1e-3)


def test_a_request_to_stop_ends_the_loop_within_a_batch(bridge: Bridge, tmp_path: Path) -> None:
    calls = itertools.count()

    class Interrupted(nn.Module):
        """Asks to stop while it computes for the 10th time."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = network()

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            if next(calls) == 9:
                request_stop(tmp_path / "control", reason="enough")
            logits: torch.Tensor = self.inner(inputs)
            return logits

    with pytest.raises(Cancelled, match="enough"):
        run(bridge, Interrupted(), epochs=100)
    assert next(calls) == 10  # seven batches and an evaluation, and two more batches: the request came with the second


def test_a_loss_that_is_never_a_number_is_the_strategys_fault(bridge: Bridge) -> None:
    model = network()
    with torch.no_grad():
        next(model.parameters()).fill_(math.nan)
    with pytest.raises(ServiceError) as caught:
        run(bridge, model)
    assert caught.value.reason == ErrorReason.ERROR_REASON_STRATEGY_INVALID
    assert caught.value.fields[0].field == "training.learning_rate"


def test_a_loss_that_stops_being_a_number_ends_with_the_best_weights(bridge: Bridge) -> None:
    calls = itertools.count()

    class Breaking(nn.Module):
        """Its output stops being a number in the second epoch."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = network()

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            factor = math.nan if next(calls) == 10 else 1.0
            logits: torch.Tensor = self.inner(inputs) * factor
            return logits

    model = Breaking()
    history = run(bridge, model, epochs=10)
    assert history.best_epoch == 1
    assert history.stopped_early
    assert len(history.epochs) == 2
    assert math.isnan(history.epochs[1]["train_loss"])
    assert all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters())


def test_the_loss_is_weighted_over_all_samples(bridge: Bridge) -> None:
    model, samples = network(dropout=0.0), part(50, seed=4)
    weights = torch.tensor([0.5, 1.0, 3.0])
    score = evaluate(model, samples, CrossEntropyObjective(weights), bridge)
    expected = nn.functional.cross_entropy(model(samples.inputs), samples.targets, weight=weights)
    assert score.loss == pytest.approx(expected.item(), rel=1e-6)
    assert score.accuracy == (model(samples.inputs).argmax(1) == samples.targets).sum().item() / 50


def test_a_regression_tells_how_often_the_sign_is_right() -> None:
    progress = RecordedProgress()
    Recipe(objective="huber").loop(progress)[0].run()
    renamed = {name.replace("_accuracy", "_sign_accuracy") for name in SERIES}
    assert [set(metrics) for metrics in progress.epochs.values()] == [renamed] * 4


def test_an_accelerator_is_waited_for_only_now_and_then() -> None:
    times = itertools.count()
    progress = RecordedProgress()
    training, _ = Recipe(changes={"epochs": 1, "batch_size": 4}).loop(progress, clock=lambda: next(times) * 0.04)
    training._pass._report_seconds = REPORT_SECONDS  # as it is set for an accelerator
    training.run()
    # With 40 ms between two looks at the clock, one a batch, each third batch is 0.1 s after the one that was told.
    assert [batch for batch, _, _ in progress.batches] == [1, 4, 7, 10]


def test_the_same_seed_gives_the_same_weights_and_another_does_not(bridge: Bridge) -> None:
    trained = []
    for seed in (3, 3, 4):
        model = network()
        run(bridge, model, seed=seed)
        trained.append(nn.utils.parameters_to_vector(model.parameters()))
    assert torch.equal(trained[0], trained[1])
    assert not torch.equal(trained[0], trained[2])
