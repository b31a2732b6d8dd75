"""What people see of the budget."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.ib_host.pacing.budget import RequestBudget
from services.ib_host.pacing.memory import PacingMemory
from services.ib_host.pacing.picture import PacingPicture
from services.ib_host.pacing.rules import PacingRules, Rule
from services.ib_host.pacing.violations import QUIET_SECONDS
from tests.support.paced_requests import Asked, JumpingClock, Wire


def used(picture: PacingPicture) -> dict[str, tuple[int, int, float | None]]:
    """Return the windows by name."""
    return {window.name: window[1:] for window in picture.windows}


async def test_a_fresh_budget_is_all_there() -> None:
    picture = RequestBudget(JumpingClock(), long_bars=Rule(200, 600.0)).picture()
    assert used(picture) == {
        "short bars in 10 min": (0, 60, 600.0),
        "short bars of one contract in 2 s": (0, 5, 2.0),
        "the same request in 15 s": (0, 1, 15.0),
        "longer bars in 10 min": (0, 200, 600.0),
        "messages in 1 s": (0, 50, 1.0),
        "open requests": (0, 50, None),
    }
    assert (picture.pause_seconds, picture.slowdown, picture.waiting, picture.violations) == (0.0, 1, 0, 0)


async def test_each_window_tells_what_is_used_and_contracts_of_the_fullest() -> None:
    clock = JumpingClock()
    budget, rules, wire = RequestBudget(clock), PacingRules(), Wire()
    asked = [Asked(series=1, number=n, takes=20.0) for n in range(8)]
    asked += [Asked(series=2, what="BID_ASK", takes=20.0), Asked(person=True)]
    whole = asyncio.gather(*(wire.ask(budget, clock, one, rules) for one in asked))
    await clock.run(whole, until=0.5)
    windows = used(budget.picture())
    assert windows["short bars in 10 min"][0] == 5 + 2
    assert windows["short bars of one contract in 2 s"][0] == 5
    assert windows["the same request in 15 s"][0] == 1
    assert windows["messages in 1 s"][0] == 7
    assert windows["open requests"][0] == 6
    assert budget.picture().waiting == 3
    assert "longer bars in 10 min" not in windows
    await clock.run(whole)
    clock.advance(5.0)
    windows = used(budget.picture())
    assert windows["short bars in 10 min"][0] == 8 + 2
    assert {windows[name][0] for name in ("messages in 1 s", "open requests")} == {0}
    clock.advance(700.0)
    assert used(budget.picture())["short bars in 10 min"][0] == 0
    await budget.close()


async def test_a_violation_is_seen_with_its_pause_and_is_counted_until_a_quiet_hour(tmp_path: Path) -> None:
    clock = JumpingClock(datetime(2024, 1, 2, tzinfo=UTC))
    memory = PacingMemory(tmp_path, gateway="g:1", clock=clock, boot="a")
    budget = RequestBudget(clock, memory=memory)
    budget.violated()
    clock.advance(5.0)
    picture = budget.picture()
    assert picture.pause_seconds == pytest.approx(10.0)
    assert (picture.slowdown, picture.violations) == (2, 1)
    clock.advance(1_500.0)
    budget.violated()
    await budget.close()
    after = RequestBudget(clock, memory=memory)
    await after.recall()
    assert (after.picture().violations, after.picture().slowdown) == (2, 2)
    clock.advance(QUIET_SECONDS + 1.0)
    assert (after.picture().violations, after.picture().slowdown) == (0, 1)
    after.violated()
    assert after.picture().violations == 1
    await after.close()
