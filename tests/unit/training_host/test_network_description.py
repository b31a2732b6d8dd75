"""Every network that a strategy can ask for is described well enough to be rebuilt."""

from typing import get_args

import pytest
import torch

from examples.reload_model import answer
from services.training_host.artifacts.network import network
from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.network import Activation
from tests.support.small_models import SMALL_TEXT, Small, small

SHAPES = {
    "mlp": "{type: mlp, architecture: {hidden_layers: [7, 5, 3], dropout: 0.2, activation: ACTIVATION}}",
    "gru": "{type: gru, architecture: {hidden_layers: [6, 5], sequence_length: 3, dropout: 0.2, activation: ACTIVATION}}",
    "lstm": "{type: lstm, architecture: {hidden_layers: [6], sequence_length: 2, activation: ACTIVATION}}",
}


@pytest.fixture(scope="module")
def prepared() -> dict[str, Small]:
    """The samples of a network depend on how many bars it reads, and on nothing else of its shape."""
    return {kind: small({"model": shape.replace("ACTIVATION", "relu")}) for kind, shape in SHAPES.items()}


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("activation", get_args(Activation))
def test_what_is_described_answers_as_the_network_does(prepared: dict[str, Small], kind: str, activation: str) -> None:
    strategy = load_strategy(SMALL_TEXT, {"model": SHAPES[kind].replace("ACTIVATION", activation)})
    made = Small(strategy, prepared[kind].loaded, prepared[kind].dataset)
    model = made.network().eval()
    description = network(made.strategy, made.dataset, made.dataset.folds[0], model)
    weights = dict(model.state_dict())
    assert {name: list(tensor.shape) for name, tensor in weights.items()} == {
        name: tensor["shape"] for name, tensor in description["tensors"].items()
    }
    used = [tensor for layer in description["layers"] for tensor in layer.get("tensors", {}).values()]
    assert sorted(used) == sorted(weights)
    assert set(description["rules"]) == {layer["kind"] for layer in description["layers"]}
    inputs = torch.randn([9, *description["input_shape"][1:]], generator=torch.Generator().manual_seed(1)) * 2
    with torch.inference_mode():
        torch.testing.assert_close(answer(description, weights, inputs), model(inputs).softmax(1), rtol=0, atol=0)
