"""The random number generators that a process has: torch's, NumPy's and Python's own."""

import random
from typing import Any

import numpy as np
import torch

from services.training_host.loop.state import LoopState, copies

GROUP = "random"


def random_state(device: torch.device) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the state of all generators: tensors, and JSON values.

    Args:
        device: Whose generator counts, beside that of the CPU.
    """
    _, key, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, words, python_gauss = random.getstate()
    tensors = {
        "torch": torch.get_rng_state(),
        "numpy": torch.from_numpy(np.asarray(key).astype(np.int64)),
        "python": torch.tensor(words, dtype=torch.int64),
    }
    if device.type == "cuda":
        tensors["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        tensors["mps"] = torch.mps.get_rng_state()
    document = {
        "numpy": [int(position), int(has_gauss), float(gauss)],
        "python": [version, python_gauss],
    }
    return copies(GROUP, tensors), document


def restore_random_state(state: LoopState, document: dict[str, Any], device: torch.device) -> None:
    """Put all generators into a state; that of another kind of device than the present one is left out.

    Raises:
        KeyError, RuntimeError, TypeError, ValueError: It is not the state of such generators.
    """
    tensors = state.group(GROUP)
    position, has_gauss, gauss = document["numpy"]
    version, python_gauss = document["python"]
    np.random.set_state(("MT19937", tensors["numpy"].numpy().astype(np.uint32), position, has_gauss, gauss))
    random.setstate((version, tuple(tensors["python"].tolist()), python_gauss))
    torch.set_rng_state(tensors["torch"])
    if device.type == "cuda" and "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"], device)
    elif device.type == "mps" and "mps" in tensors:
        torch.mps.set_rng_state(tensors["mps"])
