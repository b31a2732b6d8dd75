"""What a loop reports to where a session can't be recorded: nothing happens, and the loop goes on."""

from collections.abc import Mapping

from ktrdr_bridge.control import StopRequest
from ktrdr_bridge.session_bridge import SessionBridge
from ktrdr_bridge.session_end import Outcome


class UnrecordedSession(SessionBridge):
    """A session that exists nowhere but in this loop: `recording` is False, `folder` is None, and reports are dropped.

    Args:
        session_id: Id that the session would have.
        name: Its name for people.
    """

    def __init__(self, session_id: str, name: str) -> None:  # nothing of a journal's bridge is needed here
        self.session_id, self.name, self.incarnation = session_id, name, ""

    @property
    def recording(self) -> bool:
        """False: nothing is recorded."""
        return False

    @property
    def cancelled(self) -> bool:
        """False: nobody knows of the session, so nobody can ask it to stop."""
        return False

    @property
    def stop_request(self) -> StopRequest | None:
        """None, for the same reason."""
        return None

    def raise_if_cancelled(self) -> None:
        """Do nothing."""

    def set_phase(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        """Do nothing."""

    def advance(self, completed: int, *, step: str = "") -> None:
        """Do nothing."""

    def expect(self, total: int, *, rest_seconds: float | None = None) -> None:
        """Do nothing."""

    def wait_reason(self, text: str) -> None:
        """Do nothing."""

    def on_batch(self, batch: int, total: int, metrics: Mapping[str, float]) -> None:
        """Do nothing."""

    def on_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Do nothing."""

    def on_rows(self, completed: int, *, rows: int, step: str = "", metrics: Mapping[str, float] | None = None) -> None:
        """Do nothing."""

    def close(self, outcome: Outcome | None = None, *, exception: str = "") -> None:
        """Do nothing."""
