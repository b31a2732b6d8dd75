"""Work that is interrupted: it has ended before anybody is told so, however often it is interrupted."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ktrdr_bridge import Bridge, Cancelled, request_stop

from services.common.threads import in_thread
from services.ib_host.loading.stop_watch import until_stopped
from tests.support.eventually import eventually


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    with Bridge.create(tmp_path / "journal", control=tmp_path / "control") as bridge:
        yield bridge


class StoringBars:
    """Work in a thread, which goes on until it is let go."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.has_ended = False
        self._task: asyncio.Task[object] | None = None

    @property
    def is_interrupted(self) -> bool:
        """Whether it was asked to end."""
        return self._task is not None and self._task.cancelling() > 0

    async def run(self) -> str:
        self._task = asyncio.current_task()
        await in_thread(self._store)
        return "stored"

    def _store(self) -> None:
        self.has_begun.set()
        self.may_end.wait()
        self.has_ended = True


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_whoever_cancels_it_waits_for_its_end(bridge: Bridge, times: int) -> None:
    bars = StoringBars()
    waiting = asyncio.create_task(until_stopped(bars.run(), bridge))
    await eventually(bars.has_begun.is_set)
    for _ in range(times):
        waiting.cancel()
        await asyncio.wait({waiting}, timeout=0.02)
        assert not waiting.done()
    bars.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert bars.has_ended


async def test_who_asks_it_to_stop_and_then_cancels_it_waits_too(bridge: Bridge, tmp_path: Path) -> None:
    bars = StoringBars()
    waiting = asyncio.create_task(until_stopped(bars.run(), bridge))
    await eventually(bars.has_begun.is_set)
    request_stop(tmp_path / "control", reason="enough")
    await eventually(lambda: bars.is_interrupted)
    for _ in range(2):
        waiting.cancel()
        await asyncio.wait({waiting}, timeout=0.02)
        assert not waiting.done()
    bars.may_end.set()
    with pytest.raises(Cancelled):
        await waiting
    assert bars.has_ended


async def test_work_that_ends_by_itself_is_returned(bridge: Bridge) -> None:
    bars = StoringBars()
    bars.may_end.set()
    assert await until_stopped(bars.run(), bridge) == "stored"
