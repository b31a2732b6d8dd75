"""Blocking work beside the event loop, and work that is not broken off."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what `work` returns in a thread. A caller that is cancelled still waits until the thread has ended.

    However often it is: whatever `work` uses can be closed, and whatever it wrote is there, once this is over.
    """
    return await to_its_end(asyncio.to_thread(work, *args, **kwargs))


async def to_its_end(work: Awaitable[T]) -> T:
    """Return what `work` returns. A caller that is cancelled, however often, is so when `work` is over.

    For what has to be done wholly or not at all, and waits for nobody who may keep it waiting.
    """
    running = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await wait_out(running)
        raise


async def wait_out(task: "asyncio.Future[T]") -> None:
    """Wait until a task has ended, however often the waiter is cancelled meanwhile.

    For waiters that are about to leave, and raise what has cancelled them themselves. How the task ended is looked at:
    nobody is left to hear of it.
    """
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
