"""A replay gateway that misbehaves on cue."""

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from services.ib_host.replay.errors import NOT_A_REQUEST, RequestRefused
from services.ib_host.replay.fields import FieldReader
from services.ib_host.replay.messages import Inbound, Outbound
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.session import Session
from services.ib_host.replay.settings import ReplaySettings

Action = Callable[[Session, int], None]
"""What is done with a request instead of answering it: given the client's session and the request's id."""

_BEFORE_ID = {Inbound.CONTRACT_DETAILS: 1, Inbound.CANCEL_HISTORICAL_DATA: 1}


class FaultyGateway(ReplayServer):
    """The replay gateway, with actions that replace its next answers."""

    def __init__(self, *, port: int = 0, **settings: Any) -> None:
        super().__init__(ReplaySettings(port=port, **settings))
        self._actions: defaultdict[int, deque[Action | None]] = defaultdict(deque)
        self._handlers = {
            number: _Scripted(number, handler, self._actions[number]) for number, handler in self._handlers.items()
        }

    def on(self, message: Inbound, *actions: Action | None) -> None:
        """Replace the answers to the next requests of a kind, one action each; None answers as usual."""
        self._actions[message].extend(actions)

    def tell(self, code: int, text: str) -> None:
        """Send a notice to every client."""
        for session in self._sessions.values():
            session.refuse(NOT_A_REQUEST, RequestRefused(code, text))

    def requests(self, message: Inbound) -> list[tuple[str, ...]]:
        """Return the fields of all requests of a kind so far."""
        return [frame.fields for frame in self.journal.of(message)]


def error(code: int, text: str) -> Action:
    """Answer with an error."""
    return lambda session, request_id: session.refuse(request_id, RequestRefused(code, text))


def silence(_session: Session, _request_id: int) -> None:
    """Never answer."""


def hang_up(session: Session, _request_id: int) -> None:
    """Reset the connection instead of answering."""
    session.connection.abort()


def garbage(session: Session, request_id: int) -> None:
    """Answer with one bar whose numbers are none."""
    session.connection.send([Outbound.HISTORICAL_DATA, request_id, "", "", 1, "20120102", *["rubbish"] * 7])


class _Scripted:
    def __init__(self, number: int, usual: Any, actions: "deque[Action | None]") -> None:
        self._number = number
        self._usual = usual
        self._actions = actions

    def handle(self, session: Session, fields: FieldReader) -> None:
        action = self._actions.popleft() if self._actions else None
        if action is None:
            self._usual.handle(session, fields)
            return
        fields.skip(_BEFORE_ID.get(Inbound(self._number), 0))
        action(session, fields.read_request_id())
