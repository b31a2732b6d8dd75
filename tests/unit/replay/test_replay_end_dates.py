"""The end date of a request."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ib_host.replay.end_dates import EndDate, parse_end_date

NOW = datetime(2013, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant", "zone_given"),
    [
        ("", NOW, True),
        ("20120229 23:59:59 UTC", datetime(2012, 2, 29, 23, 59, 59, tzinfo=UTC), True),
        ("20120229-23:59:59", datetime(2012, 2, 29, 23, 59, 59, tzinfo=UTC), True),
        ("20120229 16:00:00 US/Eastern", datetime(2012, 2, 29, 21, tzinfo=UTC), True),
        ("20120702 16:00:00 America/New_York", datetime(2012, 7, 2, 20, tzinfo=UTC), True),
        ("20120229 16:00:00", datetime(2012, 2, 29, 21, tzinfo=UTC), False),
        ("20120229  16:00:00", datetime(2012, 2, 29, 21, tzinfo=UTC), False),
        ("16:00:00 US/Eastern", datetime(2013, 3, 1, 21, tzinfo=UTC), True),
    ],
)
def test_the_forms_that_gateways_take(text: str, instant: datetime, zone_given: bool) -> None:
    assert parse_end_date(text, NOW) == EndDate(instant, zone_given)


@pytest.mark.parametrize(
    "text",
    [
        *("tomorrow", "20120229", "2012-02-29 16:00:00 UTC", "20120230 16:00:00 UTC", "20120229 25:00:00 UTC"),
        *(
            "20120229 16:00:00 Mars/Olympus",
            "20120229 16:00:00 ../etc/passwd",
            "20120229 16:00:00 Europe",
            "00000101-00:00:00",
        ),
    ],
)
def test_anything_else_is_no_end_date(text: str) -> None:
    assert parse_end_date(text, NOW) is None


@given(st.text(max_size=40) | st.from_regex(r"\d{8}[ -]\d\d:\d\d:\d\d( [A-Za-z/+0-9]{1,12})?", fullmatch=True))
def test_no_text_breaks_it(text: str) -> None:
    end = parse_end_date(text, NOW)
    assert end is None or end.instant.tzinfo is UTC
