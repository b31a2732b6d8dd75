"""What a load tells of itself while IB's limits hold it back."""

from typing import Any

import pytest
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.loading.progress import LoadProgress, duration_text
from services.ib_host.pacing.waiting import PacingWait


class RecordingBridge:
    """Keeps the reasons for waiting."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def set_phase(self, *_: Any, **__: Any) -> None:
        """Begin a phase."""

    def advance(self, *_: Any, **__: Any) -> None:
        """Go on."""

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
    assert asked == [400 - completed]
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
