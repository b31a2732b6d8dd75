"""What a load tells of itself while IB's limits hold it back."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.loading.progress import LoadProgress, duration_text
from services.ib_host.pacing.budget import RequestBudget
from services.ib_host.pacing.rules import PacingRules
from services.ib_host.pacing.waiting import PacingWait
from services.ib_host.planning.span import Span
from tests.support.paced_requests import Asked, JumpingClock


class RecordingBridge:
    """Keeps what was told last, and the reasons for waiting."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.metrics: Mapping[str, float] = {}
        self.total = 0
        self.rest_seconds: float | None = None

    def set_phase(self, *_: Any, **__: Any) -> None:
        """Begin a phase."""

    def advance(self, *_: Any, **__: Any) -> None:
        """Go on."""

    def on_rows(self, *_: Any, metrics: Mapping[str, float], **__: Any) -> None:
        """Finish a chunk."""
        self.metrics = metrics

    def expect(self, total: int, *, rest_seconds: float | None = None) -> None:
        """Expect the end."""
        self.total, self.rest_seconds = total, rest_seconds

    def wait_reason(self, text: str) -> None:
        """Wait."""
        self.reasons.append(text)


@pytest.mark.parametrize(
    ("completed", "seconds", "rest", "text"),
    [
        (88, 40.2, 3_007.0, "IB pacing: 41 s, 312 chunks left, about 51 min"),
        (399, 14.0, 14.0, "IB pacing: 14 s, 1 chunk left"),
        (0, 590.0, 9_000.0, "IB pacing: 10 min, 400 chunks left, about 2 h 30 min"),
    ],
)
def test_a_load_says_how_long_pacing_holds_it_back(completed: int, seconds: float, rest: float, text: str) -> None:
    bridge: Any = RecordingBridge()
    progress = LoadProgress(bridge, BAR_LENGTHS[bars_pb2.BAR_SIZE_1_SECOND])
    progress.begin_bars(400, completed=completed, rows=0)
    asked: list[int] = []

    def until_sent(requests: int) -> float:
        asked.append(requests)
        return rest

    progress.waits_for_pacing(PacingWait(seconds, until_sent))
    assert bridge.reasons == [text]
    assert set(asked) == {400 - completed}
    assert (bridge.total, bridge.rest_seconds) == (400, rest)
    progress.waits_for_pacing(PacingWait(0.0, until_sent))
    assert bridge.reasons == [text, ""]


def test_times_are_told_in_the_unit_that_people_would_use() -> None:
    assert [duration_text(seconds) for seconds in (0.2, 119.5, 121, 7_199, 7_300)] == [
        "1 s", "120 s", "3 min", "2 h 0 min", "2 h 2 min",
    ]  # fmt: skip


def test_before_the_chunks_are_known_only_the_wait_is_told() -> None:
    bridge: Any = RecordingBridge()
    progress = LoadProgress(bridge, BAR_LENGTHS[bars_pb2.BAR_SIZE_1_DAY])
    progress.begin_contracts(1)
    progress.waits_for_pacing(PacingWait(14.5, lambda _: 99.0))
    assert bridge.reasons == ["IB pacing: 15 s"]


APPLE = bars_pb2.Instrument(symbol="AAPL")
DAY = Span(datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC))


def over(progress: LoadProgress, *, seconds: float = 1.0, total: int = 101, **metrics: float) -> None:
    """Finish a chunk."""
    progress.chunk_over(
        APPLE, DAY, rows=10, seconds=seconds, source=bars_pb2.SOURCE_REPLAY, total=total, metrics=metrics
    )


async def told(clock: JumpingClock, loads: int, chunks: int) -> list[list[tuple[float, float]]]:
    """Let loads of short bars run side by side; return for each what it foretold: when, and how many seconds."""
    budget, rules = RequestBudget(clock), PacingRules()

    async def load(number: int) -> list[tuple[float, float]]:
        bridge: Any = RecordingBridge()
        progress, foretold = LoadProgress(bridge, BAR_LENGTHS[bars_pb2.BAR_SIZE_1_SECOND]), []

        def paced(wait: PacingWait) -> None:
            progress.waits_for_pacing(wait)
            foretold.append((clock.monotonic(), bridge.rest_seconds))

        progress.begin_bars(chunks, completed=0, rows=0)
        for chunk in range(chunks):
            began = clock.monotonic()
            async with budget.turn(Asked(series=number, number=chunk).wish(rules), paced) as turn:
                turn.sends()
                await clock.sleep(0.5)
            over(progress, seconds=clock.monotonic() - began, total=chunks)
            foretold.append((clock.monotonic(), bridge.rest_seconds))
        return [(time, seconds) for time, seconds in foretold if seconds is not None]

    whole = asyncio.gather(*(load(number) for number in range(loads)))
    await clock.run(whole)
    await budget.close()
    return whole.result()


@pytest.mark.parametrize("loads", [1, 3])
async def test_what_is_foretold_while_pacing_waits_comes_true(loads: int) -> None:
    for foretold in await told(JumpingClock(), loads, 312 // loads):
        end = foretold[-1][0]
        # From the first chunk on, long before the limits hold anything back.
        errors = [abs(time + seconds - end) for time, seconds in foretold[2:]]
        assert end > 5 * 601.0
        assert max(errors) < 0.05 * end


def test_limits_and_work_both_count_and_one_outage_does_not_count_for_all() -> None:
    bridge: Any = RecordingBridge()
    progress = LoadProgress(bridge, BAR_LENGTHS[bars_pb2.BAR_SIZE_1_MINUTE])
    progress.begin_bars(101, completed=1, rows=0)
    assert bridge.rest_seconds is None
    for seconds in (2.0, 2.0, 900.0, 2.0):
        over(progress, seconds=seconds)
    assert bridge.rest_seconds == pytest.approx(96 * 2.0)
    progress.waits_for_pacing(PacingWait(30.0, lambda requests: 10.0 * requests, 5.0))
    assert bridge.rest_seconds == pytest.approx(960.0)
    progress.waits_for_pacing(PacingWait(0.0, lambda requests: 0.1 * requests, 35.0))
    over(progress, seconds=37.0)
    assert bridge.rest_seconds == pytest.approx(95 * 2.0)
    progress.waits_for("No connection to the gateway")
    assert bridge.rest_seconds == pytest.approx(95 * 2.0)


def test_the_number_of_chunks_follows_their_sizes() -> None:
    bridge: Any = RecordingBridge()
    progress = LoadProgress(bridge, BAR_LENGTHS[bars_pb2.BAR_SIZE_1_MINUTE])
    progress.begin_bars(365, completed=0, rows=0)
    over(progress, total=200, **{"AAPL done": 1.0, "AAPL total": 200.0})
    assert bridge.total == 200
    assert bridge.metrics == {"rows": 10.0, "chunk_seconds": 1.0, "AAPL done": 1.0, "AAPL total": 200.0}
    over(progress, total=1)
    assert (bridge.total, bridge.rest_seconds) == (2, 0.0)
