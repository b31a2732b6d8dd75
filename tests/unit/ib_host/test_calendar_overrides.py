"""Files with which a person corrects calendars: what they change, and what their errors say."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.sessions.choice import calendar_for
from services.ib_host.sessions.override_file import CalendarFileError, read_overrides
from services.ib_host.sessions.session import NoCalendar, SessionCalendar
from tests.support.checked_datasets import CheckedDataset, bars_at, key_of

START, END = datetime(2012, 12, 24, tzinfo=UTC), datetime(2012, 12, 31, tzinfo=UTC)


def written(home: Path, name: str, text: str) -> None:
    path = home / "data" / "calendars" / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def calendar(home: Path, key: bars_pb2.DatasetKey | None = None) -> SessionCalendar:
    found = calendar_for(home, home / "dataset", key or key_of())
    assert found is not None
    return found


def told(found: SessionCalendar) -> list[str]:
    return [f"{session.date:%d} {session.start:%H:%M}-{session.end:%H:%M}" for session in found.sessions(START, END)]


def test_without_a_file_the_exchange_counts(tmp_path: Path) -> None:
    found = calendar(tmp_path)
    assert found.name == "XNYS of exchange-calendars"
    assert told(found) == ["24 14:30-18:00", "26 14:30-21:00", "27 14:30-21:00", "28 14:30-21:00"]


def test_days_are_closed_added_and_changed(tmp_path: Path) -> None:
    written(
        tmp_path,
        "NASDAQ",
        """
        [[closed]]
        first = 2012-12-26
        last = 2012-12-27
        reason = "a storm"

        [[session]]                    # Christmas
        date = 2012-12-25
        hours = ["10:00-11:00", "12:00-13:30"]

        [[session]]
        date = 2012-12-28
        hours = "09:30-13:00"
        all_hours = ["08:00-13:00"]
        """,
    )
    found = calendar(tmp_path)
    assert found.name == "override file data/calendars/NASDAQ.toml over XNYS of exchange-calendars"
    assert told(found) == ["24 14:30-18:00", "25 15:00-16:00", "25 17:00-18:30", "28 14:30-18:00"]
    every = calendar(tmp_path, key_of(use_rth=False))
    extra = {session.date: (session.start.hour, session.end.hour) for session in every.extra(END.replace(day=28), END)}
    assert extra == {date(2012, 12, 28): (13, 14)}
    assert found.knows_holidays
    assert not found.extra(START, END)


def test_a_week_stands_for_itself(tmp_path: Path) -> None:
    written(
        tmp_path,
        "NOWHERE",
        """
        zone = "Europe/Berlin"
        [week]
        monday = ["18:00-17:00"]      # from Sunday evening on
        wednesday = ["08:00-24:00"]
        [[closed]]
        first = 2012-12-31
        """,
    )
    found = calendar(tmp_path, key_of(primary_exchange="NOWHERE"))
    assert found.name == "override file data/calendars/NOWHERE.toml over [week] of data/calendars/NOWHERE.toml"
    assert told(found) == ["24 17:00-16:00", "26 07:00-23:00"]


def test_a_file_of_a_symbol_counts_before_that_of_its_exchange(tmp_path: Path) -> None:
    written(tmp_path, "NASDAQ", "[[closed]]\nfirst = 2012-12-26")
    written(tmp_path, "symbols/AAPL", "[[closed]]\nfirst = 2012-12-27")
    written(tmp_path, "symbols/EUR.USD", "[[closed]]\nfirst = 2012-12-27")
    assert "27 14:30-21:00" not in told(calendar(tmp_path))
    assert "26 14:30-21:00" in told(calendar(tmp_path))
    assert "26 14:30-21:00" not in told(calendar(tmp_path, key_of("MSFT")))
    currency = key_of("EUR", security_type=bars_pb2.SECURITY_TYPE_FOREX, exchange="IDEALPRO", primary_exchange="")
    found = calendar(tmp_path, currency)
    assert found.name == "override file data/calendars/symbols/EUR.USD.toml over usual hours of currencies"
    assert [line[:2] for line in told(found)] == ["24", "25", "26", "28", "31"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('zone = "Middle/Earth"', "line 1: 'Middle/Earth' is no time zone"),
        ("[[closed]]\n\nfrist = 2012-12-26", "line 3: 'frist' is not known here; there may be first, last, reason"),
        ('[[closed]]\nfirst = "2012-12-26"', "line 2: first has to be a date without quotes, such as 2024-07-03"),
        ("[[closed]]\nlast = 2012-12-26", "line 1: first has to be a date"),
        ("[[closed]]\nfirst = 2012-12-26\nlast = 2012-12-25", "line 3: 2012-12-25 is before first, 2012-12-26"),
        (
            "[[session]]\ndate = 2012-12-26\nhours = []\n[[session]]\ndate = 2012-12-27",
            "line 3: hours has to be a list",
        ),
        ("# a comment\n[[session]]\ndate = 2012-12-26\nhours = [\n'9-16']", "line 4: '9-16' is no stretch of time"),
        ("[[session]]\ndate = 2012-12-26\nhours = ['25:00-26:00']", "line 3: '25:00-26:00' has a time that does not"),
        (
            "[[session]]\ndate = 2012-12-26\nhours = ['10:00-12:00', '11:00-13:00']",
            "line 3: the stretches have to be in order",
        ),
        (
            "[[session]]\ndate=2012-12-26\nhours='10:00-12:00'\n[[session]]\ndate=2012-12-26\nhours='10:00-12:00'",
            "line 5: 2012-12-26 is there twice",
        ),
        ("[[session]]\ndate = 2012-12-26", "line 1: needs hours"),
        ("[[closed]]\nfirst = 0001-01-01", "line 2: 0001-01-01 is not between 1800 and 2199"),
        ("[closed]\nfirst = 2012-12-26", "line 1: is no list of tables; begin each with [[closed]]"),
        ("week = 5", "line 1: is no table; begin it with [week]"),
        ("[week]\nmoonday = ['09:30-16:00']", "line 2: 'moonday' is not known here"),
        ("[week_all_hours]\nmonday = ['09:30-16:00']", "line 1: needs a [week]"),
        ("[[closed]\n", "is no TOML"),
    ],
)
def test_each_error_names_file_line_and_fault(tmp_path: Path, text: str, message: str) -> None:
    written(tmp_path, "NASDAQ", text)
    with pytest.raises(CalendarFileError) as error:
        read_overrides(tmp_path / "data/calendars/NASDAQ.toml", shown="data/calendars/NASDAQ.toml")
    assert message in str(error.value)
    assert str(error.value).startswith("data/calendars/NASDAQ.toml")
    found = calendar(tmp_path)
    assert isinstance(found, NoCalendar)
    assert message in found.name


def test_a_file_without_a_zone_where_none_is_known(tmp_path: Path) -> None:
    written(tmp_path, "NOWHERE", "[week]\nmonday = ['09:30-16:00']")
    found = calendar(tmp_path, key_of(primary_exchange="NOWHERE", time_zone=""))
    assert found.name.startswith("none: data/calendars/NOWHERE.toml has no zone")


def test_a_verdict_with_a_faulty_file_says_so_and_checks_the_rest(tmp_path: Path) -> None:
    written(tmp_path, "NASDAQ", "[[closed]]\nfirst = 1")
    verdict = CheckedDataset(tmp_path, key_of(), bars_at([START])).verdict(START, END)
    assert verdict.calendar.startswith("none: data/calendars/NASDAQ.toml, line 2: first has to be a date")
    assert (verdict.expected_bars, verdict.stored_bars) == (0, 1)


@pytest.mark.parametrize("overridden", [False, True])
def test_a_library_that_fails_is_told_and_the_rest_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overridden: bool
) -> None:
    def fail(*_: object, **__: object) -> None:
        message = "special dates are not sessions"
        raise ValueError(message)

    monkeypatch.setattr("exchange_calendars.get_calendar", fail)
    if overridden:
        written(tmp_path, "WSE", "[[closed]]\nfirst = 2012-12-26")
    key = key_of(primary_exchange="WSE", currency="PLN")
    verdict = CheckedDataset(tmp_path, key, bars_at([START])).verdict(START, END)
    assert verdict.calendar == ("none: exchange-calendars can't make the calendar XWAR: special dates are not sessions")
    assert (verdict.stored_bars, verdict.expected_bars, verdict.unexpected_bars) == (1, 0, 0)


def test_a_verdict_heeds_the_file(tmp_path: Path) -> None:
    written(tmp_path, "NASDAQ", "[[closed]]\nfirst = 2012-12-26\n[[session]]\ndate = 2012-12-25\nhours = '09:30-16:00'")
    days = [datetime(2012, 12, day, tzinfo=UTC) for day in (24, 26, 27, 28)]
    verdict = CheckedDataset(tmp_path, key_of(), bars_at(days)).verdict(START, END)
    assert (verdict.expected_bars, verdict.missing_bars, verdict.unexpected_bars) == (4, 1, 1)
    assert verdict.missing[0].start_time.ToDatetime(UTC) == START.replace(day=25)


def test_a_file_that_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "data" / "calendars" / "NASDAQ.toml").mkdir(parents=True)
    assert calendar(tmp_path).name.startswith("none: data/calendars/NASDAQ.toml can't be read")
    assert read_overrides(tmp_path / "nowhere.toml", shown="nowhere.toml") is None


def test_the_examples_of_the_documentation_can_be_used(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "verdicts.md").read_text()
    exchange, future = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    written(tmp_path, "NASDAQ", exchange)
    written(tmp_path, "symbols/ESH5", future)
    stock = calendar(tmp_path)
    july = stock.sessions(datetime(2012, 7, 2, tzinfo=UTC), datetime(2012, 7, 6, tzinfo=UTC))
    assert [(session.date.day, session.end.hour) for session in july] == [(2, 20), (3, 17), (5, 20)]
    assert not stock.sessions(datetime(2012, 10, 29, tzinfo=UTC), datetime(2012, 10, 31, tzinfo=UTC))
    key = key_of("ES", security_type=bars_pb2.SECURITY_TYPE_FUTURE, local_symbol="ESH5", primary_exchange="CME")
    sessions = calendar(tmp_path, key).sessions(datetime(2024, 12, 23, tzinfo=UTC), datetime(2024, 12, 28, tzinfo=UTC))
    assert [(session.date.day, session.start.hour) for session in sessions] == [(23, 23), (24, 23), (26, 23), (27, 23)]
