"""The device to train on."""

import torch

from services.training_host.failures import device_unavailable


def choose_device(wanted: str) -> torch.device:
    """Turn the strategy's words into a device of this machine.

    Args:
        wanted: `cpu`, `mps`, `cuda`, `cuda:N`, or `auto` for the best there is.

    Raises:
        ServiceError: DEVICE_UNAVAILABLE, if this machine has no such device.
    """
    available = available_devices()
    if wanted == "auto":
        return torch.device(available[-1])
    if wanted not in available and not (wanted == "cuda" and "cuda:0" in available):
        raise device_unavailable(wanted, available)
    return torch.device("cuda:0" if wanted == "cuda" else wanted)


def available_devices() -> list[str]:
    """Return the devices of this machine, the one to prefer last."""
    devices = ["cpu"]
    if torch.backends.mps.is_available():
        devices.append("mps")
    devices += [f"cuda:{index}" for index in reversed(range(torch.cuda.device_count()))]
    return devices
