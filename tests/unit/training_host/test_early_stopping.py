"""The best weights are a copy, and patience counts real improvements only."""

import math

import torch
from torch import nn

from services.training_host.loop.early_stopping import BestWeights, Patience, copied_weights
from services.training_host.strategy.training import EarlyStopping


def set_weights(model: nn.Linear, value: float) -> None:
    with torch.no_grad():
        model.weight.fill_(value)
        model.bias.fill_(value)


def test_the_best_weights_survive_further_training() -> None:
    model, best = nn.Linear(3, 2), BestWeights()
    set_weights(model, 1.0)
    best.offer(1, 0.5, model)
    set_weights(model, 2.0)  # in place, as optimizers do it
    best.offer(2, 0.7, model)
    assert (best.epoch, best.loss) == (1, 0.5)
    best.restore(model)
    assert model.weight.tolist() == [[1.0] * 3] * 2
    assert model.bias.tolist() == [1.0] * 2


def test_no_number_is_never_the_best() -> None:
    best = BestWeights()
    best.offer(1, math.nan, nn.Linear(1, 1))
    best.offer(2, math.inf, nn.Linear(1, 1))
    assert best.epoch == 0


def test_weights_that_are_taken_are_put_back() -> None:
    model, best = nn.Linear(1, 1), BestWeights()
    set_weights(model, 3.0)
    best.take(4, 0.25, copied_weights(model))
    set_weights(model, 5.0)
    best.offer(5, 0.3, model)
    best.restore(model)
    assert (best.epoch, best.loss, model.weight.item()) == (4, 0.25, 3.0)


def exhausted(patience: Patience, *losses: float) -> list[bool]:
    """Return whether it was time to stop after each epoch."""
    seen = []
    for loss in losses:
        patience.count(loss)
        seen.append(patience.exhausted)
    return seen


def test_patience_ends_after_epochs_without_improvement() -> None:
    patience = Patience(EarlyStopping(patience=2, min_delta=0.1))
    assert not patience.exhausted
    # 0.95 is less than 1.0, but not by min_delta; 0.85 is.
    assert exhausted(patience, 1.0, 0.95, 0.85, 0.8, 0.79) == [False, False, False, False, True]


def test_no_number_uses_up_patience() -> None:
    assert exhausted(Patience(EarlyStopping(patience=2)), 1.0, math.nan, math.nan) == [False, False, True]


def test_without_a_rule_training_goes_on() -> None:
    assert not any(exhausted(Patience(None), *[1.0] * 100))
