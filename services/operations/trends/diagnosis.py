"""Look for trends in a stored history, with thresholds of the caller's own."""

import asyncio
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1.trends_pb2 import VERDICT_KIND_STALLED, VerdictKind

from services.common.errors import FieldViolation, ServiceError
from services.operations.live_operation import LiveOperation
from services.operations.registry import Registry
from services.operations.trends.attempt_trends import AttemptTrends
from services.operations.trends.board import TrendBoard
from services.operations.trends.closing import idle_of_ended, new_trends
from services.operations.trends.replay import BlockReader, replay
from services.operations.trends.series_names import SeriesNames
from services.operations.trends.thresholds import Thresholds

_AT_ONCE: Final = 2
"""Histories that are looked at beside each other: each takes a thread."""


class Diagnosis:
    """Runs the rules over whole histories.

    Args:
        registry: The operations.
        reader: Questions to the store.
        board: Knows how long operations at work have been silent.
        thresholds: Thresholds that are configured.
        names: Which series the rules look at.
    """

    def __init__(
        self, registry: Registry, reader: BlockReader, board: TrendBoard, thresholds: Thresholds, names: SeriesNames
    ) -> None:
        self._registry = registry
        self._reader = reader
        self._board = board
        self._thresholds = thresholds
        self._names = names
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def diagnose(self, request: pb.DiagnoseOperationRequest) -> pb.DiagnoseOperationResponse:
        """Return what the rules find.

        Raises:
            ServiceError: OPERATION_NOT_FOUND, or INVALID_REQUEST for an attempt, threshold or kind that there is not.
        """
        thresholds = self._thresholds.changed(request.thresholds)
        operation = await self._registry.get(request.operation_id)
        record = operation.record
        _check(request, record.attempt)
        # Whoever has seen a point in the operation's record has it looked at.
        await self._registry.settled(*([operation] if isinstance(operation, LiveOperation) else []))
        attempt = request.attempt or record.attempt
        trends = new_trends(record, thresholds, self._names)
        async with self._room:
            await replay(self._reader, record.id, attempt, trends)
        if attempt == record.attempt and isinstance(operation, LiveOperation) and not operation.state.ended:
            idle = self._idle(operation, trends)
        else:
            idle = idle_of_ended(record, attempt, trends)
        return pb.DiagnoseOperationResponse(
            verdicts=trends.verdicts(idle, request.kinds),
            attempt=attempt,
            thresholds=thresholds.values(),
            points=trends.points,
        )

    def _idle(self, operation: LiveOperation, trends: AttemptTrends) -> float:
        idle = self._board.idle_seconds(operation)
        if idle is not None:
            return idle
        stalls = [each for each in operation.record.verdicts if each.kind == VERDICT_KIND_STALLED and each.active]
        return max(0.0, (stalls[0].last_seen.ToNanoseconds() - trends.last_ns) / 1e9) if stalls else 0.0


def _check(request: pb.DiagnoseOperationRequest, latest_attempt: int) -> None:
    violations = []
    if request.attempt > latest_attempt:
        violations.append(FieldViolation("attempt", f"0 for the latest, or 1 to {latest_attempt}"))
    known = set(VerdictKind.values()) - {VerdictKind.VERDICT_KIND_UNSPECIFIED}
    for place, kind in enumerate(request.kinds):
        if kind not in known:
            violations.append(FieldViolation(f"kinds[{place}]", "is no kind of verdict that is known here"))
    if violations:
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=violations)
