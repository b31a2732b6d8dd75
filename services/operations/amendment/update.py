"""Labels, notes and names that people give to operations."""

from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.common.errors import FieldViolation, ServiceError
from services.operations.amendment.amendment import Amendment
from services.operations.creation_request import MOST_LABELS, label_violations, name_violations
from services.operations.operation_state import OperationState
from services.operations.presenter import Presenter

_LONGEST_NOTES: Final = 10_000


class Update:
    """Changes what people keep with operations.

    Args:
        amendment: Changes operations.
        presenter: Tells them.
        clock: The time.
    """

    def __init__(self, amendment: Amendment, presenter: Presenter, clock: Clock) -> None:
        self._amendment = amendment
        self._presenter = presenter
        self._clock = clock

    async def update(self, request: pb.UpdateOperationRequest) -> pb.Operation:
        """Change an operation, and return it as it is then.

        Raises:
            ServiceError: OPERATION_NOT_FOUND, or INVALID_REQUEST with all fields that are wrong.
        """
        _refuse(_violations(request))
        now = self._clock.now()

        def change(state: OperationState) -> None:
            record = state.record
            before = pb.Operation(labels=record.labels, notes=record.notes, display_name=record.display_name)
            for key in request.remove_labels:
                record.labels.pop(key, None)
            record.labels.update(request.set_labels)
            if request.HasField("notes"):
                record.notes = request.notes
            if request.HasField("display_name"):
                record.display_name = request.display_name
            after = pb.Operation(labels=record.labels, notes=record.notes, display_name=record.display_name)
            if after != before:
                record.update_time.FromDatetime(now)

        def check(state: OperationState) -> None:
            labels = ({*state.record.labels} - {*request.remove_labels}) | {*request.set_labels}
            if len(labels) > MOST_LABELS:
                description = f"an operation has at most {MOST_LABELS} labels; this would make {len(labels)}"
                _refuse([FieldViolation("set_labels", description)])

        changed = await self._amendment.change(request.operation_id, change, check=check)
        return self._presenter.present(changed)


def _violations(request: pb.UpdateOperationRequest) -> list[FieldViolation]:
    violations = [*name_violations(request.display_name), *label_violations(request.set_labels, "set_labels")]
    if len(request.notes) > _LONGEST_NOTES:
        violations.append(FieldViolation("notes", f"at most {_LONGEST_NOTES:,} characters"))
    both = [key for key in request.remove_labels if key in request.set_labels]
    return violations + [FieldViolation("remove_labels", f"{key!r} is set as well") for key in both]


def _refuse(violations: list[FieldViolation]) -> None:
    if violations:
        detail = " ".join(f"{field}: {description}." for field, description in violations)
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=violations, detail=detail)
