import asyncio
import threading

import pytest

from services.common.threads import in_thread, to_its_end
from tests.support.eventually import eventually


async def test_a_caller_that_is_cancelled_again_and_again_leaves_when_the_thread_has_ended() -> None:
    begun, go_on, over = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert go_on.wait(60)
        over.set()

    caller = asyncio.create_task(in_thread(work))
    await eventually(begun.is_set)
    for _ in range(3):
        caller.cancel()
        await asyncio.wait([caller], timeout=0.02)
        assert not caller.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert over.is_set()


async def test_work_that_is_to_be_whole_is_finished_before_its_caller_is_cancelled() -> None:
    begun, go_on, steps = asyncio.Event(), asyncio.Event(), list[str]()

    async def work() -> None:
        steps.append("first")
        begun.set()
        await go_on.wait()
        steps.append("second")

    caller = asyncio.create_task(to_its_end(work()))
    await begun.wait()
    caller.cancel()
    await asyncio.wait([caller], timeout=0.02)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert steps == ["first", "second"]


async def test_what_work_returns_and_raises_comes_to_the_caller() -> None:
    assert await in_thread(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)
