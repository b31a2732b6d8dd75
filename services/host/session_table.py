"""All sessions of a host, in the orders that they are asked for."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterator, Sequence
from operator import attrgetter
from typing import Final

from services.host.changed_sessions import ChangedSessions
from services.host.session import HostedSession

_NUMBER: Final = attrgetter("number")


class SessionTable:
    """Sessions by id, by age, and by when they finished. Looking for news costs nothing for what finished long ago.

    Attributes:
        changed: The live ones by their last change.
        live_version: Another number whenever other sessions are live.
        removals: Number of sessions that were taken out.
    """

    def __init__(self) -> None:
        self.changed = ChangedSessions()
        self.live_version = 0
        self.removals = 0
        self._by_id: dict[str, HostedSession] = {}
        self._by_number: list[HostedSession] = []
        self._live: dict[str, HostedSession] = {}
        self._finished: list[HostedSession] = []

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._by_id

    def __iter__(self) -> Iterator[HostedSession]:
        return iter(self._by_number)

    def add(self, session: HostedSession) -> None:
        """Add a session, finished or not."""
        self._by_id[session.id] = session
        insort(self._by_number, session, key=_NUMBER)
        if session.settled is None:
            self._live[session.id] = session
            self.live_version += 1
            self.changed.add(session)
        else:
            insort(self._finished, session, key=_finish_number)

    def finish(self, session: HostedSession) -> None:
        """Move a session that was settled to the finished ones."""
        del self._live[session.id]
        self.live_version += 1
        self.changed.remove(session)
        insort(self._finished, session, key=_finish_number)

    def remove(self, session: HostedSession) -> None:
        """Take out a session that has finished; readers that know it are told that it is gone."""
        self.removals += 1
        del self._by_id[session.id]
        self._by_number.remove(session)
        self._finished.remove(session)

    def get(self, session_id: str) -> HostedSession | None:
        """Return the session of this id."""
        return self._by_id.get(session_id)

    @property
    def live(self) -> Collection[HostedSession]:
        """Sessions that have not finished."""
        return self._live.values()

    @property
    def finished(self) -> Sequence[HostedSession]:
        """Sessions that have finished, in the order they did."""
        return self._finished

    @property
    def last_finish_number(self) -> int:
        """The highest finish number of all sessions; 0 while none has finished."""
        return _finish_number(self._finished[-1]) if self._finished else 0

    def live_among(self, ids: Collection[str] | None) -> list[HostedSession]:
        """Return the sessions that have not finished; None stands for all ids."""
        if ids is None:
            return list(self._live.values())
        return [session for session in map(self._live.get, sorted(ids)) if session is not None]

    def finished_after(self, finish_number: int, ids: Collection[str] | None) -> list[HostedSession]:
        """Return the sessions that finished after the one with this number, in the order they did.

        Args:
            finish_number: The number.
            ids: Only these sessions; None for all.
        """
        if ids is None:
            return self._finished[bisect_right(self._finished, finish_number, key=_finish_number) :]
        chosen = [session for session in map(self._by_id.get, ids) if session is not None]
        return sorted((each for each in chosen if _finish_number(each) > finish_number), key=_finish_number)

    def older_than(self, number: int | None, count: int) -> Sequence[HostedSession]:
        """Return up to `count` sessions that were accepted before number `number` (None: all), newest first."""
        end = len(self._by_number) if number is None else bisect_left(self._by_number, number, key=_NUMBER)
        return self._by_number[max(0, end - count) : end][::-1]


def _finish_number(session: HostedSession) -> int:
    return 0 if session.settled is None else session.settled.finish_number
