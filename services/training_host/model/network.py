"""The networks that a strategy can ask for."""

import torch
from torch import nn

from services.training_host.model.recurrent import RecurrentStack
from services.training_host.strategy.network import MlpNetwork, Perceptron, RecurrentNetwork

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def build_network(network: MlpNetwork | RecurrentNetwork, *, inputs: int, outputs: int, seed: int) -> nn.Module:
    """Build a network on the CPU.

    It maps float32 [samples, inputs] (`mlp`), or [samples, sequence_length, inputs] with the oldest bar first (`lstm`,
    `gru`), to float32 [samples, outputs]: a logit for each class, or one return.

    Args:
        network: Its kind and shape.
        inputs: Width of the feature matrix.
        outputs: Numbers that it answers with.
        seed: Of the initial weights, which are then the same on every device.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(network, MlpNetwork):
            return _perceptron(network.architecture, inputs, outputs)
        shape = network.architecture
        return RecurrentStack(
            nn.LSTM if network.type == "lstm" else nn.GRU,
            inputs=inputs,
            units=shape.hidden_layers,
            outputs=outputs,
            dropout=shape.dropout,
            activation=_ACTIVATIONS[shape.activation](),
        )


def parameter_count(model: nn.Module) -> int:
    """Return how many trainable numbers a network has."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _perceptron(shape: Perceptron, inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    width = inputs
    for neurons in shape.hidden_layers:
        layers += [nn.Linear(width, neurons), _ACTIVATIONS[shape.activation]()]
        if shape.dropout > 0:
            layers.append(nn.Dropout(shape.dropout))
        width = neurons
    layers.append(nn.Linear(width, outputs))
    return nn.Sequential(*layers)
