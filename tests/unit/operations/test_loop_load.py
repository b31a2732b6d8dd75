"""Hosts are asked less often where the event loop does not keep up, and as often as ever when it does again."""

import asyncio
import contextlib

from services.operations.loop_load import LoopLoad, next_stretch
from tests.support.fake_clock import FakeClock


def test_a_busy_loop_stretches_pauses_to_five_times_at_most_and_an_idle_one_takes_it_back() -> None:
    stretch = 1.0
    for _ in range(100):
        stretch = next_stretch(stretch, 0.05)
    assert stretch == 5.0
    for _ in range(100):
        stretch = next_stretch(stretch, 0.001)
    assert stretch == 1.0


def test_a_loop_that_just_keeps_up_is_left_as_it_is() -> None:
    assert next_stretch(1.7, 0.004) == 1.7


async def test_what_is_measured_is_how_late_the_loop_comes_back() -> None:
    clock = FakeClock()
    sleeps = 0

    async def sleep(seconds: float) -> None:
        nonlocal sleeps
        sleeps += 1
        clock.advance(seconds + (0.05 if sleeps <= 40 else 0.0))
        if sleeps > 400:
            raise asyncio.CancelledError
        if sleeps == 41:
            grown.append(load.stretch)

    grown: list[float] = []
    load = LoopLoad(clock, sleep)
    with contextlib.suppress(asyncio.CancelledError):
        await load.run()
    assert grown[0] > 1.05
    assert load.stretch == 1.0
