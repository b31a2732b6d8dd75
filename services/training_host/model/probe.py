"""Tell which devices torch finds, as a program of its own: the host's process does not load torch.

Run as `python -m services.training_host.model.probe`; prints a JSON list of [name, description], the best device last.
"""

import json
import platform
import sys

import torch

from services.training_host.model.device import available_devices


def describe(name: str) -> str:
    """Say what a device is, for people."""
    if name.startswith("cuda"):
        properties = torch.cuda.get_device_properties(name)
        return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    return {"mps": "Apple GPU", "cpu": f"{platform.machine()} processor"}[name]


if __name__ == "__main__":
    sys.stdout.write(json.dumps([[name, describe(name)] for name in available_devices()]))
