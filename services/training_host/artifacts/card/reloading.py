"""How to ask a model without this program."""

from typing import Final

SNIPPET: Final = '''
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn import functional

folder = Path(".")  # where this page is
network = json.loads((folder / "network.json").read_text("utf-8"))
weights = load_file(folder / "model.safetensors")


def answer(x):
    """Take scaled inputs, float32 of network["input_shape"]; give probabilities, or expected returns."""
    for layer in network["layers"]:
        own = {name: weights[tensor] for name, tensor in layer.get("tensors", {}).items()}
        if layer["kind"] == "linear":
            x = functional.linear(x, own["weight"], own["bias"])
        elif layer["kind"] in ("gru", "lstm"):
            recurrent = getattr(torch.nn, layer["kind"].upper())(layer["inputs"], layer["units"], batch_first=True)
            recurrent.load_state_dict(own)
            x, _ = recurrent(x)
        elif layer["kind"] == "last_bar":
            x = x[:, -1]
        else:
            x = getattr(functional, layer["function"])(x)
    if network["answer"]["kind"] == "classes":
        return torch.softmax(x, dim=1)
    return x * network["answer"]["target_scale"]


with torch.inference_mode():
    print(answer(torch.zeros([2, *network["input_shape"][1:]])))
'''
"""Plain PyTorch; it prints what the network answers to inputs of 0."""
