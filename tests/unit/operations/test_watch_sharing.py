"""Watches that ask for the same are told the same bytes; those that fall behind are told the latest only."""

from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.filters import parse_filter
from services.operations.watching import Selection, WatchQuery
from tests.support.watched_world import WatchedWorld

EVERYTHING = WatchQuery(Selection(parse_filter("")), 0, heartbeat_seconds=3600.0)
RUNNING = WatchQuery(Selection(parse_filter("state = RUNNING")), 0, heartbeat_seconds=3600.0)


async def test_watches_with_equal_selections_share_each_message(tmp_path: Path) -> None:
    world = WatchedWorld(tmp_path)
    await world.start()
    one, two, other = (world.watching.watch(query) for query in (EVERYTHING, EVERYTHING, RUNNING))
    for stream in (one, two, other):
        assert pb.WatchOperationsResponse.FromString(await anext(stream)).bookmark
    world.open()
    await world.poll()
    first = await anext(one)
    assert await anext(two) is first
    assert await anext(other) == first
    for stream in (one, two, other):
        await stream.aclose()
    await world.stop()


async def test_who_falls_behind_is_told_the_latest_states_only(tmp_path: Path) -> None:
    world = WatchedWorld(tmp_path)
    await world.start()
    fast, slow = world.watching.watch(EVERYTHING), world.watching.watch(EVERYTHING)
    for stream in (fast, slow):
        await anext(stream)
    world.open()
    for _ in range(10):
        world.write(0)
        await world.poll()
        await anext(fast)
    told = [pb.WatchOperationsResponse.FromString(await anext(slow))]
    assert len(told[0].operations) == 1
    truth = await world.truth(EVERYTHING.selection)
    assert told[0].operations[0].metric_points == next(iter(truth.values())).record.metric_points
    for stream in (fast, slow):
        await stream.aclose()
    await world.stop()


async def test_a_watch_ends_by_itself_after_its_life_and_the_next_goes_on(tmp_path: Path) -> None:
    world = WatchedWorld(tmp_path)
    await world.start()
    stream = world.watching.watch(EVERYTHING)
    reached = pb.WatchOperationsResponse.FromString(await anext(stream)).revision
    world.clock.advance(601.0)
    world.open()
    await world.poll()
    assert [data async for data in stream] == []
    async with aclosing(world.watching.watch(replace(EVERYTHING, after_revision=reached))) as next_one:
        assert pb.WatchOperationsResponse.FromString(await anext(next_one)).operations
    await world.stop()
