"""Queries for history that have not been answered yet."""

import asyncio
from collections.abc import Coroutine

import structlog

_LOG = structlog.get_logger(__name__)
_NOT_KEPT = object()


class OpenQueries:
    """The open queries of one client, by request id.

    A query is open until it is answered or cancelled; one that is to be kept up to date stays open after its answer.
    """

    def __init__(self) -> None:
        self._tasks: dict[int, asyncio.Task[None] | None] = {}

    def __contains__(self, request_id: int) -> bool:
        return request_id in self._tasks

    @property
    def ids(self) -> frozenset[int]:
        """The request ids in use."""
        return frozenset(self._tasks)

    def keep(self, request_id: int) -> None:
        """Keep a query open that has been answered."""
        self._tasks[request_id] = None

    def start(self, request_id: int, work: Coroutine[None, None, None]) -> None:
        """Open a query whose answer `work` sends; it is done when that returns, unless it was kept meanwhile."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[request_id] = task
        task.add_done_callback(lambda done: self._forget(request_id, done))

    def cancel(self, request_id: int) -> bool:
        """End a query without an answer; return whether it was open."""
        if request_id not in self._tasks:
            return False
        task = self._tasks.pop(request_id)
        if task is not None:
            task.cancel()
        return True

    def release(self, request_id: int) -> bool:
        """Give an id free whose query was kept open; return whether it was."""
        if self._tasks.get(request_id, _NOT_KEPT) is not None:
            return False
        del self._tasks[request_id]
        return True

    def lose_all(self) -> None:
        """Keep all queries open that are still to be answered, and never answer them."""
        for request_id, task in list(self._tasks.items()):
            self._tasks[request_id] = None
            if task is not None:
                task.cancel()

    async def cancel_all(self) -> None:
        """End all queries and wait for their work to stop."""
        tasks = [task for task in self._tasks.values() if task is not None]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, request_id: int, task: asyncio.Task[None]) -> None:
        if self._tasks.get(request_id) is task:
            del self._tasks[request_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("query_failed", request_id=request_id, exc_info=error)
