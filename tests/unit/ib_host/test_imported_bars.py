"""Bars that somebody brings: what is taken, in which form, and what is refused with the rows at fault."""

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.ib.v1 import bars_pb2

from services.common.errors import ServiceError
from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.importing.table import Imported, imported_table
from services.ib_host.store.columns import SCHEMA, instant, times_of

MINUTE = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_MINUTE]
DAY = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_DAY]
START = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
UTC_TIMES = pa.timestamp("us", "UTC")


def ipc(table: pa.Table, rows: int | None = None) -> io.BytesIO:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    sink.seek(0)
    return sink


def minutes(number: int = 4, /, **changes: Any) -> pa.Table:
    columns: dict[str, Any] = {
        "time": pa.array([START + timedelta(minutes=n) for n in range(number)], UTC_TIMES),
        "open": [10.0] * number,
        "high": [11.0] * number,
        "low": [9.0] * number,
        "close": [10.5] * number,
        "volume": [float(n) for n in range(number)],
    }
    columns |= changes
    return pa.table({name: column for name, column in columns.items() if column is not None})


def taken(table: pa.Table, bar: Any = MINUTE, *, positive: bool = True, rows: int | None = None) -> Imported:
    return imported_table(ipc(table, rows), bar, positive=positive)


def refusal(table: pa.Table, bar: Any = MINUTE, *, positive: bool = True) -> str:
    with pytest.raises(ServiceError) as error:
        taken(table, bar, positive=positive)
    assert error.value.fields[0].field == "arrow_ipc"
    return error.value.fields[0].description


def test_bars_are_stored_with_the_columns_of_all_bars() -> None:
    imported = taken(minutes())
    assert imported.bars.schema.equals(SCHEMA)
    assert imported.bars.column("wap").to_pylist() == [-1.0] * 4
    assert imported.bars.column("count").to_pylist() == [-1] * 4
    assert imported.bars.column("volume").to_pylist() == [0.0, 1.0, 2.0, 3.0]


def test_other_types_of_numbers_and_times_mean_the_same() -> None:
    times = pa.array([START + timedelta(minutes=n) for n in range(4)], pa.timestamp("ns", "America/New_York"))
    other = minutes(
        time=times,
        open=pa.array([10] * 4, pa.int32()),
        high=pa.array([11.0] * 4, pa.float32()),
        volume=pa.array([0.0, None, float("nan"), 3.0]),
        count=pa.array([1.0, 2.0, None, 4.0]),
    )
    bars = taken(other).bars
    assert times_of(bars).tolist() == times_of(taken(minutes()).bars).tolist()
    assert bars.column("volume").to_pylist() == [0.0, -1.0, -1.0, 3.0]
    assert bars.column("count").to_pylist() == [1, 2, -1, 4]


@pytest.mark.parametrize(
    "times",
    [
        pa.array([date(2024, 1, 2), date(2024, 1, 3)]),
        pa.array([datetime(2024, 1, 2), datetime(2024, 1, 3)]),  # noqa: DTZ001 - dates have no zone
        pa.array([datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC)], UTC_TIMES),
        pa.array(
            [datetime(2024, 1, day, tzinfo=ZoneInfo("America/New_York")) for day in (2, 3)],
            pa.timestamp("ns", "America/New_York"),
        ),
    ],
    ids=["dates", "without a zone", "UTC", "New York"],
)
def test_dated_bars_are_of_the_date_however_it_is_written(times: pa.Array) -> None:
    bars = taken(minutes(2, time=times), DAY).bars
    assert [instant(int(time)) for time in times_of(bars)] == [
        datetime(2024, 1, 2, tzinfo=UTC),
        datetime(2024, 1, 3, tzinfo=UTC),
    ]


def test_bars_may_come_in_any_order_and_twice_when_they_are_equal() -> None:
    table = pa.concat_tables([minutes().slice(2), minutes(), minutes().slice(1, 1)])
    imported = taken(table, rows=3)
    assert imported.received_rows == 7
    assert imported.bars.equals(taken(minutes()).bars)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(12)), st.integers(1, 13))
