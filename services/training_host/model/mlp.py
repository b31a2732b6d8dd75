"""Multi-layer perceptron."""

import torch
from torch import nn

from services.training_host.strategy.network import Architecture

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def build_mlp(architecture: Architecture, *, inputs: int, classes: int, seed: int) -> nn.Sequential:
    """Build a network on the CPU: hidden layers with activation and dropout, then one output for each class (logits).

    Args:
        architecture: Its shape.
        inputs: Width of the feature matrix.
        classes: Number of classes.
        seed: Of the initial weights, which are then the same on every device.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        width = inputs
        for neurons in architecture.hidden_layers:
            layers += [nn.Linear(width, neurons), _ACTIVATIONS[architecture.activation]()]
            if architecture.dropout > 0:
                layers.append(nn.Dropout(architecture.dropout))
            width = neurons
        layers.append(nn.Linear(width, classes))
        return nn.Sequential(*layers)


def parameter_count(model: nn.Module) -> int:
    """Return how many trainable numbers a network has."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
