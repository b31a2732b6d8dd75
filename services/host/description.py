"""Describe a session for somebody who asks for it alone."""

from datetime import datetime, timedelta

from ktrdr.host.v1.session_pb2 import Session

from services.host.session import HostedSession
from services.host.snapshot import Snapshot


def describe(session: HostedSession, now: datetime) -> Session:
    """Return the session's message as it is now, with its spec, without points.

    Args:
        session: The session.
        now: The time, for the age of what the worker wrote.
    """
    session.look()
    snapshot = session.snapshot()
    message = snapshot.message
    message.spec.CopyFrom(session.spec)
    set_age(message, snapshot, now, int(now.timestamp() * 1e9))
    return message


def set_age(message: Session, snapshot: Snapshot, now: datetime, now_ns: int) -> None:
    """Tell what depends on the time of the answer and is no change of the session.

    Args:
        message: Gets how long the worker has written nothing (by the clock that it wrote the time with), the estimate,
            and the time that is left to the next stage of a request to stop and to the session's time limit.
        snapshot: What the message was made from.
        now: The time.
        now_ns: The same in Unix nanoseconds.
    """
    if snapshot.next_stage_at is not None:
        message.cancel_grace_left.FromTimedelta(max(timedelta(), snapshot.next_stage_at - now))
    if snapshot.ends_at is not None:
        message.time_left.FromTimedelta(max(timedelta(), snapshot.ends_at - now))
    if snapshot.updated_ns:
        age = message.progress.age
        age.seconds, age.nanos = divmod(max(0, now_ns - snapshot.updated_ns), 10**9)
    if snapshot.eta_seconds is not None:
        eta = message.progress.eta
        eta.seconds, eta.nanos = divmod(int(snapshot.eta_seconds * 1e9), 10**9)