def test_no_order_and_no_batches_change_what_is_stored(order: list[int], rows: int) -> None:
    assert taken(minutes(12).take(pa.array(order)), rows=rows).bars.equals(taken(minutes(12)).bars)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (minutes(close=None), "has no close: the columns are time, open"),
        (minutes(vwap=[1.0] * 4), "has 'vwap': the columns are"),
        (minutes(0), "has no bars"),
        (minutes(time=pa.array([START.replace(tzinfo=None)] * 4)), "time has no time zone"),
        (minutes(time=["2024-01-02"] * 4), "time has string instead of timestamps with a time zone"),
        (minutes(time=pa.array([None] * 4, UTC_TIMES)), "time is missing in some rows"),
        (minutes(time=pa.array([1, 2, 3, 4], pa.timestamp("ns", "UTC"))), "fractions of a microsecond"),
        (minutes(close=["10"] * 4), "close has string instead of numbers"),
        (minutes(close=pa.array([10.0, None, 10.0, 10.0])), "close is missing in some rows"),
        (minutes(close=[10.5, float("nan"), 10.5, 10.5]), "row 2 (2024-01-02 14:31:00 UTC): close is nan"),
        (minutes(high=[11.0, 11.0, 10.2, 11.0]), "row 3 (2024-01-02 14:32:00 UTC): high 10.2 is below close 10.5"),
        (minutes(low=[10.2, 9.0, 9.0, 9.0]), "row 1 (2024-01-02 14:30:00 UTC): low 10.2 is above open 10.0"),
        (minutes(low=[-1.0, 9.0, 9.0, 9.0]), "low -1.0 is not above zero"),
        (minutes(volume=[-5.0, 1.0, 1.0, 1.0]), "volume -5.0 is negative (-1 stands for none)"),
        (minutes(volume=[float("inf"), 1.0, 1.0, 1.0]), "volume or wap is infinite"),
        (minutes(count=[1.5, 1.0, 1.0, 1.0]), "count has fractions"),
        (
            minutes(time=pa.array([START + timedelta(seconds=20 * n) for n in range(4)], UTC_TIMES)),
            "most bars begin sooner after the one before them than 1min (as that of 2024-01-02 14:30:20+00:00, 20 s",
        ),
        (
            pa.concat_tables([minutes(), minutes(1, close=[9.5])]),
            "rows 1 and 5 have the same time and differ",
        ),
        (minutes(high=[0.1] * 4), "high 0.1 is below close 10.5; row 1"),
    ],
)
def test_bars_that_cannot_be_are_refused_with_the_reason(table: pa.Table, text: str) -> None:
    assert text in refusal(table)


def test_the_first_bar_of_a_session_may_be_a_short_one() -> None:
    opening = [START + timedelta(days=day) for day in range(3)]
    starts = [time + timedelta(minutes=m) for time in opening for m in (0, 30, 90, 150, 210, 270, 330)]
    hours = minutes(len(starts), time=pa.array(starts, UTC_TIMES))
    assert taken(hours, BAR_LENGTHS[bars_pb2.BAR_SIZE_1_HOUR]).bars.num_rows == 21
    assert "most bars begin sooner" in refusal(minutes(10), BAR_LENGTHS[bars_pb2.BAR_SIZE_1_HOUR])


def test_the_number_of_rows_at_fault_is_told() -> None:
    text = refusal(minutes(100, low=[10.7] * 100))
    assert text.count("row ") == 5
    assert text.endswith("and 195 more")


def test_dated_bars_at_another_time_than_midnight_are_refused() -> None:
    times = pa.array([START, START + timedelta(days=1)], UTC_TIMES)
    assert "the midnight of its date" in refusal(minutes(2, time=times), DAY)


def test_a_time_beyond_the_calendar_is_refused() -> None:
    times = pa.array(np.array([2**62], dtype="<i8")).cast(UTC_TIMES)
    assert "a time beyond the calendar" in refusal(minutes(1, time=times))


def test_a_future_may_cost_less_than_nothing() -> None:
    oil = minutes(2, open=[-37.0] * 2, high=[-30.0] * 2, low=[-40.0] * 2, close=[-37.6] * 2)
    assert taken(oil, positive=False).bars.num_rows == 2
    assert "not above zero" in refusal(oil)


@pytest.mark.parametrize("content", [b"", b"not arrow at all", ipc(minutes()).getvalue()[:-200]])
def test_what_is_no_whole_stream_is_refused(content: bytes) -> None:
    with pytest.raises(ServiceError, match="no whole Arrow IPC stream"):
        imported_table(io.BytesIO(content), MINUTE, positive=True)


def test_more_bars_than_fit_into_one_call_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ib_host.importing.table.MOST_ROWS", 3)
    assert refusal(minutes()) == "has more than 3 bars: bring them in several calls"
