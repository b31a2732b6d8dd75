"""Remember which sessions have changed, so that an answer looks at no others."""

from services.host.session import HostedSession


class ChangedSessions:
    """The live sessions of a host in the order of their last changes.

    Sessions report here that they have changed. Whoever asks for them calls `note` first.

    Attributes:
        revision: Number of the last change that was noted.
    """

    def __init__(self) -> None:
        self.revision = 0
        self._reported: set[HostedSession] = set()
        self._noted: dict[HostedSession, int] = {}
        """Revision of the last change; the last change is the last entry."""

    def add(self, session: HostedSession) -> None:
        """A session has come; that is a change."""
        self.revision += 1
        self._noted[session] = self.revision
        session.report_to(self._reported)

    def remove(self, session: HostedSession) -> None:
        """A session has finished; that is a change, of which its finish number tells."""
        self.revision += 1
        del self._noted[session]
        session.report_to(None)
        self._reported.discard(session)

    def note(self) -> None:
        """Note the sessions that have changed since the last time."""
        if not self._reported:
            return
        for session in self._reported:
            self.revision += 1
            del self._noted[session]
            self._noted[session] = self.revision
        self._reported.clear()

    def since(self, revision: int) -> list[HostedSession]:
        """Return the sessions that have changed after a revision, as far as it was noted, the last change first."""
        found = []
        for session, changed_at in reversed(self._noted.items()):
            if changed_at <= revision:
                break
            found.append(session)
        return found
