"""The optimizers that a strategy can ask for."""

from typing import Any

import torch
from torch import nn

from services.training_host.loop.state import LoopState, copies
from services.training_host.strategy.training import Training

GROUP = "optimizer"


def build_optimizer(model: nn.Module, rules: Training) -> torch.optim.Optimizer:
    """Build the optimizer of a strategy.

    On the CPU and on CUDA one call updates all weights, where torch has such a kernel: for a small network the calls
    take more time than the numbers.

    Args:
        model: On its device.
        rules: Which, and with what.
    """
    weights = list(model.parameters())
    one_call = True if weights[0].device.type in {"cpu", "cuda"} else None
    common: dict[str, Any] = {"lr": rules.learning_rate, "weight_decay": rules.weight_decay}
    match rules.optimizer:
        case "adam":
            return torch.optim.Adam(weights, **common, fused=one_call)
        case "adamw":
            return torch.optim.AdamW(weights, **common, fused=one_call)
        case "sgd":
            return torch.optim.SGD(weights, **common, momentum=rules.momentum, fused=one_call)
        case "rmsprop":
            return torch.optim.RMSprop(weights, **common, momentum=rules.momentum, foreach=one_call)


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return what an optimizer keeps for each weight, as `<number of the weight>.<name>`; its rules are not in it."""
    kept = optimizer.state_dict()["state"]
    tensors = {
        f"{number}.{name}": value
        for number, values in kept.items()
        for name, value in values.items()
        if value is not None
    }
    return copies(GROUP, tensors)


def restore_optimizer(optimizer: torch.optim.Optimizer, state: LoopState) -> None:
    """Give an optimizer what it kept, by the rules of this training.

    Raises:
        RuntimeError, ValueError: It does not fit the weights.
    """
    weights = optimizer.param_groups[0]["params"]
    kept: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in state.group(GROUP).items():
        number, _, name = key.partition(".")
        index = int(number)
        if index >= len(weights) or (tensor.dim() and tensor.shape != weights[index].shape):
            message = f"the optimizer's {name} of weight {number} does not fit the network"
            raise ValueError(message)
        # The optimizer takes tensors as they are, and then changes them in place.
        kept.setdefault(index, {})[name] = tensor.clone()
    optimizer.load_state_dict({"state": kept, "param_groups": optimizer.state_dict()["param_groups"]})
