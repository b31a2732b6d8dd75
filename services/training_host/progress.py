"""What a training tells about itself while it runs."""

from collections.abc import Mapping
from typing import Protocol


class Progress(Protocol):
    """The part of `ktrdr_bridge.Bridge` that a training writes to."""

    def set_phase(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        """Begin a phase of the work."""

    def advance(self, completed: int, *, step: str = "") -> None:
        """Say how far the phase is."""

    def on_batch(self, batch: int, total: int, metrics: Mapping[str, float]) -> None:
        """Report a batch, counted from 1 within its epoch."""

    def on_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Report an epoch, counted from 1."""

    def raise_if_cancelled(self) -> None:
        """Leave the work where it is when a stop was asked for."""
