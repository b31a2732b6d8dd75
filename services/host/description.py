"""Describe a session for somebody who asks for it alone."""

from datetime import datetime

from ktrdr.host.v1.session_pb2 import Session

from services.host.session import HostedSession, Snapshot


def describe(session: HostedSession, now: datetime) -> Session:
    """Return the session's message with its spec, without points.

    Args:
        session: The session.
        now: The time, for the age of what the worker wrote.
    """
    snapshot = session.snapshot()
    message = Session()
    message.CopyFrom(snapshot.message)
    message.spec.CopyFrom(session.spec)
    set_age(message, snapshot, now)
    return message


def set_age(message: Session, snapshot: Snapshot, now: datetime) -> None:
    """Tell how long the worker has written nothing, by the clock that it wrote the time with."""
    if snapshot.updated_ns:
        age = max(0, int(now.timestamp() * 1e9) - snapshot.updated_ns)
        message.progress.age.FromNanoseconds(age)
