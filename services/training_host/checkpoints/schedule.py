"""When checkpoints are written."""

import time
from collections.abc import Callable
from typing import Final

import structlog

from services.training_host.checkpoints.checkpoint import Checkpoint
from services.training_host.checkpoints.store import CheckpointStore
from services.training_host.strategy.training import Checkpoints

_LOG = structlog.get_logger(__name__)
LEAST_PAUSE: Final = 50
"""Between two checkpoints that time alone asks for lies at least so many times what the last one took: 2 % at most."""


class CheckpointSchedule:
    """Writes the state of a run down as often as its strategy says, and at each stop.

    A checkpoint that cannot be written is told in the log, and written when the next one is due: no training ends for
    it.

    Args:
        store: Where they go.
        rules: How often.
        clock: Seconds that never go back.
    """

    def __init__(
        self, store: CheckpointStore, rules: Checkpoints, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._rules = rules
        self._clock = clock
        self._epochs = 0
        self._written_at = clock()
        self._cost_seconds = 0.0

    def after_epoch(self, take: Callable[[], Checkpoint]) -> None:
        """Count an epoch, and write a checkpoint if one is due.

        Args:
            take: Returns the state of the run as it is now.
        """
        self._epochs += 1
        if self._due():
            self._write(take)

    def at_stop(self, take: Callable[[], Checkpoint]) -> None:
        """Write a checkpoint: the run was asked to stop."""
        self._write(take)

    def _due(self) -> bool:
        every_epochs, every_seconds = self._rules.every_epochs, self._rules.every_seconds
        if every_epochs is not None and self._epochs >= every_epochs:
            return True
        if every_seconds is None:
            return False
        return self._clock() - self._written_at >= max(every_seconds, LEAST_PAUSE * self._cost_seconds)

    def _write(self, take: Callable[[], Checkpoint]) -> None:
        started = self._clock()
        try:
            checkpoint = take()
            folder = self._store.write(checkpoint)
        except OSError as error:
            _LOG.warning("checkpoint_not_written", folder=str(self._store.folder), error=str(error))
        else:
            seconds = round(self._clock() - started, 3)
            _LOG.info("checkpoint_written", number=int(folder.name), epochs=checkpoint.head.epochs, seconds=seconds)
        self._epochs = 0
        self._written_at = self._clock()
        self._cost_seconds = self._written_at - started
