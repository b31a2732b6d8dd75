"""Epochs in the session's log."""

from collections.abc import Callable, Mapping

import structlog

from services.training_host.loop.history import TrainingHistory

_LOG = structlog.get_logger(__name__)
LOG_SECONDS = 1.0
"""Least time between two epochs in the log: the journal has all of them, and a line can cost more than an epoch."""


class EpochLog:
    """Writes epochs into the log: one a second at most, always the last one, and the numbers of the best at the end.

    Args:
        names: Metrics that a line has.
        clock: Seconds.
    """

    def __init__(self, names: tuple[str, ...], clock: Callable[[], float]) -> None:
        self._names = names
        self._clock = clock
        self._next = clock()
        self._newest = 0

    def epoch_ended(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Write an epoch, unless one was written just now."""
        now = self._clock()
        if now >= self._next:
            self._next = now + LOG_SECONDS
            self._write(epoch, metrics)

    def training_ended(self, history: TrainingHistory) -> None:
        """Write the last epoch, if it is not there, and how the training ended."""
        epochs = len(history.epochs)
        if epochs != self._newest:
            self._write(epochs, history.epochs[-1])
        best = self._shown(history.epochs[history.best_epoch - 1])
        _LOG.info(
            "stopped_early" if history.stopped_early else "all_epochs_ended",
            epochs=epochs,
            best_epoch=history.best_epoch,
            **{f"best_{name}": value for name, value in best.items()},
        )

    def _write(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self._newest = epoch
        _LOG.info("epoch_ended", epoch=epoch, **self._shown(metrics))

    def _shown(self, metrics: Mapping[str, float]) -> dict[str, float]:
        return {name: float(f"{metrics[name]:.6g}") for name in self._names}
