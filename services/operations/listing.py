"""Lists of operations."""

from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import FieldViolation, ServiceError
from services.common.timestamps import to_datetime
from services.operations.filter_errors import requested_filter
from services.operations.filters import Expression, matches
from services.operations.live_operation import LiveOperation
from services.operations.message_size import MESSAGE_BYTES
from services.operations.operation_state import OperationState, microseconds
from services.operations.page_tokens import decode_page_token, encode_page_token
from services.operations.presenter import Presenter
from services.operations.registry import Registry
from services.operations.store_reader import Place, StoreReader

DEFAULT_PAGE: Final = 50
LARGEST_PAGE: Final = 500


class Listing:
    """Lists operations, newest first: those at work from memory, those that have ended from the store.

    Args:
        registry: The operations.
        reader: Questions to the store.
        presenter: Tells operations.
    """

    def __init__(self, registry: Registry, reader: StoreReader, presenter: Presenter) -> None:
        self._registry = registry
        self._reader = reader
        self._presenter = presenter

    async def page(self, *, page_size: int, page_token: str, filter_text: str) -> pb.ListOperationsResponse:
        """Return a page of operations.

        Args:
            page_size: Most operations, 0 for 50; more than 500 count as 500. The page may be shorter, to fit a message.
            page_token: Token of the page, empty for the first.
            filter_text: Which operations.

        Raises:
            ServiceError: FILTER_INVALID, PAGE_TOKEN_INVALID or INVALID_REQUEST.
        """
        limit = checked_page_size(page_size)
        expression = requested_filter(filter_text)
        binding = f"operations\0{filter_text}"
        revision, before = self._registry.revisions.visible, None
        if page_token:
            first_revision, created_us, operation_id = decode_page_token(binding, page_token, (int, int, str))
            revision, before = int(first_revision), Place(int(created_us), str(operation_id))
        found = await self._found(expression, before, limit + 1)
        response = pb.ListOperationsResponse(revision=revision)
        size, last = 0, Place(0, "")
        for place, operation in found:
            told = self._presenter.present(operation)
            size += told.ByteSize()
            if len(response.operations) == limit or (response.operations and size > MESSAGE_BYTES):
                response.next_page_token = encode_page_token(binding, [revision, *last])
                break
            response.operations.append(told)
            last = place
        return response

    async def _found(
        self, expression: Expression, before: Place | None, limit: int
    ) -> list[tuple[Place, LiveOperation | OperationState]]:
        # Memory first: what ends in between is then in both, and never in neither.
        live = [
            (place, operation)
            for place, operation in ((place_of(one.record), one) for one in self._registry.live.values())
            if not operation.hidden and (before is None or place < before) and matches(expression, operation.record)
        ]
        ended = await self._reader.ended_before(before, expression, limit)
        found: dict[Place, LiveOperation | OperationState] = dict(live)
        found.update({place_of(state.record): state for state in ended})
        return sorted(found.items(), key=lambda item: item[0], reverse=True)[:limit]


def place_of(record: pb.Operation) -> Place:
    """Return the place of an operation in lists."""
    return Place(microseconds(to_datetime(record.create_time)), record.id)


def checked_page_size(page_size: int, *, default: int = DEFAULT_PAGE, largest: int = LARGEST_PAGE) -> int:
    """Return the number of entries for a page.

    Raises:
        ServiceError: INVALID_REQUEST: it is negative.
    """
    if page_size < 0:
        fields = [FieldViolation("page_size", f"0 for {default}, or 1 to {largest}")]
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=fields)
    return min(page_size or default, largest)
