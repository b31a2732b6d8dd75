"""A training that nobody follows."""

from collections.abc import Mapping


class NoProgress:
    """Nobody is told, and nobody asks to stop."""

    def set_phase(self, name: str, **_: object) -> None:
        """Begin a phase."""

    def advance(self, completed: int, **_: object) -> None:
        """Go on."""

    def on_batch(self, batch: int, total: int, metrics: Mapping[str, float]) -> None:
        """End a batch."""

    def on_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """End an epoch."""

    def raise_if_cancelled(self) -> None:
        """Go on."""
