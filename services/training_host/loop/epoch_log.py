"""Epochs in the session's log."""

from collections.abc import Callable, Mapping

import structlog

from services.training_host.loop.history import TrainingHistory

_LOG = structlog.get_logger(__name__)
LOG_SECONDS = 1.0
"""Least time between two epochs in the log: the journal has all of them, and a line can cost more than an epoch."""


class EpochLog:
    """Writes epochs into the log: at most one a second, and always the best one and the last one.

    Args:
        names: Metrics that a line has.
        clock: Seconds.
    """

    def __init__(self, names: tuple[str, ...], clock: Callable[[], float]) -> None:
        self._names = names
        self._clock = clock
        self._next = clock()
        self._written: set[int] = set()

    def epoch_ended(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Write an epoch, unless one was written just now."""
        now = self._clock()
        if now >= self._next:
            self._next = now + LOG_SECONDS
            self._write(epoch, metrics)

    def training_ended(self, history: TrainingHistory) -> None:
        """Write what is missing of the best epoch and the last one, and how the training ended."""
        for epoch in (history.best_epoch, len(history.epochs)):
            if epoch not in self._written:
                self._write(epoch, history.epochs[epoch - 1])
        _LOG.info(
            "stopped_early" if history.stopped_early else "all_epochs_ended",
            epochs=len(history.epochs),
            best_epoch=history.best_epoch,
            best_val_loss=history.best_validation_loss,
        )

    def _write(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self._written.add(epoch)
        shown = {name: float(f"{metrics[name]:.6g}") for name in self._names}
        _LOG.info("epoch_ended", epoch=epoch, **shown)
