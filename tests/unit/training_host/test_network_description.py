"""Every network that a strategy can ask for is described well enough to be rebuilt."""

from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from examples.reload_model import answer
from services.training_host.artifacts.network import network
from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.network import Activation
from tests.support.small_models import SMALL_TEXT, Small, small

SHAPES = {
    "mlp": "{type: mlp, architecture: {hidden_layers: [7, 5, 3], dropout: 0.2, activation: ACTIVATION}}",
    "gru": "{type: gru, architecture: {hidden_layers: [6, 5], sequence_length: 3, activation: ACTIVATION}}",
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


Array = NDArray[np.float64]


def logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def recurrent_states(kind: str, own: dict[str, Array], x: Array) -> Array:
    """Follow the equations of `rules`, in float64."""
    units = own["weight_hh_l0"].shape[1]
    h, c, states = np.zeros([len(x), units]), np.zeros([len(x), units]), []
    for bar in range(x.shape[1]):
        of_inputs = np.split(x[:, bar] @ own["weight_ih_l0"].T + own["bias_ih_l0"], 3 if kind == "gru" else 4, axis=1)
        of_state = np.split(h @ own["weight_hh_l0"].T + own["bias_hh_l0"], len(of_inputs), axis=1)
        if kind == "gru":
            r, z = (logistic(of_inputs[gate] + of_state[gate]) for gate in (0, 1))
            n = np.tanh(of_inputs[2] + r * of_state[2])
            h = (1 - z) * n + z * h
        else:
            i, f, g, o = (given + kept for given, kept in zip(of_inputs, of_state, strict=True))
            c = logistic(f) * c + logistic(i) * np.tanh(g)
            h = logistic(o) * np.tanh(c)
        states.append(h)
    return np.stack(states, axis=1)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_the_equations_of_recurrent_layers_are_those_of_the_network(prepared: dict[str, Small], kind: str) -> None:
    made = prepared[kind]
    model = made.network().eval()
    description = network(made.strategy, made.dataset, made.dataset.folds[0], model)
    weights = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    inputs = torch.randn([9, *description["input_shape"][1:]], generator=torch.Generator().manual_seed(1)) * 2
    x = inputs.double().numpy()
    for layer in description["layers"]:
        own = {name: weights[tensor] for name, tensor in layer.get("tensors", {}).items()}
        match layer["kind"]:
            case "last_bar":
                x = x[:, -1]
            case "activation":
                x = np.maximum(x, 0)
            case "linear":
                x = x @ own["weight"].T + own["bias"]
            case recurrent:
                x = recurrent_states(recurrent, own, x)
    with torch.inference_mode():
        np.testing.assert_allclose(x, model(inputs).numpy(), atol=1e-6)
