"""Calls that read operations."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Final

from ktrdr.operations.v1 import operations_pb2 as pb

from ktrdr_client.topics.connection import Connection

_PAGE_SIZE: Final = 200


class ReadingCalls(Connection):
    """Tells operations, one or many."""

    async def get(self, operation_id: str, *, max_staleness: timedelta | None = None) -> pb.Operation:
        """Return one operation.

        Args:
            operation_id: Its complete id.
            max_staleness: If what the registry knows is older, the operation's host is asked first.

        Raises:
            NotFound: There is no such operation.
            Unavailable: Its host had to be asked and does not answer.
        """
        request = pb.GetOperationRequest(operation_id=operation_id)
        if max_staleness is not None:
            request.max_staleness.FromTimedelta(max_staleness)
        return await self._call(self._stub.GetOperation, request)

    async def list(
        self, filter_text: str = "", *, order_by: str = "", page_size: int = _PAGE_SIZE
    ) -> AsyncGenerator[pb.Operation, None]:
        """Yield operations, newest first unless asked otherwise, over all pages.

        Args:
            filter_text: Only those that match: 'state = RUNNING AND type = TRAINING'.
            order_by: Fields, such as "state, create_time desc".
            page_size: How many are fetched at a time.

        Raises:
            InvalidArgument: The filter or the order cannot be understood; the message shows where.
        """
        token = ""
        while True:
            page = await self.list_page(filter_text, order_by=order_by, page_size=page_size, page_token=token)
            for operation in page.operations:
                yield operation
            token = page.next_page_token
            if not token:
                return

    async def list_page(
        self, filter_text: str = "", *, order_by: str = "", page_size: int = 0, page_token: str = ""
    ) -> pb.ListOperationsResponse:
        """Return one page of operations, with the token of the next one and the revision to watch from.

        A page may be shorter than asked for, even empty, and still have a next one: a filter that no index serves is
        looked for in steps of a bounded time.

        Raises:
            InvalidArgument: The filter, the order or the page token cannot be understood.
        """
        request = pb.ListOperationsRequest(
            page_size=page_size, page_token=page_token, filter=filter_text, order_by=order_by
        )
        return await self._call(self._stub.ListOperations, request)
