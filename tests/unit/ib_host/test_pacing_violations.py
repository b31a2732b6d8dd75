"""What follows when IB says that it was asked too fast."""

import asyncio
from dataclasses import replace

import pytest

from services.ib_host.pacing.budget import RequestBudget
from services.ib_host.pacing.rules import PacingRules, Urgency, Wish
from services.ib_host.pacing.violations import CALM_SECONDS, MOST_SLOWDOWN, Violations
from services.ib_host.requests.open_requests import OpenRequests
from tests.support.paced_requests import Asked, JumpingClock, Wire

LONG = Asked(short_bars=False)


async def sent_after(budget: RequestBudget, clock: JumpingClock, asked: Asked) -> float:
    """Return how long a request waits that is made now."""
    began, wire = clock.monotonic(), Wire()
    task = asyncio.create_task(wire.ask(budget, clock, asked, PacingRules()))
    await clock.run(task)
    return wire.sent[0][0] - began


async def test_loads_pause_longer_each_time_while_people_go_on() -> None:
    clock = JumpingClock()
    budget = RequestBudget(clock)
    pauses = []
    for _ in range(4):
        budget.violated()
        assert await sent_after(budget, clock, Asked(person=True)) < 0.5
        pauses.append(round(await sent_after(budget, clock, LONG)))
        clock.advance(1.0)
    assert pauses == [15, 60, 600, 600]
    clock.advance(CALM_SECONDS)
    budget.violated()
    assert round(await sent_after(budget, clock, LONG)) == 15
    await budget.close()


async def test_in_a_pause_people_send_one_message_a_second_and_windows_wait_for_everybody() -> None:
    clock = JumpingClock()
    budget, wire, rules = RequestBudget(clock), Wire(), PacingRules()
    clock.advance(100.0)
    budget.violated()
    people = [asyncio.create_task(wire.ask(budget, clock, Asked(person=True, number=n), rules)) for n in range(40)]
    await clock.run(asyncio.gather(*people))
    times = [time - 100.0 for time, _ in wire.sent]
    assert times[:15] == pytest.approx([float(n) for n in range(15)], abs=0.01)
    assert times[20] < 16.0  # after the pause at half the usual rate
    wish = replace(Asked(series=1).wish(rules), urgency=Urgency.PERSON)
    budget.violated()
    began = clock.monotonic()

    async def ask_for_short_bars() -> float:
        async with budget.turn(wish):
            return clock.monotonic() - began

    task = asyncio.create_task(ask_for_short_bars())
    await clock.run(task)
    assert await task == pytest.approx(60.0, abs=0.1)
    await budget.close()


async def test_error_100_halves_the_rate_of_messages() -> None:
    clock = JumpingClock()
    budget, sent = RequestBudget(clock), list[float]()
    requests = OpenRequests(budget.violated)
    requests.told(-1, 100, "Max rate of messages per second has been exceeded:max=50 rec=68")

    async def ask() -> None:
        async with budget.turn(Wish(Urgency.LOAD)) as turn:
            turn.sends()
            sent.append(clock.monotonic())

    await clock.run(asyncio.gather(*(ask() for _ in range(45))))
    assert sent[0] == pytest.approx(15.0, abs=0.1)
    assert sent[44] - sent[0] == pytest.approx(2.0, abs=0.05)
    await budget.close()


async def test_longer_bars_keep_to_the_rules_of_short_ones_once_ib_has_complained() -> None:
    clock = JumpingClock()
    budget, wire, rules = RequestBudget(clock), Wire(), PacingRules()
    for number in range(70):
        await sent_after(budget, clock, Asked(short_bars=False, number=number))
    assert clock.monotonic() < 2.0
    budget.violated()
    loads = [asyncio.create_task(wire.ask(budget, clock, Asked(short_bars=False, number=n), rules)) for n in range(100)]
    whole = asyncio.gather(*loads)
    await clock.run(whole, until=600.0)
    times = [time for time, _ in wire.sent]
    assert len(times) == 60  # none of those before the complaint counts
    assert times[5] - times[0] >= 2.0
    await clock.run(whole, until=700.0)  # the rate has doubled again, ten minutes after the pause
    assert len(wire.sent) == 100
    budget.violated()
    clock.advance(20.0)
    budget.violated()
    wire.sent.clear()
    began = clock.monotonic()
    loads = [asyncio.create_task(wire.ask(budget, clock, Asked(short_bars=False, number=n), rules)) for n in range(50)]
    whole = asyncio.gather(*loads)
    await clock.run(whole, until=began + 500.0)
    assert len(wire.sent) == 30
    await clock.run(whole)
    await budget.close()


def test_requests_that_were_under_way_belong_to_the_same_violation() -> None:
    violations = Violations()
    assert violations.violated(100.0, sent_at=99.0)
    assert not violations.violated(103.0, sent_at=99.5)
    assert violations.pause_seconds(103.0) == 12.0
    assert violations.violated(117.0, sent_at=116.0)
    assert violations.pause_seconds(117.0) == 60.0


def test_the_rate_is_halved_each_time_and_doubles_after_ten_calm_minutes() -> None:
    violations = Violations()
    assert violations.slowdown(0.0) == 1
    slowdowns = []
    now = 0.0
    for _ in range(5):
        violations.violated(now, sent_at=now)
        slowdowns.append(violations.slowdown(now))
        now = violations.paused_until + 1.0
    assert slowdowns == [2, 4, 8, MOST_SLOWDOWN, MOST_SLOWDOWN]
    calm = [violations.slowdown(violations.paused_until + CALM_SECONDS * n) for n in range(5)]
    assert calm == [8, 4, 2, 1, 1]


async def test_after_a_violation_windows_and_messages_are_halved() -> None:
    clock = JumpingClock()
    budget, wire, rules = RequestBudget(clock), Wire(), PacingRules()
    budget.violated()
    short = [asyncio.create_task(wire.ask(budget, clock, Asked(series=n, number=n), rules)) for n in range(60)]
    whole = asyncio.gather(*short)
    await clock.run(whole, until=500.0)
    times = [time for time, _ in wire.sent]
    assert len(times) == 30
    assert min(times) == pytest.approx(15.0, abs=0.1)
    assert times[1] - times[0] >= 2 / 45
    await clock.run(whole)
    assert len(wire.sent) == 60
    await budget.close()


def test_news_without_a_request_is_heard_too() -> None:
    heard = []
    requests = OpenRequests(lambda: heard.append("violation"))
    requests.told(-1, 100, "Max rate of messages per second has been exceeded")
    requests.told(-1, 2106, "HMDS data farm connection is OK:ushmds")
    assert heard == ["violation"]
