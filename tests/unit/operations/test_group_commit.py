"""Units share transactions, and each hears what became of it."""

import asyncio

import pytest

from services.operations.changes import Changes
from services.operations.group_commit import GroupCommit


class Unit:
    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log

    def prepare(self, changes: Changes) -> None:
        changes.removed_operations.append(self.name)

    def committed(self) -> None:
        self.log.append(f"{self.name} committed")

    def failed(self) -> None:
        self.log.append(f"{self.name} failed")


class SlowWriter:
    """Writes when it is told to."""

    def __init__(self) -> None:
        self.written: list[list[str]] = []
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def write(self, changes: Changes) -> None:
        await self.gate.wait()
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        self.written.append(changes.removed_operations)


async def test_what_arrives_during_a_transaction_shares_the_next_one() -> None:
    log: list[str] = []
    writer = SlowWriter()
    commits = GroupCommit(writer)
    first = asyncio.create_task(commits.commit(Unit("a", log)))
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(commits.commit(Unit(name, log))) for name in "bcd"]
    await asyncio.sleep(0.01)
    settled = asyncio.create_task(commits.settled())
    await asyncio.sleep(0.01)
    assert not settled.done()
    writer.gate.set()
    await asyncio.gather(first, *others)
    await settled
    assert writer.written == [["a"], ["b", "c", "d"]]
    assert log == [f"{name} committed" for name in "abcd"]
    await commits.settled()


async def test_a_failed_transaction_is_told_to_all_its_units_and_the_next_one_works() -> None:
    log: list[str] = []
    writer = SlowWriter()
    writer.gate.set()
    writer.error = OSError("disk")
    commits = GroupCommit(writer)
    results = await asyncio.gather(*(commits.commit(Unit(name, log)) for name in "ab"), return_exceptions=True)
    assert all(isinstance(result, OSError) for result in results)
    assert log == ["a failed", "b failed"]
    await commits.commit(Unit("c", log))
    assert log[-1] == "c committed"


async def test_a_unit_is_stored_although_its_caller_was_cancelled() -> None:
    log: list[str] = []
    writer = SlowWriter()
    commits = GroupCommit(writer)
    caller = asyncio.create_task(commits.commit(Unit("a", log)))
    await asyncio.sleep(0.01)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    writer.gate.set()
    await commits.settled()
    assert log == ["a committed"]
