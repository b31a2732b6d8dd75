"""A limit on streams that stay open, so that forgotten ones can't use the server up."""

import contextlib
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
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = 0

    @property
    def open(self) -> int:
        """Watches that are open now."""
        return self._open

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Count one watch as open while the block runs.

        Raises:
            ServiceError: TOO_MANY_WATCHES; the limit is reached.
        """
        if self._open >= self._limit:
            raise ServiceError(ErrorReason.ERROR_REASON_TOO_MANY_WATCHES, limit=self._limit, retry_after=RETRY_AFTER)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
