"""Recurrent networks: their shape, what they read, and where dropout goes."""

from typing import Any

import pytest
import torch
from torch import nn

from services.training_host.model.network import build_network, parameter_count
from services.training_host.strategy.network import RecurrentNetwork


def build(kind: str, *, seed: int = 1, **changes: Any) -> nn.Module:
    shape = {"hidden_layers": [5, 4], "sequence_length": 6, **changes}
    network = RecurrentNetwork.model_validate({"type": kind, "architecture": shape})
    return build_network(network, inputs=3, outputs=2, seed=seed)


@pytest.mark.parametrize(("kind", "gates"), [("lstm", 4), ("gru", 3)])
def test_each_hidden_size_is_a_layer(kind: str, gates: int) -> None:
    model = build(kind)
    assert model(torch.zeros(7, 6, 3)).shape == (7, 2)
    cells = sum(gates * size * (width + size + 2) for width, size in ((3, 5), (5, 4)))
    assert parameter_count(model) == cells + 4 * 2 + 2


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "silu", "leaky_relu", "sigmoid"])
def test_every_activation_goes_between_the_state_and_the_output(activation: str) -> None:
    model = build("gru", hidden_layers=[4], activation=activation)
    windows = torch.randn(5, 6, 3, generator=torch.Generator().manual_seed(0))
    functions = {
        "relu": torch.relu, "tanh": torch.tanh, "gelu": nn.functional.gelu, "silu": nn.functional.silu,
        "leaky_relu": nn.functional.leaky_relu, "sigmoid": torch.sigmoid,
    }  # fmt: skip
    _, state = model.recurrent[0](windows)  # type: ignore[index, operator]  # a list of layers
    expected = model.output(functions[activation](state[0]))  # type: ignore[operator]  # a layer
    torch.testing.assert_close(model(windows), expected)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_the_order_of_the_bars_matters_and_all_of_them_are_read(kind: str) -> None:
    model = build(kind).eval()
    windows = torch.randn(1, 6, 3, generator=torch.Generator().manual_seed(0))
    answer = model(windows)
    assert not torch.allclose(model(windows.flip(1)), answer)
    for bar in range(6):
        changed = windows.clone()
        changed[0, bar] += 1
        assert not torch.equal(model(changed), answer)


def test_dropout_leaves_out_units_of_each_layer_while_training() -> None:
    model = build("gru", hidden_layers=[400, 300], dropout=0.5, activation="sigmoid")
    seen: list[torch.Tensor] = []
    model.recurrent[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))  # type: ignore[index, union-attr]
    model.output.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))  # type: ignore[union-attr]
    model(torch.ones(2, 6, 3))
    # Sigmoid is nowhere 0: units that are left out are left out after it.
    assert [0.4 < (values == 0).float().mean().item() < 0.6 for values in seen] == [True, True]
    seen.clear()
    model.eval()(torch.ones(2, 6, 3))
    assert [(values == 0).any().item() for values in seen] == [False, False]


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_the_seed_decides_the_weights(kind: str) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, same, other = (build(kind, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
