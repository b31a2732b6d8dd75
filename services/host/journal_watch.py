"""Look at the journals of live sessions while somebody waits for news."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Final

from services.host.changes import ChangeSignal
from services.host.journal_glance import JournalGlance
from services.host.session import HostedSession
from services.host.session_table import SessionTable

LOOK_SECONDS: Final = 0.01
_LOOK_AT_EACH_SECONDS: Final = 0.5


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
        self._glance: JournalGlance[HostedSession] = JournalGlance()
        self._alone: list[HostedSession] = []
        self._live_version = -1
        self._look_at_each_at = 0.0

    @property
    def is_looking(self) -> bool:
        """Whether anybody waits, and the journals are looked at."""
        return self._next is not None

    def look(self) -> int:
        """Look at all journals now, and note which sessions have changed.

        Returns:
            The revision of the sessions, which changes with each of them.
        """
        if self._live_version != self._table.live_version or monotonic() >= self._look_at_each_at:
            self._look_at_each()
        else:
            for session, words, found in self._glance.look():
                session.look(found)
                journal = session.journal()
                if journal is None or journal.words is not words:
                    self._watch(session)
            for session in self._alone:
                session.look()
            if len(self._glance) + len(self._alone) != len(self._table.live):
                self._look_at_each_at = 0.0  # something became of a file: the next look is at each by itself
        changed = self._table.changed
        changed.note()
        return changed.revision

    def close(self) -> None:
        """Let go of the journals; they can be looked at again."""
        self._glance.close()
        self._live_version = -1

    def _look_at_each(self) -> None:
        """Look at each journal by itself: it may be new, or another file may have taken its place."""
        self._live_version = self._table.live_version
        self._look_at_each_at = monotonic() + _LOOK_AT_EACH_SECONDS
        live = set(self._table.live)
        self._glance.keep(live)
        for session in live:
            session.look()
            self._watch(session)
        self._alone = [session for session in live if session not in self._glance]

    def _watch(self, session: HostedSession) -> None:
        journal = session.journal()
        self._glance.watch(session, None if journal is None else journal.words)

    @contextlib.asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Look at the journals while the block runs."""
        self._waiting += 1
        try:
            if self._next is None:
                self._signalled = self.look()
                self._look_later()
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
