"""How many samples are evaluated at once: as many as no layer needs too much memory for."""

import pytest
import torch

from services.training_host.loop.score import EVALUATION_SAMPLES, EVALUATION_VALUES, evaluation_size
from services.training_host.model.network import build_network
from services.training_host.strategy.network import MlpNetwork, RecurrentNetwork


def perceptron(*layers: int, inputs: int = 9) -> torch.nn.Module:
    network = MlpNetwork.model_validate({"type": "mlp", "architecture": {"hidden_layers": list(layers)}})
    return build_network(network, inputs=inputs, outputs=3, seed=0)


def test_small_networks_are_asked_about_as_many_as_are_ever_asked_about() -> None:
    assert evaluation_size(perceptron(32, 16), 1) == EVALUATION_SAMPLES


@pytest.mark.parametrize(("layers", "inputs"), [((8, 2_000, 8), 9), ((8,), 2_000)])
def test_the_widest_place_counts(layers: tuple[int, ...], inputs: int) -> None:
    assert evaluation_size(perceptron(*layers, inputs=inputs), 1) == EVALUATION_VALUES // 2_000


@pytest.mark.parametrize(("kind", "gates"), [("lstm", 4), ("gru", 3)])
def test_a_recurrent_network_needs_memory_for_the_gates_of_every_bar(kind: str, gates: int) -> None:
    shape = {"hidden_layers": [256], "sequence_length": 200}
    network = RecurrentNetwork.model_validate({"type": kind, "architecture": shape})
    size = evaluation_size(build_network(network, inputs=2, outputs=3, seed=0), 200)
    assert size == EVALUATION_VALUES // (200 * gates * 256)


def test_one_sample_is_always_asked_about() -> None:
    assert evaluation_size(perceptron(8), EVALUATION_VALUES) == 1
