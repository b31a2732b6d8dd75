"""Which fold the curves of a training belong to."""

from collections.abc import Mapping
from typing import Final

from services.training_host.progress import Progress

FOLD: Final = "fold"
"""Name of the series; where its value changes, what is found in curves begins anew."""


class FoldProgress:
    """Tells the number of the fold with each of its epochs, and with its first batch, which comes before them.

    Without it, the loss of a network that begins anew would look like one that gets worse.

    Args:
        progress: Told about everything.
        fold: Number of the fold, from 1.
    """

    def __init__(self, progress: Progress, fold: int) -> None:
        self._progress = progress
        self._fold = fold
        self._begun = False

    def set_phase(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        """Begin a phase of the work."""
        self._progress.set_phase(name, total=total, unit=unit)

    def advance(self, completed: int, *, step: str = "") -> None:
        """Say how far the phase is."""
        self._progress.advance(completed, step=step)

    def on_batch(self, batch: int, total: int, metrics: Mapping[str, float]) -> None:
        """Report a batch."""
        if not self._begun:
            self._begun = True
            metrics = {**metrics, FOLD: self._fold}
        self._progress.on_batch(batch, total, metrics)

    def on_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Report an epoch."""
        self._begun = True
        self._progress.on_epoch(epoch, {**metrics, FOLD: self._fold})

    def raise_if_cancelled(self) -> None:
        """Leave the work where it is when a stop was asked for."""
        self._progress.raise_if_cancelled()
