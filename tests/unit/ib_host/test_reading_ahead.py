"""Messages that are made while earlier ones are sent: whoever leaves meanwhile leaves nothing behind."""

import asyncio
import gc
import threading
from collections.abc import Generator
from contextlib import aclosing
from typing import Any

import pytest

from services.ib_host.streaming.bar_stream import read_ahead
from tests.support.eventually import eventually


class DamagedError(Exception):
    """The next bars can't be read."""


async def test_a_reader_that_leaves_is_not_told_of_bars_that_could_not_be_read() -> None:
    forgotten: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: forgotten.append(context))
    failed = threading.Event()

    def responses() -> Generator[bytes, None, None]:
        yield b"first"
        failed.set()
        raise DamagedError

    made = read_ahead(responses(), at_once=1)
    assert await anext(made) == b"first"
    await eventually(failed.is_set)
    await eventually(lambda: not _at_work())
    await made.aclose()
    gc.collect()
    assert forgotten == []


async def test_a_reader_that_stays_is_told() -> None:
    def responses() -> Generator[bytes, None, None]:
        yield b"first"
        raise DamagedError

    made = read_ahead(responses(), at_once=1)
    assert await anext(made) == b"first"
    with pytest.raises(DamagedError):
        await anext(made)


async def test_a_reader_that_is_cancelled_twice_still_waits_for_what_is_being_read() -> None:
    is_reading, may_go_on = threading.Event(), threading.Event()
    closed: list[str] = []

    def responses() -> Generator[bytes, None, None]:
        try:
            yield b"first"
            is_reading.set()
            may_go_on.wait()
            yield b"second"
        finally:
            closed.append("closed")

    async def read() -> None:
        async with aclosing(read_ahead(responses(), at_once=1)) as made:
            async for _ in made:
                pass

    reading = asyncio.create_task(read())
    await eventually(is_reading.is_set)
    for _ in range(2):
        reading.cancel()
        await asyncio.wait({reading}, timeout=0.02)
        assert (reading.done(), closed) == (False, [])
    may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert closed == ["closed"]


def _at_work() -> bool:
    """Tell whether another task than the test's own is not done."""
    return len(asyncio.all_tasks()) > 1
