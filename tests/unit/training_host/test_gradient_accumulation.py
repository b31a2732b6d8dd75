"""Several small batches make the step that one big batch makes."""

from typing import Any

import pytest
import torch
from torch import nn

from services.training_host.loop.training import TrainingLoop
from tests.support.training_loops import OBJECTIVES, RecordedProgress, network, part, rules

STEP = {"optimizer": "sgd", "learning_rate": 0.5, "epochs": 2}


def trained(
    objective: str, samples: int, **changes: Any
) -> tuple[torch.Tensor, list[dict[str, float]], RecordedProgress]:
    returns = objective == "huber"
    model = network(outputs=1 if returns else 3, dropout=0.0)
    progress = RecordedProgress()
    history = TrainingLoop(
        model,
        training_part=part(samples, seed=1, returns=returns),
        validation_part=part(20, seed=2, returns=returns),
        objective=OBJECTIVES[objective],
        rules=rules(**STEP, **changes),
        progress=progress,
    ).run()
    return nn.utils.parameters_to_vector(model.parameters()).detach(), history.epochs, progress


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize("clip", [None, 0.01])
def test_accumulated_gradients_are_those_of_the_big_batch(objective: str, clip: float | None) -> None:
    # 70 = 2 · 24 + 22: the last step is made of fewer samples, and its last batch is not full.
    small, small_epochs, _ = trained(objective, 70, batch_size=8, gradient_accumulation=3, gradient_clip_norm=clip)
    big, big_epochs, _ = trained(objective, 70, batch_size=24, gradient_clip_norm=clip)
    torch.testing.assert_close(small, big, rtol=1e-5, atol=1e-6)
    for name in ("train_loss", "val_loss", "gradient_norm"):
        assert [epoch[name] for epoch in small_epochs] == pytest.approx([epoch[name] for epoch in big_epochs], rel=1e-4)


def test_an_incomplete_last_group_makes_a_step() -> None:
    # One group, which is never full.
    moved, _, _ = trained("cross_entropy", 20, batch_size=8, gradient_accumulation=100)
    big, _, _ = trained("cross_entropy", 20, batch_size=20)
    torch.testing.assert_close(moved, big, rtol=1e-5, atol=1e-6)


def test_the_loss_that_is_told_is_the_batchs_own() -> None:
    _, epochs, progress = trained("cross_entropy", 16, batch_size=16, gradient_accumulation=4)
    assert progress.batches[0][:2] == (1, 1)
    assert progress.batches[0][2] == pytest.approx(epochs[0]["train_loss"], rel=1e-6)
