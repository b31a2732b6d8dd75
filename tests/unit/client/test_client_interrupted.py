"""Ctrl-C, wherever it meets a client: what was begun is ended, and nothing else comes of it."""

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, Self

import pytest
from ktrdr.ib.v1.ib_pb2 import StreamBarsResponse
from ktrdr_client.cli import up
from ktrdr_client.cli.exit_codes import ExitCode
from ktrdr_client.cli.invocation import Invocation
from ktrdr_client.cli.printer import Printer
from ktrdr_client.loop_thread import LoopThread
from ktrdr_client.market_data import bar_stream
from ktrdr_client.market_data.bar_stream import BarStream, StreamStopped


def test_an_iteration_that_is_interrupted_is_closed_when_its_last_step_has_ended() -> None:
    main = threading.main_thread().ident
    assert main is not None
    ended: list[str] = []

    async def lines() -> AsyncGenerator[str, None]:
        try:
            yield "first"
            # Whoever asks for the second line is in the middle of that when the signal comes.
            asyncio.get_running_loop().call_later(0.05, signal.pthread_kill, main, signal.SIGINT)
            await asyncio.sleep(600)
        finally:
            for _ in range(5):  # a call that is ended takes some turns of the loop
                await asyncio.sleep(0)
            ended.append("in order")

    loop = LoopThread.acquire()
    try:
        iterator = loop.iterate(lines())
        assert next(iterator) == "first"
        with pytest.raises(KeyboardInterrupt):
            next(iterator)
        assert ended == ["in order"]
    finally:
        loop.release()


async def test_bars_are_stopped_although_their_thread_was_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, stopped = asyncio.Event(), threading.Event()

    async def silent() -> AsyncIterator[StreamBarsResponse]:
        asked.set()
        await asyncio.sleep(600)
        yield StreamBarsResponse()

    run = asyncio.run_coroutine_threadsafe

    def held_up(work: Any, loop: asyncio.AbstractEventLoop) -> "Future[Any]":
        future = run(work, loop)
        stopped.wait(60)
        return future

    monkeypatch.setattr(bar_stream.asyncio, "run_coroutine_threadsafe", held_up)  # type: ignore[attr-defined]  # imported there
    stream = BarStream(silent())
    reading = asyncio.create_task(asyncio.to_thread(stream.read, 1))
    await asked.wait()
    stream.stop()
    stopped.set()
    done, _ = await asyncio.wait({reading}, timeout=60)
    assert done
    assert reading.cancelled() or isinstance(reading.exception(), StreamStopped)


class Kept:
    """A system that tells how it was ended."""

    def __init__(self, _plan: object) -> None:
        self.events: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_details: object) -> None:
        self.events.append("ended")

    async def kill(self) -> None:
        self.events.append("killed")

    async def first_death(self) -> None:
        await asyncio.sleep(600)


@pytest.mark.parametrize("meets", ["_show", "settle_work"])
async def test_a_second_ctrl_c_ends_everything_at_once_wherever_it_comes(
    monkeypatch: pytest.MonkeyPatch, meets: str
) -> None:
    begun, shown, stop, system = asyncio.Event(), asyncio.Event(), asyncio.Event(), Kept(None)

    async def take_long(*_arguments: object) -> None:
        begun.set()
        await asyncio.sleep(600)

    async def take_no_time(*_arguments: object) -> None:
        shown.set()

    for name in ("_show", "settle_work"):
        monkeypatch.setattr(up, name, take_long if name == meets else take_no_time)
    monkeypatch.setattr(up, "LocalSystem", lambda _plan: system)
    plan: Any = SimpleNamespace()
    running = asyncio.create_task(up._run(plan, Printer(Invocation("", quiet=True)), stop))
    if meets == "settle_work":
        await shown.wait()
        stop.set()
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert system.events == ["killed", "ended"]


async def test_the_end_of_a_system_is_in_order_after_one_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, shown, system = asyncio.Event(), asyncio.Event(), Kept(None)

    async def show(*_arguments: object) -> None:
        shown.set()

    async def settle(*_arguments: object) -> None:
        system.events.append("settled")

    monkeypatch.setattr(up, "_show", show)
    monkeypatch.setattr(up, "settle_work", settle)
    monkeypatch.setattr(up, "LocalSystem", lambda _plan: system)
    plan: Any = SimpleNamespace()
    running = asyncio.create_task(up._run(plan, Printer(Invocation("", quiet=True)), stop))
    await shown.wait()
    stop.set()
    assert await asyncio.wait_for(running, 60) is ExitCode.OK
    assert system.events == ["settled", "ended"]
