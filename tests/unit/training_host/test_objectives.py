"""Losses against their definitions, and their sums over batches of any size."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training_host.loop.objective import (
    CrossEntropyObjective,
    FocalObjective,
    HuberObjective,
    Objective,
    balanced_weights,
    build_objective,
)
from services.training_host.loop.score import ScoreSums
from services.training_host.strategy.check import load_strategy
from tests.support.trainings import reference_text

WEIGHTS = torch.tensor([0.5, 1.0, 3.0])
CPU = torch.device("cpu")


def logits(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, generator=generator) * 3, torch.randint(0, 3, (count,), generator=generator)


def returns(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 1, generator=generator), torch.randn(count, generator=generator) * 2


def cross_entropy_by_hand(outputs: torch.Tensor, targets: torch.Tensor, gamma: float = 0.0) -> float:
    """Sum w (1 - p)^gamma (-log p), number by number in double precision."""
    total = 0.0
    for row, target in zip(outputs.tolist(), targets.tolist(), strict=True):
        p = math.exp(row[target]) / sum(math.exp(value) for value in row)
        total += WEIGHTS[target].item() * (1 - p) ** gamma * -math.log(p)
    return total


def test_cross_entropy_is_weighted_by_class() -> None:
    outputs, targets = logits(50)
    objective = CrossEntropyObjective(WEIGHTS)
    assert objective.total(outputs, targets).item() == pytest.approx(cross_entropy_by_hand(outputs, targets), rel=1e-5)
    assert float(objective.weight(targets)) == pytest.approx(sum(WEIGHTS[target].item() for target in targets))


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_focal_is_its_formula(gamma: float) -> None:
    outputs, targets = logits(50)
    total = FocalObjective(WEIGHTS, gamma).total(outputs, targets).item()
    assert total == pytest.approx(cross_entropy_by_hand(outputs, targets, gamma), rel=1e-5)


@pytest.mark.parametrize("weights", [WEIGHTS, None])
def test_focal_with_gamma_0_is_cross_entropy_and_so_is_its_gradient(weights: torch.Tensor | None) -> None:
    outputs, targets = logits(50)
    gradients = []
    for objective in (FocalObjective(weights, 0.0), CrossEntropyObjective(weights)):
        leaf = outputs.clone().requires_grad_()
        loss = objective.mean(leaf, targets)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        assert leaf.grad is not None
        gradients.append((loss.detach(), leaf.grad))
    (focal, focal_gradient), (plain, plain_gradient) = gradients
    torch.testing.assert_close(focal, plain)
    torch.testing.assert_close(focal_gradient, plain_gradient)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 2.0])
def test_focal_has_a_slope_where_nothing_is_left_to_learn(gamma: float) -> None:
    outputs = torch.tensor([[200.0, 0.0, 0.0], [0.0, 200.0, 0.0]], requires_grad=True)
    loss = FocalObjective(None, gamma).mean(outputs, torch.tensor([0, 0]))
    loss.backward()  # type: ignore[no-untyped-call]  # torch's own
    assert outputs.grad is not None
    assert bool(torch.isfinite(outputs.grad).all())
    assert math.isfinite(loss.item())


def test_huber_is_squared_for_small_errors_and_linear_for_large_ones() -> None:
    outputs, targets = torch.tensor([[0.5], [3.0], [-4.0]]), torch.tensor([0.0, 0.0, 0.0])
    assert HuberObjective(1.0).total(outputs, targets).item() == pytest.approx(0.5 * 0.25 + 2.5 + 3.5)
    assert HuberObjective(2.0).mean(outputs, targets).item() == pytest.approx((0.125 + 2 * 2 + 2 * 3) / 3)


def test_a_return_is_right_when_its_sign_is() -> None:
    outputs, targets = torch.tensor([[1.0], [-1.0], [1.0], [1.0]]), torch.tensor([2.0, -0.5, -1.0, 0.0])
    assert HuberObjective(1.0).right(outputs, targets).item() == 2


def test_a_class_is_right_when_its_output_is_the_largest() -> None:
    outputs = torch.tensor([[3.0, 1.0, 0.0], [0.0, 1.0, 0.5], [0.0, 1.0, 0.5]])
    assert CrossEntropyObjective(None).right(outputs, torch.tensor([0, 1, 2])).item() == 2


OBJECTIVES: list[Objective] = [
    CrossEntropyObjective(WEIGHTS),
    CrossEntropyObjective(None),
    FocalObjective(WEIGHTS, 2.0),
    HuberObjective(0.7),
]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(OBJECTIVES), st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_sums_over_batches_are_those_of_all_samples(objective: Objective, sizes: list[int]) -> None:
    data = returns if isinstance(objective, HuberObjective) else logits
    outputs, targets = data(sum(sizes))
    sums = ScoreSums(objective, CPU, batch_size=2**15)  # two batches are scored at once
    for batch in zip(torch.split(outputs, sizes), torch.split(targets, sizes), strict=True):
        sums.add(*batch)
    score = sums.score()
    assert score.loss == pytest.approx(objective.mean(outputs, targets).item(), rel=1e-5)
    assert score.accuracy == pytest.approx(objective.right(outputs, targets).item() / sum(sizes))


def test_rare_classes_weigh_more() -> None:
    weights = balanced_weights(np.array([0, 0, 0, 1]), 2)
    assert weights.tolist() == pytest.approx([4 / (2 * 3), 4 / 2])
    assert balanced_weights(np.array([0, 0, 2, 2]), 3).tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("overrides", "kind", "weighted"),
    [
        ({}, CrossEntropyObjective, True),
        ({"training.loss": "{type: cross_entropy, class_weights: none}"}, CrossEntropyObjective, False),
        ({"training.loss": "{type: focal, gamma: 1.5}"}, FocalObjective, True),
    ],
)
def test_the_strategy_says_which(overrides: dict[str, str], kind: type[CrossEntropyObjective], weighted: bool) -> None:
    strategy = load_strategy(reference_text(), overrides)
    classes = np.array([0, 0, 0, 1])
    objective = build_objective(strategy, classes, CPU)
    assert type(objective) is kind
    expected = balanced_weights(classes, len(strategy.classes)).tolist()
    assert (None if objective.class_weights is None else objective.class_weights.tolist()) == (
        expected if weighted else None
    )
    if isinstance(objective, FocalObjective):
        assert objective.gamma == 1.5


def test_a_regression_has_huber() -> None:
    overrides = {
        "decisions": "{output_format: regression}",
        "training.labels": "{source: forward_return, horizon: 5}",
        "training.loss": "{type: huber, delta: 0.5}",
    }
    strategy = load_strategy(reference_text(), overrides)
    objective = build_objective(strategy, np.zeros(4, dtype=np.float32), CPU)
    assert objective == HuberObjective(0.5)
    assert objective.accuracy_name == "sign_accuracy"
