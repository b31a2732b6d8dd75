"""Ending work when its session is asked to stop."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from ktrdr_bridge import Bridge

from services.common.threads import wait_out

T = TypeVar("T")

_LOOK_SECONDS: Final = 0.1


async def until_stopped(work: Coroutine[Any, Any, T], bridge: Bridge) -> T:
    """Return what work returns; interrupt it soon after the session was asked to stop, wherever it waits.

    Whoever cancels this waits for the end of the work, too, however often it is: until then it uses the session's
    bridge.

    Args:
        work: cleans up after itself when it is cancelled.
        bridge: knows of the request; looking at it costs nothing.

    Raises:
        Cancelled: the session was asked to stop, and the work has ended.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        while not task.done() and not bridge.cancelled:
            await asyncio.wait({task}, timeout=_LOOK_SECONDS)
    finally:
        task.cancel()
        await wait_out(task)
    if task.cancelled():
        bridge.raise_if_cancelled()
    return task.result()
