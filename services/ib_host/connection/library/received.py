"""What the client library takes and delivers."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from services.ib_host.connection.library.installed import LIBRARY

if TYPE_CHECKING:
    from services.ib_host.store.columns import ReceivedBar


def new_contract(**fields: str | int) -> Any:
    """Return a contract of the library with these fields."""
    return LIBRARY.Contract(**fields)


def received_bars(answer: Any) -> "Sequence[ReceivedBar]":
    """Return the bars of an answer to a request for history."""
    bars: Sequence[ReceivedBar] = answer
    return bars


class ReceivedSession(NamedTuple):
    """A session of an instrument.

    Attributes:
        start: its opening, UTC.
        end: its closing, UTC.
        date: which it counts for, at the exchange.
    """

    start: datetime
    end: datetime
    date: date


def received_sessions(answer: Any) -> Sequence[ReceivedSession]:
    """Return the sessions of an answer to a request for a schedule, in its order.

    Raises:
        ValueError: they can't be read, or are told in a zone that this machine does not know.
    """
    try:
        zone = ZoneInfo(answer.timeZone)
        return [
            ReceivedSession(
                _local(session.startDateTime, zone),
                _local(session.endDateTime, zone),
                datetime.strptime(session.refDate, "%Y%m%d").replace(tzinfo=UTC).date(),
            )
            for session in answer.sessions
        ]
    except (AttributeError, KeyError, OSError, TypeError) as error:
        message = f"the schedule can't be read: {error}"
        raise ValueError(message) from error


def received_head(answer: Any) -> datetime:
    """Return the instant (UTC) of an answer to a request for the begin of a history.

    Raises:
        ValueError: it can't be read.
    """
    if not isinstance(answer, datetime):
        message = f"{answer!r} is no time at which a history begins"
        raise ValueError(message)  # noqa: TRY004 -- what a gateway sends is a value; its type is the library's choice
    return answer.replace(tzinfo=UTC) if answer.tzinfo is None else answer.astimezone(UTC)


def _local(text: str, zone: ZoneInfo) -> datetime:
    return datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=zone).astimezone(UTC)
