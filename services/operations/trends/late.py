"""The verdicts of attempts whose end came before they had been looked at to the last point."""

import asyncio
from typing import Final, Protocol

import structlog

from services.common.clock import Clock
from services.common.errors import StatusError
from services.operations.live_operation import Change, LiveOperation
from services.operations.operation_state import OperationState
from services.operations.registry import Registry
from services.operations.trends.closing import idle_of_ended, new_trends
from services.operations.trends.replay import BlockReader, replay
from services.operations.trends.series_names import SeriesNames
from services.operations.trends.thresholds import Thresholds
from services.operations.trends.verdict_unit import telling

_PAUSE_SECONDS: Final = 1.0

_logger = structlog.get_logger()


class Amender(Protocol):
    """Changes operations, at work or ended."""

    async def change(self, operation_id: str, change: Change) -> LiveOperation | OperationState:
        """Change an operation durably, and return it."""


class LateVerdicts:
    """Looks at the stored history of attempts that have ended, one after the other, and adds what is found.

    Args:
        registry: The operations.
        reader: Questions to the store.
        amender: Changes operations that have ended.
        thresholds: Of the rules.
        names: Which series they look at.
        clock: The time.
    """

    def __init__(
        self,
        registry: Registry,
        reader: BlockReader,
        amender: Amender,
        thresholds: Thresholds,
        names: SeriesNames,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._reader = reader
        self._amender = amender
        self._thresholds = thresholds
        self._names = names
        self._clock = clock
        self._waiting: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    def add(self, operation_id: str, attempt: int) -> None:
        """Have an attempt looked at."""
        self._waiting.put_nowait((operation_id, attempt))

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            operation_id, attempt = await self._waiting.get()
            try:
                await self._judge(operation_id, attempt)
            except StatusError as error:  # it is deleted by now, or the store takes nothing
                _logger.warning("late_verdicts_not_stored", operation_id=operation_id, problem=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _judge(self, operation_id: str, attempt: int) -> None:
        record = (await self._registry.get(operation_id)).record
        if record.attempt != attempt:
            return  # it is at its next attempt
        trends = new_trends(record, self._thresholds, self._names)
        await replay(self._reader, operation_id, attempt, trends)
        verdicts = trends.verdicts(idle_of_ended(record, attempt, trends))
        if verdicts != list(record.verdicts):
            await self._amender.change(operation_id, telling(verdicts, attempt, self._clock.now()))
