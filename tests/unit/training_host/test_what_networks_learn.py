"""Networks find what is there, and nothing where nothing is."""

import numpy as np
import pytest
import torch

from services.training_host.loop.objective import CrossEntropyObjective, HuberObjective
from services.training_host.loop.samples import Samples
from services.training_host.loop.training import TrainingLoop
from services.training_host.model.network import build_network
from services.training_host.strategy.network import MlpNetwork, RecurrentNetwork
from tests.support.training_loops import RecordedProgress, rules

ROWS, LENGTH = 1_200, 5


def learned(kind: str, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """Train on the older rows and return the accuracy on the newer ones, and their loss."""
    shape = {"hidden_layers": [16]}
    network = (
        MlpNetwork.model_validate({"type": kind, "architecture": shape})
        if kind == "mlp"
        else RecurrentNetwork.model_validate({"type": kind, "architecture": {**shape, "sequence_length": LENGTH}})
    )
    returns = targets.dtype == np.float32
    torch.manual_seed(1)
    tensor = torch.from_numpy(inputs.astype(np.float32))
    older, newer = (
        Samples.of_part(tensor, rows=rows, targets=targets, sequence_length=network.sequence_length)
        for rows in (np.arange(LENGTH, 800), np.arange(800, ROWS))
    )
    history = TrainingLoop(
        build_network(network, inputs=inputs.shape[1], outputs=1 if returns else 2, seed=1),
        training_part=older,
        validation_part=newer,
        objective=HuberObjective(1.0) if returns else CrossEntropyObjective(None),
        rules=rules(epochs=20, batch_size=64, learning_rate=0.01),
        progress=RecordedProgress(),
    ).run()
    name = "val_sign_accuracy" if returns else "val_accuracy"
    return history.epochs[history.best_epoch - 1][name], history.best_validation_loss


def noise(width: int = 3) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(ROWS, width))


@pytest.mark.parametrize("kind", ["mlp", "gru"])
def test_a_pattern_in_the_newest_bar_is_found(kind: str) -> None:
    inputs = noise()
    accuracy, _ = learned(kind, inputs, (inputs[:, 0] * inputs[:, 1] > 0).astype(np.int64))
    assert accuracy > 0.9


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_a_pattern_over_several_bars_is_found_by_those_that_read_them(kind: str) -> None:
    inputs = noise(1)
    moved = inputs[:, 0].cumsum()
    rising = np.zeros(ROWS, dtype=np.int64)
    rising[LENGTH:] = moved[LENGTH:] > moved[:-LENGTH]
    accuracy, _ = learned(kind, inputs, rising)
    blind, _ = learned("mlp", inputs, rising)
    assert accuracy > 0.9
    assert blind < 0.75


def test_a_return_is_foretold() -> None:
    inputs = noise()
    accuracy, loss = learned("mlp", inputs, (inputs[:, 0] - 0.5 * inputs[:, 1]).astype(np.float32))
    assert accuracy > 0.95
    assert loss < 0.01


@pytest.mark.parametrize("kind", ["mlp", "gru"])
def test_noise_teaches_nothing(kind: str) -> None:
    classes = np.random.default_rng(6).integers(0, 2, ROWS)
    accuracy, loss = learned(kind, noise(), classes)
    # 400 answers: chance lies within 0.5 ± 0.075 but for three in a thousand.
    assert abs(accuracy - 0.5) < 0.075
    assert loss > 0.68
