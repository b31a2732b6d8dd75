"""Optimizers are torch's with the strategy's numbers; learning rates follow their formulas."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from services.training_host.loop.optimizer import build_optimizer
from services.training_host.loop.schedule import LearningRate
from tests.support.training_loops import rules


def stepped(optimizer: torch.optim.Optimizer, weight: nn.Parameter) -> list[float]:
    """Return the weights after three steps down the slope of the sum of squares."""
    for _ in range(3):
        optimizer.zero_grad()
        torch.autograd.backward((weight**2).sum())
        optimizer.step()
    return [float(value) for value in weight.detach()]


class Weights(nn.Module):
    """A network that is nothing but three weights."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))


@pytest.mark.parametrize(
    ("name", "numbers", "torchs"),
    [
        ("adam", {"weight_decay": 0.1}, torch.optim.Adam),
        ("adamw", {"weight_decay": 0.1}, torch.optim.AdamW),
        ("sgd", {"momentum": 0.9}, torch.optim.SGD),
        ("sgd", {"weight_decay": 0.1}, torch.optim.SGD),
        ("rmsprop", {"momentum": 0.5, "weight_decay": 0.1}, torch.optim.RMSprop),
    ],
)
def test_an_optimizer_steps_as_torchs_own_with_these_numbers(name: str, numbers: dict[str, Any], torchs: Any) -> None:
    model, other = Weights(), Weights()
    built = build_optimizer(model, rules(optimizer=name, learning_rate=0.1, **numbers))
    expected = stepped(torchs([other.weight], lr=0.1, **{"weight_decay": 0.0, **numbers}), other.weight)
    assert stepped(built, model.weight) == pytest.approx(expected, rel=1e-5)


def rates(schedule: dict[str, Any] | None, losses: list[float], **changes: Any) -> list[float]:
    """Return the learning rate in each epoch."""
    weight = nn.Linear(1, 1)
    chosen = rules(learning_rate=0.8, lr_scheduler=schedule, epochs=len(losses), **changes)
    optimizer = build_optimizer(weight, chosen)
    rate, seen = LearningRate(optimizer, chosen), []
    for loss in losses:
        seen.append(rate.value)
        optimizer.step()
        rate.epoch_ended(loss)
    return seen


def test_without_a_schedule_the_rate_stays() -> None:
    assert rates(None, [1.0] * 4) == [0.8] * 4


def test_a_plateau_lowers_it_after_its_patience() -> None:
    losses = [1.0, 0.9, 0.9, 0.9, 0.9, 0.9]
    assert rates({"type": "plateau", "factor": 0.5, "patience": 1}, losses) == [0.8, 0.8, 0.8, 0.8, 0.4, 0.4]


def test_steps_come_after_so_many_epochs() -> None:
    found = rates({"type": "step", "step_epochs": 2, "factor": 0.5}, [1.0] * 5)
    assert found == pytest.approx([0.8, 0.8, 0.4, 0.4, 0.2])


def test_an_exponential_falls_with_every_epoch() -> None:
    assert rates({"type": "exponential", "factor": 0.5}, [1.0] * 4) == pytest.approx([0.8, 0.4, 0.2, 0.1])


def test_a_cosine_goes_down_over_all_epochs() -> None:
    found = rates({"type": "cosine", "min_learning_rate": 0.2}, [1.0] * 6)
    assert found == pytest.approx([0.2 + 0.6 * (1 + math.cos(math.pi * epoch / 6)) / 2 for epoch in range(6)])
