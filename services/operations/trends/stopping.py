"""Ask an operation to stop, because of what was found in its metrics."""

from collections.abc import Iterable
from typing import Final, Protocol

import structlog
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1.trends_pb2 import VERDICT_KIND_BEST_EPOCH, Verdict, VerdictKind

from services.common.errors import StatusError
from services.operations.operation_state import ENDED

_LONGEST_EVIDENCE: Final = 350

_logger = structlog.get_logger()


class Canceller(Protocol):
    """Takes wishes to stop."""

    async def cancel(self, operation_id: str, *, reason: str, urgent: bool) -> pb.Operation:
        """Ask an operation to stop, and return it as it is then."""


def reason_to_stop(record: pb.Operation, verdicts: Iterable[Verdict]) -> str:
    """Return why an operation is to be stopped; "" if it is not, or was asked already.

    Args:
        record: The operation.
        verdicts: Its verdicts. Those that no longer hold stop nothing.
    """
    if not record.stop_on or record.cancel_requested or record.state in ENDED:
        return ""
    wanted = set(record.stop_on) - {VERDICT_KIND_BEST_EPOCH}
    for verdict in verdicts:
        if verdict.active and verdict.kind in wanted:
            where = f" of {verdict.series}" if verdict.series else ""
            return f"stopped on {kind_name(verdict.kind)}{where}: {verdict.evidence[:_LONGEST_EVIDENCE]}"
    return ""


async def stop(canceller: Canceller, operation_id: str, reason: str) -> None:
    """Ask an operation to stop. If that fails, it is asked again when it is next looked at."""
    try:
        await canceller.cancel(operation_id, reason=reason, urgent=False)
    except StatusError as error:
        _logger.warning("stop_on_verdict_failed", operation_id=operation_id, problem=str(error))
    else:
        _logger.info("stopped_on_verdict", operation_id=operation_id, reason=reason)


def kind_name(kind: "VerdictKind.ValueType") -> str:
    """Return the name of a kind: "NOT_FINITE"."""
    return VerdictKind.Name(kind).removeprefix("VERDICT_KIND_")
