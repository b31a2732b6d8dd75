"""The clients of a gateway, by their ids."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from services.ib_host.replay.background import Background
from services.ib_host.replay.errors import NOT_A_REQUEST, RequestRefused

if TYPE_CHECKING:  # a session enters itself here
    from services.ib_host.replay.session import Session


class Clients:
    """Which client ids are in use.

    Args:
        background: for ids that are given back later.
    """

    def __init__(self, background: Background) -> None:
        self._background = background
        self._sessions: dict[int, Session] = {}
        self._keep_seconds: dict[int, float] = {}

    @property
    def ids(self) -> frozenset[int]:
        """The ids in use."""
        return frozenset(self._sessions)

    @property
    def sessions(self) -> Mapping[int, "Session"]:
        """The sessions, by client id."""
        return self._sessions

    @property
    def open_queries(self) -> frozenset[tuple[int, int]]:
        """Queries for history without an answer yet, as (client id, request id)."""
        return frozenset(
            (client_id, request_id)
            for client_id, session in self._sessions.items()
            for request_id in session.queries.ids
        )

    @property
    def open_count(self) -> int:
        """Requests that count as open with IB: queries for history, and head timestamps that were not cancelled."""
        return sum(len(session.queries.ids) + len(session.head_timestamps) for session in self._sessions.values())

    def enter(self, client_id: int, session: "Session") -> bool:
        """Take a client id for a session; False when another connection has it."""
        return self._sessions.setdefault(client_id, session) is session

    def keep_id(self, client_id: int, seconds: float) -> None:
        """Keep an id taken for a while after its client has left."""
        self._keep_seconds[client_id] = seconds

    def keep_ids(self, seconds: float) -> None:
        """Keep the ids of all present clients taken for a while after they have left."""
        for client_id in self._sessions:
            self.keep_id(client_id, seconds)

    def leave(self, client_id: int) -> None:
        """Give a client id back, at once or, where it is to be kept taken, later."""
        seconds = self._keep_seconds.pop(client_id, 0.0)
        if seconds:
            self._background.later(seconds, lambda: self._give_back(client_id))
        else:
            self._give_back(client_id)

    def tell_all(self, notice: RequestRefused) -> None:
        """Send a notice to every client."""
        for session in self._sessions.values():
            session.refuse(NOT_A_REQUEST, notice)

    def lose_queries(self) -> None:
        """Make all open queries such that are never answered."""
        for session in self._sessions.values():
            session.queries.lose_all()

    def _give_back(self, client_id: int) -> None:
        del self._sessions[client_id]
