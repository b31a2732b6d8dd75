"""Wait for a condition instead of sleeping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, overload

T = TypeVar("T")
PATIENCE_SECONDS: Final = 60.0
"""For what has to happen by itself: on a busy machine processes start slowly, and what is met costs no time."""


@overload
async def eventually(
    probe: Callable[[], Awaitable[T]], *, timeout_seconds: float = ..., interval_seconds: float = ...
) -> T: ...
@overload
async def eventually(probe: Callable[[], T], *, timeout_seconds: float = ..., interval_seconds: float = ...) -> T: ...
async def eventually(
    probe: Callable[[], T | Awaitable[T]], *, timeout_seconds: float = PATIENCE_SECONDS, interval_seconds: float = 0.02
) -> T:
    """Return the first truthy value of `probe`, plain or coroutine function; fail with its last value otherwise."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        outcome = probe()
        value: T = await outcome if isinstance(outcome, Awaitable) else outcome
        if value:
            return value
        if time.monotonic() > deadline:
            message = f"condition not met within {timeout_seconds} s; last value: {value!r}"
            raise AssertionError(message)
        await asyncio.sleep(interval_seconds)


def eventually_sync(
    probe: Callable[[], T], *, timeout_seconds: float = PATIENCE_SECONDS, interval_seconds: float = 0.02
) -> T:
    """Like `eventually`, for tests without an event loop."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            message = f"condition not met within {timeout_seconds} s; last value: {value!r}"
            raise AssertionError(message)
        time.sleep(interval_seconds)


async def settled(
    probe: Callable[[], T], *, interval_seconds: float = 0.2, timeout_seconds: float = PATIENCE_SECONDS
) -> T:
    """Return the value of `probe` once it has stayed the same for an interval."""
    deadline = time.monotonic() + timeout_seconds
    value = probe()
    while True:
        await asyncio.sleep(interval_seconds)
        before, value = value, probe()
        if before == value:
            return value
        if time.monotonic() > deadline:
            message = f"it still changes after {timeout_seconds} s; last value: {value!r}"
            raise AssertionError(message)
