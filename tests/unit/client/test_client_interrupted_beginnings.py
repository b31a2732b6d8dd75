"""Ctrl-C while a request to begin something is under way says that it may have begun all the same."""

import asyncio
from pathlib import Path
from typing import Any, Self

import pytest
from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr_client.cli import ops_retry, train
from ktrdr_client.cli.invocation import Invocation

STRATEGY = Path(__file__).parents[3] / "examples" / "strategies" / "aapl_daily_swing.yaml"


class Slow:
    """A client whose requests are taken, and not answered."""

    asked = asyncio.Event()

    def __init__(self, _server: str) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_details: object) -> None:
        pass

    async def get(self, operation_id: str) -> Operation:
        return Operation(id=operation_id)

    async def create_training(self, *_arguments: object, **_more: object) -> None:
        self.asked.set()
        await asyncio.sleep(600)

    retry = create_training


@pytest.mark.parametrize(
    ("module", "arguments", "look"),
    [(train, (STRATEGY,), "ktrdr ops list"), (ops_retry, ("0123456789ab",), "ktrdr ops get 0123456789ab")],
)
async def test_what_may_have_begun_is_told(
    monkeypatch: pytest.MonkeyPatch, module: Any, arguments: tuple[Any, ...], look: str
) -> None:
    monkeypatch.setattr(module, "AsyncClient", Slow)
    monkeypatch.setattr(Slow, "asked", asyncio.Event())
    invocation = Invocation("a:1", quiet=True)
    command = train.train if module is train else ops_retry.retry
    running = asyncio.create_task(command(invocation, *arguments))
    await Slow.asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert look in invocation.on_interrupt[0]
    assert "ktrdr ops cancel" in invocation.on_interrupt[1]
