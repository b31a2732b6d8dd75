"""All sessions of a host, in the orders that they are asked for."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Iterator, Sequence

from services.host.session import HostedSession


class SessionTable:
    """Sessions by id, by age, and by when they finished. Looking for news costs nothing for what finished long ago."""

    def __init__(self) -> None:
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
        insort(self._by_number, session, key=_number)
        if session.settled is None:
            self._live[session.id] = session
        else:
            insort(self._finished, session, key=_finish_number)

    def finish(self, session: HostedSession) -> None:
        """Move a session that was settled to the finished ones."""
        del self._live[session.id]
        insort(self._finished, session, key=_finish_number)

    def get(self, session_id: str) -> HostedSession | None:
        """Return the session of this id."""
        return self._by_id.get(session_id)

    @property
    def live(self) -> Collection[HostedSession]:
        """Sessions that have not finished."""
        return self._live.values()

    @property
    def last_finish_number(self) -> int:
        """The highest finish number of all sessions; 0 while none has finished."""
        return _finish_number(self._finished[-1]) if self._finished else 0

    def unread(self, finished_through: int, ids: Collection[str] | None) -> Iterable[HostedSession]:
        """Return what a reader may have news of who has read all that finished with this number or before.

        Args:
            finished_through: Finish number up to which the reader has read everything.
            ids: Only these sessions; None for all.

        Returns:
            Finished sessions first, in the order they finished, then the live ones.
        """
        if ids is None:
            start = bisect_right(self._finished, finished_through, key=_finish_number)
            return [*self._finished[start:], *self._live.values()]
        chosen = [session for session in map(self._by_id.get, sorted(ids)) if session is not None]
        finished = [
            each for each in chosen if each.settled is not None and each.settled.finish_number > finished_through
        ]
        return [*sorted(finished, key=_finish_number), *(each for each in chosen if each.settled is None)]

    def older_than(self, number: int | None, count: int) -> Sequence[HostedSession]:
        """Return up to `count` sessions that were accepted before number `number` (None: all), newest first."""
        end = len(self._by_number) if number is None else bisect_left(self._by_number, number, key=_number)
        return self._by_number[max(0, end - count) : end][::-1]


def _number(session: HostedSession) -> int:
    return session.record.number


def _finish_number(session: HostedSession) -> int:
    return 0 if session.settled is None else session.settled.finish_number
