"""Queries for history that have not been answered yet."""

import asyncio
from collections.abc import Callable, Coroutine

import structlog

from services.ib_host.replay.journal import QueryChange

_LOG = structlog.get_logger(__name__)
_NOT_KEPT = object()


class OpenQueries:
    """The open queries of one client, by request id.

    A query is open until it is answered or cancelled; one that is to be kept up to date stays open after its answer.

    Args:
        changed: is told the id of each query that begins or ends, and how.
    """

    def __init__(self, changed: Callable[[int, QueryChange], None] | None = None) -> None:
        self._tasks: dict[int, asyncio.Task[None] | None] = {}
        self._changed = changed or (lambda _request_id, _change: None)

    def __contains__(self, request_id: int) -> bool:
        return request_id in self._tasks

    @property
    def ids(self) -> frozenset[int]:
        """The request ids in use."""
        return frozenset(self._tasks)

    def keep(self, request_id: int) -> None:
        """Keep a query open that has been answered, or is not answered yet."""
        self._open(request_id, None)

    def start(self, request_id: int, work: Coroutine[None, None, None]) -> None:
        """Open a query whose answer `work` sends; it is done when that returns, unless it was kept meanwhile."""
        task = asyncio.get_running_loop().create_task(work)
        self._open(request_id, task)
        task.add_done_callback(lambda done: self._forget(request_id, done))

    def cancel(self, request_id: int) -> bool:
        """End a query without an answer; return whether it was open."""
        if request_id not in self._tasks:
            return False
        task = self._tasks.pop(request_id)
        self._changed(request_id, "cancelled")
        if task is not None:
            task.cancel()
        return True

    def release(self, request_id: int, change: QueryChange = "resumed") -> bool:
        """Give an id free whose query was kept open; return whether it was.

        Args:
            request_id: of the query.
            change: what has become of it.
        """
        if self._tasks.get(request_id, _NOT_KEPT) is not None:
            return False
        del self._tasks[request_id]
        self._changed(request_id, change)
        return True

    def lose_all(self) -> None:
        """Keep all queries open that are still to be answered, and never answer them."""
        for request_id, task in list(self._tasks.items()):
            self._tasks[request_id] = None
            if task is not None:
                task.cancel()

    async def cancel_all(self) -> None:
        """End all queries and wait for their work to stop."""
        open_now, self._tasks = self._tasks, {}
        for request_id in open_now:
            self._changed(request_id, "dropped")
        tasks = [task for task in open_now.values() if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _open(self, request_id: int, task: asyncio.Task[None] | None) -> None:
        is_new = request_id not in self._tasks
        self._tasks[request_id] = task
        if is_new:
            self._changed(request_id, "opened")

    def _forget(self, request_id: int, task: asyncio.Task[None]) -> None:
        if self._tasks.get(request_id) is task:
            del self._tasks[request_id]
            self._changed(request_id, "answered")
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("query_failed", request_id=request_id, exc_info=error)
