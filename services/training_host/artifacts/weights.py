"""The network's weights as a file."""

import json
from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from services.training_host.artifacts.json_file import FORMAT_VERSION
from services.training_host.strategy.strategy import Strategy


def write_weights(path: Path, strategy: Strategy, model: nn.Module) -> None:
    """Write all weights by their names in the network, with a few words about what they are.

    Args:
        path: File to write.
        strategy: What was trained.
        model: The network, on any device.

    Raises:
        safetensors.SafetensorError: It cannot be written.
    """
    about = {
        "format_version": FORMAT_VERSION,
        "strategy": strategy.name,
        "network": strategy.model.type,
        "described_in": ["network.json", "features.json"],
    }
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    # One key only: the library writes several in an order that changes from run to run.
    save_file(weights, path, metadata={"ktrdr": json.dumps(about)})
    path.chmod(0o644)  # the library lets nobody but the owner read it
