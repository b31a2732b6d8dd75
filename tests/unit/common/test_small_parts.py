"""Ids, times, watches and the clock that tests move."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.clock import Clock, SystemClock
from services.common.errors import ServiceError
from services.common.identity import checked_id, checked_request_id, is_valid_id, new_id
from services.common.timestamps import seconds_to_duration, to_datetime, to_duration, to_timedelta, to_timestamp
from services.common.watches import WatchLimit
from tests.support.fake_clock import FakeClock


@pytest.mark.parametrize("text", ["a", "A9", "op-1", "a.b_c-d", "x" * 64])
def test_good_ids_are_taken(text: str) -> None:
    assert checked_id(text, field="session_id") == text


def test_new_ids_are_good_and_new() -> None:
    first, second = new_id(), new_id()
    assert is_valid_id(first)
    assert first != second


@pytest.mark.parametrize("text", ["", ".", "..", ".hidden", "-flag", "a/b", "a b", "x" * 65, "ä", "a\n", "a\x00"])
def test_bad_ids_are_refused_with_the_field(text: str) -> None:
    assert not is_valid_id(text)
    with pytest.raises(ServiceError) as refusal:
        checked_id(text, field="session_id")
    assert refusal.value.reason == ErrorReason.ERROR_REASON_INVALID_REQUEST
    assert [violation.field for violation in refusal.value.fields] == ["session_id"]


def test_request_ids_may_be_anything_short_that_can_be_printed() -> None:
    assert checked_request_id("") == ""
    assert checked_request_id("from ktrdr: größer") == "from ktrdr: größer"
    for text in ("x" * 129, "a\nb", "\x00"):
        with pytest.raises(ServiceError):
            checked_request_id(text)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis takes naive bounds
def test_times_come_back_as_they_were(time: datetime) -> None:
    assert to_datetime(to_timestamp(time)) == time
    elsewhere = time.astimezone(timezone(timedelta(hours=-5)))
    assert to_timestamp(elsewhere) == to_timestamp(time)


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        to_timestamp(datetime(2024, 1, 1))  # noqa: DTZ001 - that is the point


@given(st.timedeltas(min_value=timedelta(days=-1000), max_value=timedelta(days=1000)))
def test_durations_come_back_as_they_were(span: timedelta) -> None:
    assert to_timedelta(to_duration(span)) == span


def test_seconds_become_durations() -> None:
    assert to_timedelta(seconds_to_duration(1.5)) == timedelta(seconds=1.5)


def test_watches_are_counted_and_given_back() -> None:
    limit = WatchLimit(2)
    with limit.hold(), limit.hold():
        with pytest.raises(ServiceError) as refusal, limit.hold():
            pytest.fail("a third watch is open")
        assert refusal.value.reason == ErrorReason.ERROR_REASON_TOO_MANY_WATCHES
        assert refusal.value.retry_after is not None
        assert "limit 2" in refusal.value.message
        assert limit.open == 2
    assert limit.open == 0
    with pytest.raises(ZeroDivisionError), limit.hold():
        _ = 1 / 0
    assert limit.open == 0


async def test_the_systems_clock_is_aware_and_moves() -> None:
    clock: Clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() - before >= 0.009
    assert clock.now().tzinfo is UTC
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=60)


async def test_the_fake_clock_wakes_in_order_and_only_who_is_due() -> None:
    clock = FakeClock()
    as_clock: Clock = clock
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await as_clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(sleep(seconds)) for seconds in (3, 1, 2)]
    await asyncio.sleep(0)
    assert clock.sleeping == 3
    began = clock.now()
    clock.advance(2)
    await asyncio.gather(tasks[1], tasks[2])
    assert woken == [1, 2]
    assert clock.now() - began == timedelta(seconds=2)
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    clock.advance(5)
    assert (clock.sleeping, woken) == (0, [1, 2])
