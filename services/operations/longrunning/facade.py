"""The registry as a service of long-running operations."""

from typing import Any

from google.longrunning import operations_pb2 as longrunning
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import ServiceError
from services.operations.cancellation import Cancellation
from services.operations.deletion.deletion import Deletion
from services.operations.inspection import Inspection
from services.operations.listing import Listing
from services.operations.longrunning.names import (
    OperationName,
    check_collection,
    check_whole,
    parse_name,
)
from services.operations.longrunning.translation import earlier_attempt, long_running


class LongRunning:
    """Tells, lists, cancels and deletes operations by their names in the stock contract.

    Args:
        inspection: Tells one.
        listing: Lists them.
        cancellation: Asks them to stop.
        deletion: Removes them.
    """

    def __init__(
        self, inspection: Inspection, listing: Listing, cancellation: Cancellation, deletion: Deletion
    ) -> None:
        self._inspection = inspection
        self._listing = listing
        self._cancellation = cancellation
        self._deletion = deletion

    async def get(self, name: str) -> Any:
        """Return a `google.longrunning.Operation`.

        Raises:
            ServiceError: OPERATION_NOT_FOUND, or INVALID_REQUEST: the text is no name.
        """
        parsed = parse_name(name)
        record, _ = await self._record(parsed)
        return long_running(parsed, record)

    async def page(self, name: str, *, filter_text: str, page_size: int, page_token: str) -> Any:
        """Return a page of operations, newest first, as a `google.longrunning.ListOperationsResponse`.

        Args:
            name: "operations"; empty means the same.
            filter_text: Which operations, in the language of the registry's own lists.
            page_size: Most operations, 0 for 50. The page may be shorter, even empty, and still have a next one.
            page_token: Token of the page, empty for the first.

        Raises:
            ServiceError: FILTER_INVALID, PAGE_TOKEN_INVALID or INVALID_REQUEST.
        """
        check_collection(name)
        page = await self._listing.page(page_size=page_size, page_token=page_token, filter_text=filter_text)
        return longrunning.ListOperationsResponse(
            operations=[long_running(OperationName(record.id), record) for record in page.operations],
            next_page_token=page.next_page_token,
        )

    async def cancel(self, name: str) -> None:
        """Ask an operation to stop; what has ended stays as it is, and so does an attempt that a retry has followed.

        Raises:
            ServiceError: OPERATION_NOT_FOUND or INVALID_REQUEST.
        """
        parsed = parse_name(name)
        _, is_latest = await self._record(parsed)
        if is_latest:
            await self._cancellation.cancel(parsed.operation_id, reason="", urgent=False, attempt=parsed.attempt)

    async def delete(self, name: str) -> None:
        """Remove an operation that has ended, with all its attempts, and its sessions from their hosts.

        Raises:
            ServiceError: OPERATION_NOT_FOUND, WRONG_STATE while it has not ended, or INVALID_REQUEST: the text is no
                name, or that of a single attempt.
        """
        parsed = parse_name(name)
        check_whole(parsed)
        await self._deletion.delete(parsed.operation_id, keep_sessions=False)

    async def _record(self, name: OperationName) -> tuple[pb.Operation, bool]:
        """Return what a name stands for, and whether that is the latest attempt."""
        latest = await self._inspection.get(name.operation_id, max_staleness=None, time_left_seconds=None)
        if name.attempt is None or name.attempt == latest.attempt:
            return latest, True
        if (past := earlier_attempt(latest, name.attempt)) is not None:
            return past, False
        raise ServiceError(
            ErrorReason.ERROR_REASON_OPERATION_NOT_FOUND,
            operation_id=f"{name.operation_id}@{name.attempt}",
            detail=f"Its latest attempt is {latest.attempt}.",
        )
