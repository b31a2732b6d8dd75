"""What can be asked of a history, and what of it makes no sense."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import FieldViolation, ServiceError

DEFAULT_POINTS: Final = 50_000
MOST_POINTS: Final = 200_000
MOST_OPERATIONS: Final = 100


@dataclass(frozen=True)
class MetricQuery:
    """Which points are asked for.

    Attributes:
        operation_id: Whose, where one operation is asked for.
        operation_ids: Whose, where several are.
        series: Names; empty for all.
        attempt: Number, 0 for the latest of each operation.
        after_seq: Only points with a higher sequence number; -1 for all.
        before_seq: Only points with a lower one; None for all.
        from_step: Only points of this step and later ones; None for all.
        to_step: Only points of this step and earlier ones; None for all.
        max_points: Most points of each series, the rest is left out; 0 for all points.
        page_size: Most points in the answer, 0 for the default.
        page_token: Token of the page, empty for the first.
        raw_rows: The points are wanted as raw rows, not as columns.
    """

    operation_id: str = ""
    operation_ids: Sequence[str] = ()
    series: Sequence[str] = ()
    attempt: int = 0
    after_seq: int = -1
    before_seq: int | None = None
    from_step: int | None = None
    to_step: int | None = None
    max_points: int = 0
    page_size: int = 0
    page_token: str = ""
    raw_rows: bool = False

    @property
    def ids(self) -> Sequence[str]:
        """The operations, in the order of the answer."""
        return self.operation_ids or (self.operation_id,)

    @property
    def binding(self) -> str:
        """What a page token is bound to: everything but the page."""
        points = self.after_seq, self.before_seq, self.from_step, self.to_step, self.max_points
        return repr(("metrics", list(self.ids), sorted(self.series), self.attempt, points))

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            ServiceError: INVALID_REQUEST.
        """
        violations = []
        if self.operation_id and self.operation_ids:
            violations.append(FieldViolation("operation_ids", "not together with operation_id"))
        if len(self.operation_ids) > MOST_OPERATIONS:
            violations.append(FieldViolation("operation_ids", f"at most {MOST_OPERATIONS}"))
        if len(set(self.operation_ids)) < len(self.operation_ids):
            violations.append(FieldViolation("operation_ids", "each operation once"))
        if self.page_size < 0:
            violations.append(FieldViolation("page_size", f"0 for {DEFAULT_POINTS}, or 1 to {MOST_POINTS}"))
        if self.max_points and self.page_size:
            violations.append(FieldViolation("max_points", "not together with page_size"))
        refuse(violations)


def refuse(violations: Sequence[FieldViolation]) -> None:
    """Refuse a request, if there is anything wrong with it.

    Raises:
        ServiceError: INVALID_REQUEST.
    """
    if violations:
        detail = " ".join(f"{violation.field}: {violation.description}." for violation in violations)
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=violations, detail=detail)
