"""The state of a training loop, in a form that can be written down without pickling."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

_NOT_FINITE = {"nan", "inf", "-inf"}


@dataclass(frozen=True, eq=False)
class LoopState:
    """Everything that a training loop needs to go on.

    Attributes:
        tensors: By name; on the CPU, contiguous, none shares its memory with another or with the loop.
        document: JSON values only; floats that are not finite are texts.
    """

    tensors: dict[str, torch.Tensor]
    document: dict[str, Any]

    def group(self, name: str) -> dict[str, torch.Tensor]:
        """Return the tensors of one group, by their names in it."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): tensor for key, tensor in self.tensors.items() if key.startswith(prefix)}


def copies(group: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return copies of tensors for a state, named as a group of it."""
    return {f"{group}.{name}": tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}


def json_value(value: Any) -> Any:
    """Return a value of dicts, lists and numbers as JSON has it: floats that are not finite become texts."""
    if isinstance(value, Mapping):
        return {key: json_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(each) for each in value]
    if isinstance(value, float) and str(value) in _NOT_FINITE:
        return str(value)
    return value


def from_json_value(value: Any) -> Any:
    """Return what `json_value` was given, tuples as lists."""
    if isinstance(value, dict):
        return {key: from_json_value(each) for key, each in value.items()}
    if isinstance(value, list):
        return [from_json_value(each) for each in value]
    return float(value) if isinstance(value, str) and value in _NOT_FINITE else value
