"""Remember which sessions have changed, so that an answer looks at no others."""

from services.host.session import HostedSession


class ChangedSessions:
    """The live sessions of a host in the order of their last changes.

    It does not depend on being told of changes: whoever asks for them calls `note` first, which compares the version of
    each session with the one that it had before.

    Attributes:
        revision: Number of the last change that was noted.
    """

    def __init__(self) -> None:
        self.revision = 0
        self._noted: dict[HostedSession, tuple[int, int]] = {}
        """Revision of the last change, and the session's version then; the last change is the last entry."""

    def add(self, session: HostedSession) -> None:
        """A session has come; that is a change."""
        self.revision += 1
        self._noted[session] = (self.revision, session.version)

    def remove(self, session: HostedSession) -> None:
        """A session has finished; that is a change, of which its finish number tells."""
        self.revision += 1
        del self._noted[session]

    def note(self) -> None:
        """Note the sessions that have changed since the last time."""
        changed = [session for session, (_, version) in self._noted.items() if session.version != version]
        for session in changed:
            self.revision += 1
            del self._noted[session]
            self._noted[session] = (self.revision, session.version)

    def since(self, revision: int) -> list[HostedSession]:
        """Return the sessions that have changed after a revision, as far as it was noted, the last change first."""
        found = []
        for session, (changed_at, _) in reversed(self._noted.items()):
            if changed_at <= revision:
                break
            found.append(session)
        return found
