"""Spares that end in the moment in which they are taken or let go of."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from services.host.spare import spare_workers
from services.host.spare.spare_workers import SpareWorkers
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock


class ScriptedSpare:
    """A spare that is ready at once, and ends when the test says so."""

    made: "list[ScriptedSpare]" = []  # noqa: RUF012 - emptied by each test

    def __init__(self) -> None:
        self.pid = len(self.made) + 1
        self.dead = asyncio.Event()
        self.let_go = False
        self.made.append(self)

    @classmethod
    def start(cls, _folder: Path, _command: Sequence[str], _environment: Mapping[str, str]) -> "ScriptedSpare":
        return cls()

    async def ready(self) -> bool:
        return True

    async def ended(self) -> None:
        await self.dead.wait()

    def end(self) -> None:
        self.let_go = True

    def wait(self) -> None:
        assert self.let_go

    def said(self) -> str:
        return "the last words"


@pytest.fixture
async def spares(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SpareWorkers:
    monkeypatch.setattr(spare_workers, "SpareWorker", ScriptedSpare)
    ScriptedSpare.made.clear()
    spares = SpareWorkers(3, [], environment={}, folder=tmp_path, clock=FakeClock())
    spares.start()
    await eventually(lambda: len(spares.ready) == 3)
    return spares


@pytest.mark.parametrize("turns", range(10))
async def test_some_end_while_all_are_let_go_of(spares: SpareWorkers, turns: int) -> None:
    stopping = asyncio.create_task(spares.stop())
    for _ in range(turns):
        await asyncio.sleep(0)
    for each in ScriptedSpare.made[1:]:
        each.dead.set()
    await stopping
    assert [each.let_go for each in ScriptedSpare.made] == [True] * 3
    assert spares.ready == []


@pytest.mark.parametrize("turns", range(4))
async def test_one_that_ends_just_then_is_not_given_away_twice(spares: SpareWorkers, turns: int) -> None:
    first, second, _ = ScriptedSpare.made
    first.dead.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    taken: object = await spares.take(usable=True)
    # Where its end was not seen yet it is found dead by the hand-over.
    assert taken in {first, second}
    assert (taken is second) == first.let_go
    await spares.stop()
    assert [each.let_go for each in ScriptedSpare.made] == [each is not taken for each in ScriptedSpare.made]
