"""The network has the shape that was asked for; the device is one that is there."""

import pytest
import torch
from ktrdr.host.v1.errors_pb2 import ErrorReason
from torch import nn

from services.common.errors import ServiceError
from services.training_host.model.device import available_devices, choose_device
from services.training_host.model.network import build_network, parameter_count
from services.training_host.strategy.network import MlpNetwork


def build_mlp(*, inputs: int = 3, seed: int = 1, **changes: object) -> nn.Sequential:
    shape = {"hidden_layers": [5, 4], "dropout": 0.5, "activation": "tanh"} | changes
    network = MlpNetwork.model_validate({"type": "mlp", "architecture": shape})
    model = build_network(network, inputs=inputs, outputs=2, seed=seed)
    assert isinstance(model, nn.Sequential)
    return model


def test_layers_follow_the_architecture() -> None:
    model = build_mlp()
    kinds = [type(layer) for layer in model]
    assert kinds == [nn.Linear, nn.Tanh, nn.Dropout, nn.Linear, nn.Tanh, nn.Dropout, nn.Linear]
    assert [(layer.in_features, layer.out_features) for layer in model if isinstance(layer, nn.Linear)] == [
        (3, 5), (5, 4), (4, 2),
    ]  # fmt: skip
    assert parameter_count(model) == (3 * 5 + 5) + (5 * 4 + 4) + (4 * 2 + 2)


def test_no_dropout_no_layer() -> None:
    assert not any(isinstance(layer, nn.Dropout) for layer in build_mlp(dropout=0.0))


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "silu", "leaky_relu", "sigmoid"])
def test_every_activation_of_the_format_can_be_built(activation: str) -> None:
    model = build_mlp(activation=activation)
    assert model(torch.zeros(7, 3)).shape == (7, 2)


def test_the_seed_decides_the_weights_and_leaves_other_generators_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, same, other = (build_mlp(seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_the_processor_is_always_there_and_auto_takes_the_best() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert str(choose_device("auto")) == available_devices()[-1]


@pytest.mark.parametrize("wanted", ["cuda:97", "tpu"])
def test_an_absent_device_is_an_error_that_names_what_there_is(wanted: str) -> None:
    with pytest.raises(ServiceError) as caught:
        choose_device(wanted)
    assert caught.value.reason == ErrorReason.ERROR_REASON_DEVICE_UNAVAILABLE
    assert wanted in caught.value.message
    assert f"one of: {', '.join(['auto', *available_devices()])}" in caught.value.message
