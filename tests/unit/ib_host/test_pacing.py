"""Nothing reaches the wire faster than IB allows."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ib_host.pacing.budget import MOST_HISTORY_REQUESTS, MOST_OTHER_REQUESTS, RequestBudget
from services.ib_host.pacing.windows import ALL, IDENTICAL, SERIES, HistoryWindows
from tests.support.fake_clock import FakeClock


async def drive(clock: FakeClock, task: "asyncio.Task[object]", *, step_seconds: float = 0.005) -> None:
    """Move the clock on until a task is done."""
    while not task.done():
        await asyncio.sleep(0)
        clock.advance(step_seconds)
    await task


async def test_messages_keep_their_distance_whoever_sends() -> None:
    clock = FakeClock()
    budget = RequestBudget(clock)
    sent: list[float] = []

    async def history() -> None:
        async with budget.history_request():
            sent.append(clock.monotonic())

    async def other() -> None:
        async with budget.other_request():
            sent.append(clock.monotonic())

    async def everyone() -> None:
        await asyncio.gather(*(history() for _ in range(100)), *(other() for _ in range(50)))

    await drive(clock, asyncio.create_task(everyone()))
    sent.sort()
    assert len(sent) == 150
    assert all(sum(start <= time < start + 1.0 for time in sent) <= 45 for start in sent)


async def test_a_cancel_counts_as_a_message() -> None:
    clock = FakeClock()
    budget = RequestBudget(clock, messages_per_second=10)
    for _ in range(20):
        budget.charge()

    async def send() -> float:
        async with budget.other_request():
            return clock.monotonic()

    task = asyncio.create_task(send())
    await drive(clock, task)
    assert task.result() >= 2.0


async def test_no_more_than_fifty_requests_are_open_and_small_ones_never_wait_for_loads() -> None:
    clock = FakeClock()
    budget = RequestBudget(clock)
    release = asyncio.Event()
    open_now = 0

    async def history() -> None:
        nonlocal open_now
        async with budget.history_request():
            open_now += 1
            await release.wait()

    async def small() -> None:
        async with budget.other_request():
            pass

    loads = [asyncio.create_task(history()) for _ in range(80)]
    for _ in range(2_000):
        await asyncio.sleep(0)
        clock.advance(0.005)
    assert open_now == MOST_HISTORY_REQUESTS
    assert MOST_HISTORY_REQUESTS + MOST_OTHER_REQUESTS < 50
    await drive(clock, asyncio.create_task(small()))
    release.set()
    await drive(clock, asyncio.create_task(asyncio.wait(loads)))


async def test_a_violation_pauses_history_longer_each_time_and_slows_down() -> None:
    clock = FakeClock()
    budget = RequestBudget(clock)
    told: list[float] = []

    async def ask() -> float:
        async with budget.history_request(told.append):
            return clock.monotonic()

    pauses = []
    for _ in range(4):
        budget.violated()
        before = clock.monotonic()
        task = asyncio.create_task(ask())
        await drive(clock, task, step_seconds=0.5)
        pauses.append(round(task.result() - before))
    assert pauses == [15, 60, 600, 600]
    assert max(told) == 600.0
    for _ in range(100):
        budget.answered()
    budget.violated()
    before = clock.monotonic()
    task = asyncio.create_task(ask())
    await drive(clock, task, step_seconds=0.5)
    assert round(task.result() - before) == 15


async def test_small_requests_go_on_while_history_pauses() -> None:
    clock = FakeClock()
    budget = RequestBudget(clock)
    budget.violated()

    async def small() -> float:
        async with budget.other_request():
            return clock.monotonic()

    task = asyncio.create_task(small())
    await drive(clock, task)
    assert task.result() < 1.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.floats(0, 3)), min_size=1, max_size=150))
def test_short_bars_stay_within_every_window(wishes: list[tuple[int, int, float]]) -> None:
    windows = HistoryWindows()
    now = 0.0
    sent: list[tuple[float, int, tuple[int, int]]] = []
    for series, number, gap in wishes:
        now += gap
        request = (series, number)
        while seconds := windows.wait_seconds(now, series=series, request=request):
            now += seconds + 1e-9
        windows.record(now, series=series, request=request)
        sent.append((now, series, request))
    for time, series, request in sent:
        since = [entry for entry in sent if time <= entry[0]]
        assert sum(entry[0] < time + ALL.seconds for entry in since) <= ALL.most
        assert sum(entry[0] < time + SERIES.seconds and entry[1] == series for entry in since) <= SERIES.most
        assert sum(entry[0] < time + IDENTICAL.seconds and entry[2] == request for entry in since) <= IDENTICAL.most
