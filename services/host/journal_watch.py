"""Look at the journals of live sessions while somebody waits for news."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from services.common.clock import Clock
from services.host.changes import ChangeSignal
from services.host.session_table import SessionTable

LOOK_SECONDS: Final = 0.01


class JournalWatch:
    """Turns what workers write into change signals.

    A worker tells nobody that it wrote: that is what makes writing cheap. So the host looks, a hundred times a second
    while somebody waits for news, and never otherwise.

    Args:
        table: The host's sessions.
        changes: Told of each change.
        clock: For the pauses between looks.
    """

    def __init__(self, table: SessionTable, changes: ChangeSignal, clock: Clock) -> None:
        self._table = table
        self._changes = changes
        self._clock = clock
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None
        self._tokens: dict[str, int] = {}

    @property
    def is_looking(self) -> bool:
        """Whether anybody waits, and the journals are looked at."""
        return self._task is not None

    @contextlib.asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Look at the journals while the block runs."""
        self._waiting += 1
        if self._task is None:
            self._tokens = self._look()
            self._task = asyncio.create_task(self._keep_looking(), name="journal-watch")
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting and self._task is not None:
                task, self._task = self._task, None
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _keep_looking(self) -> None:
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            tokens = self._look()
            if tokens != self._tokens:
                self._tokens = tokens
                self._changes.notify()

    def _look(self) -> dict[str, int]:
        return {session.id: session.journal_token() for session in self._table.live}
