"""What loads keep of the gateway's schedules: asked for once, extended later, and never in the way of a load."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.connection.library import ReceivedSession
from services.ib_host.loading.persistence import Persistence
from services.ib_host.planning.span import Span
from services.ib_host.requests.answers import InstrumentDetails
from services.ib_host.requests.failures import FailureKind, GatewayFailure
from services.ib_host.requests.gateway_requests import GatewayRequests
from services.ib_host.sessions.choice import calendar_for, knows_exchange
from services.ib_host.sessions.keeping import keep_hours
from services.ib_host.sessions.kept_schedule import KeptSchedule
from services.ib_host.sessions.session import Session
from tests.support.checked_datasets import key_of

T = TypeVar("T")
DAY = timedelta(days=1)
START, END = datetime(2011, 1, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC)
HOURS = "20130301:0800-20130301:1700;20130304:0800-20130304:1700"


class Schedules:
    """A gateway that tells sessions from 8:00 to 17:00 UTC on every weekday but those that it skips."""

    def __init__(self, first: datetime = datetime(2000, 1, 3, tzinfo=UTC), failure: FailureKind | None = None) -> None:
        self.asked: list[tuple[datetime, str]] = []
        self._first = first
        self._failure = failure

    async def schedule(self, _instrument: Any, use_rth: bool, *, end: datetime, duration: str, waiting: Any) -> Any:
        assert use_rth
        assert waiting is not None
        if self._failure is not None:
            raise GatewayFailure(self._failure, "no")
        self.asked.append((end, duration))
        day = max(self._first, end - int(duration.split(maxsplit=1)[0]) * DAY).replace(hour=0)
        found = []
        while day < end:
            if day.weekday() < 5 and day.date() != date(2012, 12, 25):
                found.append(ReceivedSession(day + timedelta(hours=8), day + timedelta(hours=17), day.date()))
            day += DAY
        return [session for session in found if session.end <= END]


class Once:
    """Asks once."""

    async def ask(self, request: Callable[[], Awaitable[T]], **_: Any) -> T:
        return await request()


def key(exchange: str = "NOWHERE", **more: Any) -> bars_pb2.DatasetKey:
    return key_of("XYZ", primary_exchange=exchange, time_zone="UTC", **more)


async def keep(
    schedules: Schedules, folder: Path, kept: bars_pb2.DatasetKey, start: datetime = START, end: datetime = END
) -> None:
    details = InstrumentDetails(kept.instrument, HOURS, HOURS, 0.01, "", "", ())
    await keep_hours(cast("GatewayRequests", schedules), cast("Persistence", Once()), folder, kept, details, start, end)


async def test_the_schedule_is_asked_for_a_year_at_a_time_newest_first(tmp_path: Path) -> None:
    schedules = Schedules()
    await keep(schedules, tmp_path / "dataset", key())
    assert schedules.asked == [(END, "365 D"), (END - 365 * DAY, "365 D"), (END - 730 * DAY, "61 D")]
    calendar = calendar_for(tmp_path, tmp_path / "dataset", key())
    assert calendar is not None
    assert calendar.name == "schedule of the gateway; for other times hours of the contract, without holidays"
    assert not calendar.knows_holidays
    narrowed = calendar.narrowed(START, END)
    assert (narrowed.name, narrowed.knows_holidays) == ("schedule of the gateway", True)
    assert narrowed.sessions(START, END) == calendar.sessions(START, END)
    assert calendar.narrowed(START - 5 * DAY, END) is calendar
    days = [
        session.date
        for session in calendar.sessions(datetime(2012, 12, 21, tzinfo=UTC), datetime(2012, 12, 29, tzinfo=UTC))
    ]
    assert days == [date(2012, 12, day) for day in (21, 24, 26, 27, 28)]


async def test_later_loads_ask_for_what_is_not_known(tmp_path: Path) -> None:
    first, again = Schedules(), Schedules()
    await keep(first, tmp_path, key(), start=datetime(2012, 6, 1, tzinfo=UTC), end=datetime(2013, 1, 2, tzinfo=UTC))
    await keep(again, tmp_path, key(), start=datetime(2012, 5, 1, tzinfo=UTC), end=END)
    assert again.asked == [(END, "59 D"), (datetime(2012, 6, 1, tzinfo=UTC), "31 D")]
    third = Schedules()
    await keep(third, tmp_path, key(), start=datetime(2012, 5, 1, tzinfo=UTC), end=datetime(2013, 2, 1, tzinfo=UTC))
    assert not third.asked


async def test_where_there_are_no_sessions_further_back_nothing_more_is_asked(tmp_path: Path) -> None:
    schedules = Schedules(first=datetime(2012, 9, 3, tzinfo=UTC))
    await keep(schedules, tmp_path, key(), start=datetime(2000, 1, 1, tzinfo=UTC))
    assert len(schedules.asked) == 2


@pytest.mark.parametrize("kind", [FailureKind.TIMEOUT, FailureKind.DISCONNECTED, FailureKind.NO_DATA])
async def test_a_failure_leaves_the_hours_of_the_contract(tmp_path: Path, kind: FailureKind) -> None:
    await keep(Schedules(failure=kind), tmp_path / "dataset", key())
    calendar = calendar_for(tmp_path, tmp_path / "dataset", key())
    assert calendar is not None
    assert calendar.name == "hours of the contract, without holidays"


async def test_a_folder_that_can_not_be_written_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "dataset").write_text("a file")
    await keep(Schedules(), tmp_path / "dataset", key())


async def test_a_known_exchange_is_not_asked_for(tmp_path: Path) -> None:
    schedules = Schedules()
    await keep(schedules, tmp_path, key("NYSE"))
    assert not schedules.asked
    assert knows_exchange(key("NYSE"))
    assert not knows_exchange(key("NOWHERE"))
    assert not knows_exchange(key("CME", security_type=bars_pb2.SECURITY_TYPE_FUTURE))


async def test_futures_have_the_days_of_their_exchange_where_the_gateway_was_not_asked(tmp_path: Path) -> None:
    future = key("CME", security_type=bars_pb2.SECURITY_TYPE_FUTURE)
    await keep(Schedules(), tmp_path / "dataset", future, start=datetime(2013, 1, 1, tzinfo=UTC))
    calendar = calendar_for(tmp_path, tmp_path / "dataset", future)
    assert calendar is not None
    assert calendar.name == "schedule of the gateway; for other times CMES of exchange-calendars"
    sessions = calendar.sessions(datetime(2012, 12, 27, tzinfo=UTC), datetime(2013, 1, 4, tzinfo=UTC))
    assert [(session.date.day, session.start.hour) for session in sessions] == [
        (27, 23), (28, 23), (31, 23), (1, 8), (2, 8), (3, 8)
    ]  # fmt: skip


@pytest.mark.parametrize("content", ["{", "{}", '{"time_zone": "UTC", "sessions": [["a", "b", "c"]]}'])
async def test_a_damaged_schedule_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "schedule.json").write_text(content)
    schedules = Schedules()
    await keep(schedules, tmp_path, key(), start=datetime(2013, 2, 1, tzinfo=UTC))
    assert len(schedules.asked) == 1


def test_a_session_over_the_seam_of_two_requests_stays() -> None:
    seam = datetime(2023, 1, 18, tzinfo=UTC)
    overnight = Session(seam - timedelta(hours=2), seam + timedelta(hours=22), date(2023, 1, 18))
    before = Session(seam - timedelta(hours=26), seam - timedelta(hours=2, minutes=15), date(2023, 1, 17))
    schedule = KeptSchedule(time_zone="UTC").extended(Span(seam, seam + 10 * DAY), [overnight])
    schedule = schedule.extended(Span(seam - 10 * DAY, seam), [before])
    assert [session.date.day for session in schedule.sessions] == [17, 18]
    assert not schedule.extended(Span(seam, seam + 10 * DAY), []).unasked(seam - 10 * DAY, seam + 10 * DAY)
    assert [session.date.day for session in schedule.extended(Span(seam, seam + 10 * DAY), []).sessions] == [17]
