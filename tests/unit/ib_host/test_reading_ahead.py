"""Messages that are made while earlier ones are sent: whoever leaves meanwhile leaves nothing behind."""

import asyncio
import gc
import threading
from collections.abc import Generator
from typing import Any

import pytest
from ktrdr.ib.v1 import ib_pb2

from services.ib_host.streaming.bar_stream import read_ahead
from tests.support.eventually import eventually


class DamagedError(Exception):
    """The next bars can't be read."""


async def test_a_reader_that_leaves_is_not_told_of_bars_that_could_not_be_read() -> None:
    forgotten: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: forgotten.append(context))
    failed = threading.Event()

    def responses() -> Generator[ib_pb2.StreamBarsResponse, None, None]:
        yield ib_pb2.StreamBarsResponse(rows=1)
        failed.set()
        raise DamagedError

    made = read_ahead(responses(), at_once=1)
    assert (await anext(made)).rows == 1
    await eventually(failed.is_set)
    await eventually(lambda: not _at_work())
    await made.aclose()
    gc.collect()
    assert forgotten == []


async def test_a_reader_that_stays_is_told() -> None:
    def responses() -> Generator[ib_pb2.StreamBarsResponse, None, None]:
        yield ib_pb2.StreamBarsResponse(rows=1)
        raise DamagedError

    made = read_ahead(responses(), at_once=1)
    assert (await anext(made)).rows == 1
    with pytest.raises(DamagedError):
        await anext(made)


def _at_work() -> bool:
    """Tell whether another task than the test's own is not done."""
    return len(asyncio.all_tasks()) > 1
