"""What was used of the budget counts after a restart of the host."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.ib_host.pacing.budget import RequestBudget
from services.ib_host.pacing.memory import NAME, PacingMemory
from services.ib_host.pacing.rules import PacingRules
from services.ib_host.pacing.violations import Violations
from services.ib_host.pacing.windows import Sent
from tests.support.fake_clock import FakeClock
from tests.support.paced_requests import Asked, JumpingClock, Wire, broken_rules

START = datetime(2024, 1, 2, tzinfo=UTC)


class LaterClock(FakeClock):
    """The clock of another process: it shows `wall`, and its monotonic seconds begin at `monotonic`."""

    def __init__(self, *, wall: datetime, monotonic: float) -> None:
        super().__init__(wall - timedelta(seconds=monotonic))
        self._elapsed = monotonic


async def used_up(folder: Path, *, boot: str = "a") -> None:
    """Send sixty requests for short bars at monotonic 0 to 2 s, in a host that is then killed."""
    clock = FakeClock(START)
    budget = RequestBudget(clock, memory=PacingMemory(folder, gateway="g:1", clock=clock, boot=boot))
    await budget.recall()
    for number in range(60):
        clock.advance(0.03)
        async with budget.turn(Asked(series=number, number=number).wish(PacingRules())) as turn:
            turn.sends()


async def waits(folder: Path, clock: FakeClock, *, gateway: str = "g:1", boot: str = "a") -> float:
    """Return how long a fresh host holds a request for short bars back."""
    sent, _ = await PacingMemory(folder, gateway=gateway, clock=clock, boot=boot).load()
    if len(sent) < 180:
        return 0.0
    now = clock.monotonic()
    return min(entry.until(now) for entry in sent if entry.key == "all") - now


@pytest.mark.parametrize(
    ("wall_seconds", "monotonic", "boot", "left"),
    [
        (100, 100.0, "a", 501.0),
        (100, 7.0, "b", 501.0),
        (100_000, 100.0, "a", 501.0),
        (-5_000, 100.0, "a", 501.0),
        (-5_000, 7.0, "b", 600.0),
        (100, 100.0, "", 501.0),
    ],
    ids=["same boot", "machine restarted", "clock jumped forward", "clock went back", "both", "no boot id"],
)
async def test_sixty_requests_still_count(
    tmp_path: Path, wall_seconds: float, monotonic: float, boot: str, left: float
) -> None:
    await used_up(tmp_path)
    clock = LaterClock(wall=START + timedelta(seconds=wall_seconds), monotonic=monotonic)
    assert await waits(tmp_path, clock, boot=boot) == pytest.approx(left, abs=3.0)


async def test_they_do_not_count_for_another_gateway(tmp_path: Path) -> None:
    await used_up(tmp_path)
    assert await waits(tmp_path, LaterClock(wall=START, monotonic=3.0), gateway="other:1") == 0.0


async def test_a_fresh_host_waits_until_the_earlier_one_is_forgotten(tmp_path: Path) -> None:
    await used_up(tmp_path)
    clock = JumpingClock(START)
    clock.advance(100.0)
    budget = RequestBudget(clock, memory=PacingMemory(tmp_path, gateway="g:1", clock=clock, boot="a"))
    await budget.recall()
    wire = Wire()
    waiting = asyncio.create_task(wire.ask(budget, clock, Asked(series=99), PacingRules()))
    await clock.run(waiting, until=600.0)
    assert wire.sent == []
    waiting.cancel()
    await asyncio.wait({waiting})
    await budget.close()


async def test_what_a_slow_disk_holds_up_before_it_is_sent_counts_from_when_it_is_sent(tmp_path: Path) -> None:
    clock, is_written = JumpingClock(START), asyncio.Event()

    class SlowMemory(PacingMemory):
        """Writes to a disk that takes nothing for a while."""

        async def save(self, sent: Sequence[Sent], violations: Violations) -> None:
            await is_written.wait()
            await super().save(sent, violations)

    memory = SlowMemory(tmp_path, gateway="g:1", clock=clock, boot="a")
    budget, wire = RequestBudget(clock, memory=memory), Wire()
    asking = asyncio.gather(*(wire.ask(budget, clock, Asked(number=n), PacingRules()) for n in range(10)))
    await clock.run(asking, until=10.0)
    assert wire.sent == []
    is_written.set()
    while not asking.done():
        await clock.run(asking)
    await budget.close()
    assert len(wire.sent) == 10
    assert broken_rules(wire.sent) == []


async def test_violations_are_remembered(tmp_path: Path) -> None:
    clock = FakeClock(START)
    budget = RequestBudget(clock, memory=PacingMemory(tmp_path, gateway="g:1", clock=clock, boot="a"))
    budget.violated()
    await budget.close()
    later = LaterClock(wall=START + timedelta(seconds=5), monotonic=2.0)
    sent, violations = await PacingMemory(tmp_path, gateway="g:1", clock=later, boot="b").load()
    assert len(sent) == 0
    assert violations.pause_seconds(2.0) == pytest.approx(10.0)
    assert violations.slowdown(2.0) == 2
    assert violations.violated(13.0, sent_at=12.5)
    assert violations.pause_seconds(13.0) == 60.0


async def test_a_damaged_file_or_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("{rubbish")
    clock = FakeClock(START)
    assert await waits(tmp_path, clock) == 0.0
    await used_up(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()
    await used_up(tmp_path)
    assert await waits(tmp_path, LaterClock(wall=START, monotonic=3.0)) > 590.0
