"""The sessions that the gateway told, beside the dataset."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from services.common.files import write_atomically
from services.ib_host.ledger.spans import merged, within, without
from services.ib_host.planning.span import Span
from services.ib_host.sessions.session import Session, SessionCalendar, touching

NAME: Final = "schedule.json"


class KeptSession(NamedTuple):
    """One session of the file: as `Session`, with times that JSON can hold."""

    start: AwareDatetime
    end: AwareDatetime
    date: date


class KeptSchedule(BaseModel):
    """What the file says.

    Attributes:
        time_zone: the exchange's; an IANA name.
        asked: for which stretches of time the gateway was asked, ascending.
        sessions: those that it told, ascending.
    """

    model_config = ConfigDict(frozen=True)

    time_zone: str
    asked: tuple[tuple[AwareDatetime, AwareDatetime], ...] = ()
    sessions: tuple[KeptSession, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> "KeptSchedule | None":
        """Read the file of a dataset's folder; None where there is none, or none that can be read."""
        try:
            return cls.model_validate_json((folder / NAME).read_bytes())
        except (OSError, ValidationError):
            return None

    def save(self, folder: Path) -> None:
        """Write the file.

        Raises:
            OSError: it can't be written.
        """
        write_atomically(folder / NAME, self.model_dump_json().encode() + b"\n")

    def unasked(self, start: datetime, end: datetime) -> Sequence[Span]:
        """Return the parts of [start, end) for which the gateway was not asked."""
        return without([Span(start, end)], [Span(*span) for span in self.asked])

    def extended(self, asked: Span, sessions: Sequence[Session]) -> "KeptSchedule":
        """Return the schedule with what the gateway has told now; it overrules what it told before.

        An answer tells the sessions that close in the stretch. One that goes on at its end belongs to a later stretch,
        which may have been asked for before.
        """
        kept = [session for session in self.sessions if not asked.start < session.end <= asked.end]
        kept += [KeptSession(*session) for session in sessions]
        spans = merged([*(Span(*span) for span in self.asked), asked])
        return KeptSchedule(
            time_zone=self.time_zone,
            asked=tuple((span.start, span.end) for span in spans),
            sessions=tuple(sorted(set(kept))),
        )


class ScheduleCalendar:
    """The sessions that the gateway told; where it was not asked, those of another calendar.

    Args:
        schedule: with at least one session.
        zone: of the exchange.
        elsewhere: for other times; None: nothing is known of them.
    """

    def __init__(self, schedule: KeptSchedule, zone: ZoneInfo, elsewhere: SessionCalendar | None) -> None:
        self._schedule = schedule
        self._zone = zone
        self._elsewhere = elsewhere
        self._told = [
            Session(session.start.astimezone(UTC), session.end.astimezone(UTC), session.date)
            for session in schedule.sessions
        ]

    @property
    def name(self) -> str:
        """Where the sessions come from."""
        return "schedule of the gateway" + (f"; for other times {self._elsewhere.name}" if self._elsewhere else "")

    @property
    def zone(self) -> ZoneInfo:
        """The exchange's time zone."""
        return self._zone

    @property
    def knows_holidays(self) -> bool:
        """Whether all sessions are from calendars that know holidays."""
        return self._elsewhere is None or self._elsewhere.knows_holidays

    def sessions(self, start: datetime, end: datetime) -> Sequence[Session]:
        """Return the sessions that touch [start, end)."""
        found = list(touching(self._told, start, end))
        if self._elsewhere is not None:
            for gap in self._schedule.unasked(start, end):
                found += self._of_gap(gap)
        return sorted(set(found))

    def extra(self, start: datetime, end: datetime) -> Sequence[Session]:
        """Return what the other calendar says, where the gateway was not asked."""
        if self._elsewhere is None:
            return ()
        gaps = self._schedule.unasked(start, end)
        return sorted({session for gap in gaps for session in self._elsewhere.extra(gap.start, gap.end)})

    def known(self, start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
        """Return the part of [start, end) from the first to the last time that is known."""
        if self._elsewhere is not None and (known := self._elsewhere.known(start, end)) == (start, end):
            return known
        spans = within([Span(*span) for span in self._schedule.asked], start, end)
        return (spans[0].start, spans[-1].end) if spans else None

    def narrowed(self, start: datetime, end: datetime) -> SessionCalendar:
        """Return the schedule alone, where the other calendar has no session that it leaves open."""
        if self._elsewhere is None:
            return self
        if any(self._of_gap(gap) for gap in self._schedule.unasked(start, end)):
            return self
        return ScheduleCalendar(self._schedule.extended(Span(start, end), self._told), self._zone, None)

    def _of_gap(self, gap: Span) -> Sequence[Session]:
        """Return the other calendar's sessions in a stretch for which the gateway was not asked."""
        if self._elsewhere is None:
            return ()
        sessions = self._elsewhere.sessions(gap.start, gap.end)
        return [session for session in sessions if not touching(self._told, session.start, session.end)]


def days_before(end: datetime, start: datetime) -> int:
    """Return how many days a request up to `end` has to reach back, at least one."""
    return max(1, -(-(end - start) // timedelta(days=1)))
