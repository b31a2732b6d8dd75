"""Connecting with the adapter: on whatever event loop runs, and by the handshake alone."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from services.ib_host.connection.library import LibrarySession
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings


class Unconcerned:
    def told(self, request_id: int, code: int, text: str) -> None: ...

    def lost(self) -> None: ...

    def undecodable(self, fields: Sequence[str]) -> None: ...

    def out_of_step(self, length: int) -> None: ...


async def time_of_the_gateway() -> datetime:
    async with ReplayServer(ReplaySettings(port=0)) as gateway:
        session = LibrarySession(Unconcerned())
        await session.connect("127.0.0.1", gateway.port, 1, timeout_seconds=60)
        _, answer = session.begin(key="currentTime")
        session.send_current_time()
        time: datetime = await answer
        session.disconnect()
        return time


async def test_connecting_asks_for_nothing() -> None:
    async with ReplayServer(ReplaySettings(port=0)) as gateway:
        session = LibrarySession(Unconcerned())
        await session.connect("127.0.0.1", gateway.port, 1, timeout_seconds=60)
        assert session.ready
        assert session.accounts == ("REPLAY1",)
        _, answer = session.begin(key="currentTime")
        session.send_current_time()
        await answer
        session.disconnect()
        assert [frame.fields[0] for frame in gateway.journal] == ["71", "49"]


def with_a_factory(work: Coroutine[Any, Any, datetime]) -> datetime:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work)


@pytest.mark.parametrize("run", [asyncio.run, with_a_factory])
def test_it_asks_and_is_answered_twice_in_a_thread(run: Callable[[Coroutine[Any, Any, datetime]], datetime]) -> None:
    answers: list[datetime] = []

    def ask() -> None:
        answers.extend(run(time_of_the_gateway()) for _ in range(2))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(timeout=60)
    assert answers == [datetime(2013, 3, 2, tzinfo=UTC)] * 2
