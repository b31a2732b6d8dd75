"""Look at the journals of live sessions while somebody waits for news."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from services.host.changes import ChangeSignal
from services.host.session_table import SessionTable

LOOK_SECONDS: Final = 0.01


class JournalWatch:
    """Turns what workers write into changes that are noted and signalled.

    A worker tells nobody that it wrote: that is what makes writing cheap. So the host looks, a hundred times a second
    while somebody waits for news, when it answers, and never otherwise.

    Args:
        table: The host's sessions.
        changes: Told of each change.
        before_look: Called before each look: looks for sessions that the host was not told of.
    """

    def __init__(
        self,
        table: SessionTable,
        changes: ChangeSignal,
        before_look: Callable[[], None] = lambda: None,
    ) -> None:
        self._table = table
        self._changes = changes
        self._before_look = before_look
        self._waiting = 0
        self._next: asyncio.TimerHandle | None = None
        self._signalled = 0

    @property
    def is_looking(self) -> bool:
        """Whether anybody waits, and the journals are looked at."""
        return self._next is not None

    def look(self) -> int:
        """Look at all journals now, and note which sessions have changed.

        Returns:
            The revision of the sessions, which changes with each of them.
        """
        for session in self._table.live:
            session.look()
        changed = self._table.changed
        changed.note()
        return changed.revision

    @contextlib.asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Look at the journals while the block runs."""
        self._waiting += 1
        if self._next is None:
            self._signalled = self.look()
            self._look_later()
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting and self._next is not None:
                self._next.cancel()
                self._next = None

    def _look_later(self) -> None:
        # A timer and not a task that sleeps: waking a task takes the event loop longer than the look does.
        self._next = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._look_later()
        self._before_look()
        revision = self.look()
        if revision != self._signalled:
            self._signalled = revision
            self._changes.notify()
