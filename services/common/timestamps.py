"""Times and durations between Python and the contract: aware UTC datetimes and timedeltas."""

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp


def to_timestamp(time: datetime) -> Timestamp:
    """Return an aware datetime as a Timestamp.

    Raises:
        ValueError: The datetime is naive: its instant would depend on the machine.
    """
    if time.tzinfo is None:
        message = f"a naive datetime names no instant: {time.isoformat()}"
        raise ValueError(message)
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp


def to_datetime(timestamp: Timestamp) -> datetime:
    """Return a Timestamp as an aware datetime in UTC, to the microsecond."""
    return timestamp.ToDatetime(tzinfo=UTC)


def to_duration(span: timedelta) -> Duration:
    """Return a timedelta as a Duration."""
    duration = Duration()
    duration.FromTimedelta(span)
    return duration


def seconds_to_duration(seconds: float) -> Duration:
    """Return seconds as a Duration."""
    return to_duration(timedelta(seconds=seconds))


def to_timedelta(duration: Duration) -> timedelta:
    """Return a Duration as a timedelta, to the microsecond."""
    return duration.ToTimedelta()
