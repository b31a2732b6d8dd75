"""A limit on streams that stay open, so that forgotten ones can't use the server up."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError

RETRY_AFTER: Final = timedelta(seconds=10)


class WatchLimit:
    """Counts open watches.

    Args:
        limit: How many may be open at the same time.
        for_each_client: How many of them may be of one client, None for all.
    """

    def __init__(self, limit: int, *, for_each_client: int | None = None) -> None:
        self._limit = limit
        self._for_each_client = for_each_client
        self._open = 0
        self._by_client: Counter[str] = Counter()

    @property
    def open(self) -> int:
        """Watches that are open now."""
        return self._open

    @contextlib.contextmanager
    def hold(self, client: str = "") -> Iterator[None]:
        """Count one watch as open while the block runs.

        Args:
            client: Whose it is: the connection that it came by (`ServicerContext.peer`). Empty: nobody's in particular.

        Raises:
            ServiceError: TOO_MANY_WATCHES; a limit is reached.
        """
        self._check(client)
        self._open += 1
        self._by_client[client] += 1
        try:
            yield
        finally:
            self._open -= 1
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]

    def _check(self, client: str) -> None:
        reason = ErrorReason.ERROR_REASON_TOO_MANY_WATCHES
        if self._open >= self._limit:
            raise ServiceError(reason, limit=self._limit, retry_after=RETRY_AFTER)
        most = self._for_each_client
        if client and most is not None and self._by_client[client] >= most:
            detail = f"This connection has {most} of them open, which is as many as one may have."
            raise ServiceError(reason, limit=most, detail=detail, retry_after=RETRY_AFTER)
