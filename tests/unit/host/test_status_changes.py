"""Whatever changes is told at once to a reader that was up to date, from what the host remembers of it."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ktrdr.host.v1 import host_pb2
from ktrdr_bridge import Bridge

from services.host.known_cursors import KnownCursors
from tests.support.eventually import eventually
from tests.support.status_reader import StatusReader
from tests.support.status_world import StatusWorld, stable


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[StatusWorld]:
    """A host with three sessions, each of which has written a few rows."""
    world = StatusWorld(tmp_path)
    await world.open()
    for _ in range(3):
        world.write(world.start(), 5)
    yield world
    await world.close()
    world.end_writers()


@pytest.fixture
async def reader(world: StatusWorld) -> StatusReader:
    """A reader that has read everything."""
    reader = StatusReader(world.ask)
    await reader.drain()
    return reader


@pytest.mark.parametrize("action", ["write", "phase", "wait", "worker", "cancel", "stage"])
async def test_each_change_is_told_and_nothing_else(world: StatusWorld, reader: StatusReader, action: str) -> None:
    for amount in (1, 2, 3):
        await world.act(action, 1, amount)
        answer = await reader.read()
        if action == "cancel" and amount > 1:
            assert not answer.sessions, "the first reason counts"
            continue
        assert [session.id for session in answer.sessions] == ["s1"]
        assert stable(answer.sessions[0]) == world.told("s1")
        assert stable(answer.sessions[0]).progress == world.progress("s1")
        assert not (await reader.read()).sessions


async def test_an_answer_without_news_leaves_the_cursor_as_it_is(world: StatusWorld, reader: StatusReader) -> None:
    cursor = reader.cursor
    assert (await reader.read()).next_cursor == cursor
    world.forget_cursors()
    assert (await reader.read()).next_cursor == cursor


async def test_cursors_that_were_forgotten_are_answered_all_the_same(world: StatusWorld) -> None:
    known: list[tuple[bytes, int]] = []
    reader = StatusReader(world.ask)
    for _ in range(400):  # more than are remembered
        await reader.drain()
        known.append((reader.cursor, len(world.written["s0"])))
        world.write("s0", 1)
    for cursor, written in known[::37]:
        late = StatusReader(world.ask)
        late.cursor = cursor
        await late.drain()
        assert sorted(late.series("s0", "loss")) == list(range(written, len(world.written["s0"])))
        assert list(late.sessions) == ["s0"]


async def test_only_so_many_cursors_are_remembered(world: StatusWorld, reader: StatusReader) -> None:
    standing = world.feed._known.find(reader.cursor)
    assert standing is not None
    memory = KnownCursors()
    for number in range(100_000):
        memory.keep(b"%d" % number, standing)
    assert len(memory._standings) <= 64
    assert memory._positions == 3 * len(memory._standings)
    assert memory.find(b"99999") is standing
    assert memory.find(b"0") is None


async def test_a_session_that_comes_later_is_told(world: StatusWorld, reader: StatusReader) -> None:
    world.start()
    assert [session.id for session in (await reader.read()).sessions] == ["s3"]
    world.write("s3", 1)
    assert len((await reader.read()).sessions[0].metrics[0].values) == 1


async def test_what_thinning_gives_up_is_told(tmp_path: Path) -> None:
    world = StatusWorld(tmp_path, journal_bytes=2**20)
    await world.open()
    try:
        name = world.start()
        reader = StatusReader(world.ask)
        for _ in range(400):
            world.write(name, 100)
            await reader.drain()
            if reader.sessions[name].HasField("thinning"):
                break
        assert reader.sessions[name].thinning.generation > 0
        assert reader.sessions[name].thinning.rows_left_out > 0
        world.write(name, 10)
        await reader.drain()
        # The reader has read along, so nothing is missing from what it has.
        assert [point for _, point in sorted(reader.series(name, "loss").items())] == world.written[name]
        assert not reader.resets
        await world.settle(0)
        await reader.drain()
        assert reader.sessions[name].thinning.rows_left_out > 0
    finally:
        await world.close()
        world.end_writers()


async def test_a_journal_that_is_cut_off_is_told_as_damaged(world: StatusWorld, reader: StatusReader) -> None:
    os.truncate(world.session("s1").folder.journal, 65_600)  # within the first segment's header
    await eventually(lambda: told_of(reader, "s1"))
    assert reader.sessions["s1"].journal_damage
    world.write("s2", 1)
    await reader.drain()
    assert len(reader.series("s2", "loss")) == 6


async def test_a_journal_that_another_one_took_the_place_of_is_a_reset(
    world: StatusWorld, reader: StatusReader, tmp_path: Path
) -> None:
    with Bridge.create(tmp_path / "other", segment_bytes=2**16) as other:
        other.on_epoch(1, {"loss": 0.25})
    shutil.move(tmp_path / "other", world.session("s1").folder.journal)
    await eventually(lambda: told_of(reader, "s1"))
    assert reader.resets == ["s1"]
    assert reader.values("s1", "loss") == [0.25]


async def test_journals_are_looked_at_while_somebody_waits_and_never_otherwise(world: StatusWorld) -> None:
    looks = 0
    look = world.watch.look

    def counted() -> int:
        nonlocal looks
        looks += 1
        return look()

    world.watch.look = counted  # type: ignore[method-assign]  # counts
    async with world.watch.looking(), world.watch.looking():
        await eventually(lambda: looks >= 5)
    assert not world.watch.is_looking
    looks = 0
    await asyncio.sleep(0.1)
    assert looks == 0


async def told_of(reader: StatusReader, name: str) -> bool:
    """Read, and tell whether the answer has this session."""
    answer: host_pb2.GetStatusResponse = await reader.read()
    return any(session.id == name for session in answer.sessions)
