"""Two loads of one dataset: the second one waits, and says for whom."""

import asyncio
import os
import socket
from pathlib import Path

from services.common.clock import SystemClock
from services.ib_host.loading.dataset_lock import dataset_to_itself
from tests.support.eventually import eventually


async def test_the_second_load_tells_which_one_it_waits_for_and_goes_on(tmp_path: Path) -> None:
    told: list[str] = []
    order: list[str] = []

    async def second() -> None:
        async with dataset_to_itself(
            tmp_path / "aapl", title="AAPL 1d TRADES", session="two", clock=SystemClock(), told=told.append
        ):
            order.append("two")

    async with dataset_to_itself(
        tmp_path / "aapl", title="AAPL 1d TRADES", session="one", clock=SystemClock(), told=lambda _: None
    ):
        waiting = asyncio.create_task(second())
        await eventually(lambda: told)
        order.append("one")
    await waiting
    assert order == ["one", "two"]
    assert told[0].startswith(
        f"AAPL 1d TRADES is loaded by load one (pid {os.getpid()} on {socket.gethostname()}, since "
    )
    assert told[-1] == ""
