"""How a call to a host can end other than well."""

from datetime import timedelta

from google.rpc import status_pb2


class HostCallError(Exception):
    """A call to a host did not bring what it was made for.

    Attributes:
        problem: What happened and what to do, for people.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class HostDoesNotAnswer(HostCallError):
    """No answer came, or none that a working host gives. What became of the request is not known."""


class HostRefuses(HostCallError):
    """The host says no, and will say so again.

    Attributes:
        status: Its answer.
    """

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self.status = status


class HostHasNoRoom(HostCallError):
    """The host says no for now.

    Attributes:
        retry_after: When it asks to be asked again; None if it does not say.
    """

    def __init__(self, problem: str, retry_after: timedelta | None) -> None:
        super().__init__(problem)
        self.retry_after = retry_after


class CursorRejected(HostCallError):
    """The host does not know the cursor: the reading begins again."""


class SessionUnknown(HostCallError):
    """The host has no such session."""
