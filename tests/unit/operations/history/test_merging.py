"""Merging blocks never loses, doubles or moves a point, whoever reads, deletes or fails meanwhile."""

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.host.v1.errors_pb2 import ErrorReason
from sqlalchemy import select

from services.common.errors import ServiceError
from services.operations import schema
from services.operations.blocks import rows_between
from services.operations.changes import Changes
from services.operations.history.merging.merger import Merger
from services.operations.history.merging.plan import ENOUGH_BLOCKS
from services.operations.history.query import MetricQuery
from services.operations.live_operation import LiveOperation
from services.operations.schema import journals
from services.operations.watching.stored_points import points_between
from tests.support.eventually import eventually
from tests.support.metric_blocks import Row, points_of_series
from tests.support.stored_histories import StoredHistories, stored_histories


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[StoredHistories]:
    async with stored_histories(tmp_path / "store.sqlite3") as opened:
        yield opened


def rows_of(count: int) -> list[Row]:
    return [{"loss": float(place), "rate": 0.5} for place in range(count)]


async def test_a_journal_that_grows_is_merged_as_it_grows_and_once_more_when_it_has_ended(
    world: StoredHistories,
) -> None:
    operation = await world.operation("op")
    await world.write(operation, rows_of(ENOUGH_BLOCKS - 1))
    await world.merge_all()
    assert await world.block_count("op") == ENOUGH_BLOCKS - 1
    await world.write(operation, rows_of(2))
    await world.merge_all()
    assert await world.block_count("op") == 1
    await world.write(operation, rows_of(1_000))
    await world.merge_all()
    assert 1 < await world.block_count("op") < ENOUGH_BLOCKS
    await world.end(operation)
    await world.merge_all()
    assert await world.block_count("op") == 1
    assert sorted(await world.read("op")) == sorted(world.told["op", 1])


async def test_what_an_earlier_life_left_small_is_merged_once_and_not_looked_at_again(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    async with stored_histories(path) as first:
        for name in ("one", "two"):
            operation = await first.operation(name)
            await first.write(operation, rows_of(2_500))
            await first.end(operation)
        told = first.told
    async with stored_histories(path) as second:
        await second.merge_all()
        assert await second.block_count("one") == await second.block_count("two") == 1
        assert sorted(await second.read("one")) == sorted(told["one", 1])
        operation = await second.operation("three")
        await second.write(operation, rows_of(10))
    async with stored_histories(path) as third:
        looked_at = await third.merger._earlier.next()
        assert {journal.operation_id for journal in looked_at} == {"three"}


SEVERAL_ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), st.floats(), min_size=1, max_size=3), max_size=80)


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.tuples(SEVERAL_ROWS, st.sampled_from("xy"), st.integers(1, 3), st.booleans()), max_size=6), st.data()
)
def test_any_history_is_the_same_after_each_step(
    writes: list[tuple[list[Row], str, int, bool]], data: st.DataObject
) -> None:
    async def run(folder: Path) -> None:
        async with stored_histories(folder / "store.sqlite3") as world:
            operation = await world.operation("op")
            for rows, journal, batch, merge in writes:
                await world.write(operation, rows, journal, batch=batch)
                if merge:
                    await world.merger.step()
                await check(world)
            await world.end(operation)
            while await world.merger.step():
                await check(world)
            assert await world.block_count("op") <= 2
            await check_revisions(world, data.draw(st.integers(-1, 200)), data.draw(st.integers(-1, 200)))

    async def check(world: StoredHistories) -> None:
        expected = sorted(world.told.get(("op", 1), []))
        assert sorted(await world.read("op", page_size=data.draw(st.sampled_from([0, 0, 37])))) == expected

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


async def check_revisions(world: StoredHistories, after: int, further: int) -> None:
    """Two ranges of revisions that follow each other hold each point once."""
    base = min((revision for _, _, revision, *_ in await all_blocks(world)), default=0)
    cuts = [-1, base + after, base + after + max(further, 0), 2**60]
    found = [
        point
        for start, end in itertools.pairwise(cuts)
        for journal, marks, revision, block in await all_blocks(world)
        for point in points_of_series(rows_between(block, marks, revision, start, end), journal)
    ]
    assert sorted(found) == sorted(world.told.get(("op", 1), []))


async def all_blocks(world: StoredHistories) -> list[tuple[str, bytes | None, int, bytes]]:
    blocks = schema.metric_blocks
    columns = select(blocks.c.incarnation, blocks.c.marks, blocks.c.revision, blocks.c.data)
    return [(row[0], row[1], row[2], row[3]) for row in await world.store.read.tuples(columns)]


async def test_who_reads_while_blocks_are_merged_sees_everything(world: StoredHistories) -> None:
    operations: list[LiveOperation] = []
    for number in range(3):
        operations.append(await world.operation(f"op{number}"))
        await world.write(operations[-1], rows_of(1_500))
    for operation in operations:
        await world.end(operation)
    merging = asyncio.create_task(world.merge_all())
    reads = 0
    while not merging.done() or reads < 3:
        for operation in operations:
            found = await world.read(operation.id, page_size=500)
            assert len(found) == len(set(found)) == 3_000
        reads += 1
    await merging
    assert [await world.block_count(operation.id) for operation in operations] == [1, 1, 1]


async def test_pages_that_were_begun_before_a_merge_go_on_after_it(world: StoredHistories) -> None:
    operation = await world.operation("op")
    await world.write(operation, rows_of(300))

    page = await world.query(MetricQuery("op", page_size=101))
    await world.end(operation)
    await world.merge_all()
    found = [point for one in page.series for point in one.points.values]
    while page.next_page_token:
        page = await world.query(MetricQuery("op", page_token=page.next_page_token))
        found += [point for one in page.series for point in one.points.values]
    assert sorted(found) == sorted([float(place) for place in range(300)] + [0.5] * 300)


async def test_an_operation_that_is_deleted_while_its_blocks_are_merged_stays_deleted(
    world: StoredHistories, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = await world.operation("op")
    await world.write(operation, rows_of(100))
    write = world.store.write

    async def deleted_first(changes: Changes) -> None:
        if changes.statements:
            await write(Changes(removed_operations=["op"]))
        await write(changes)

    monkeypatch.setattr(world.store, "write", deleted_first)
    await world.merge_all()
    assert await world.block_count("op") == 0


async def test_blocks_that_are_not_as_they_were_read_are_left_alone(
    world: StoredHistories, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = await world.operation("op")
    await world.write(operation, rows_of(100))
    write = world.store.write

    async def twice(changes: Changes) -> None:
        await write(changes)
        await write(changes)

    monkeypatch.setattr(world.store, "write", twice)
    await world.merge_all()
    assert sorted(await world.read("op")) == sorted(world.told["op", 1])


async def test_a_store_that_takes_nothing_stops_merging_only(
    world: StoredHistories, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = await world.operation("op")
    await world.write(operation, rows_of(100))
    write, full = world.store.write, True

    async def no_room(changes: Changes) -> None:
        if full:
            raise ServiceError(ErrorReason.ERROR_REASON_STORAGE_FULL, path="store")
        await write(changes)

    monkeypatch.setattr(world.store, "write", no_room)
    for _ in range(2):
        with pytest.raises(ServiceError):
            await world.merger.step()
    assert await world.block_count("op") == 100
    full = False
    await world.merge_all()
    assert await world.block_count("op") == 1
    assert sorted(await world.read("op")) == sorted(world.told["op", 1])


async def test_a_block_that_cannot_be_read_stops_no_other(world: StoredHistories) -> None:
    bad, good = await world.operation("bad"), await world.operation("good")
    for operation in (bad, good):
        await world.write(operation, rows_of(100))
    blocks = schema.metric_blocks
    broken = blocks.update().where(blocks.c.operation_id == "bad", blocks.c.first_seq == 3).values(data=b"\0\7")
    await world.store.write(Changes(statements=[broken]))
    await world.merge_all()
    assert await world.block_count("good") == 1
    assert await world.block_count("bad") == 100


async def test_merging_goes_on_in_the_background_and_ends_in_order(world: StoredHistories) -> None:
    merger = Merger(world.registry, world.store, share=1.0)
    merger.start()
    operation = await world.operation("op")
    await world.write(operation, rows_of(ENOUGH_BLOCKS + 10))

    async def merged() -> bool:
        return await world.block_count("op") < ENOUGH_BLOCKS

    await eventually(merged)
    await merger.close()
    assert sorted(await world.read("op")) == sorted(world.told["op", 1])


async def test_a_watch_that_reads_stored_points_while_they_are_merged_has_each_once(world: StoredHistories) -> None:
    operation = await world.operation("op")
    await world.write(operation, rows_of(4_000))
    await world.end(operation)
    merging = asyncio.create_task(world.merge_all())
    rounds = 0
    while not merging.done() or rounds < 2:
        found, after = [], 0
        while after < world.registry.revisions.visible:
            page = await points_between(world.store.read, after, world.registry.revisions.visible, [], blocks=150)
            for points in page.points:
                found += points_of_series(points.series)
            for block in page.merged:
                found += points_of_series(rows_between(block.data, block.marks, block.revision, after, page.reach))
            after = page.reach
        assert sorted(found) == sorted(world.told["op", 1])
        rounds += 1
    await merging


async def test_a_restart_finds_its_place_within_a_merged_block(tmp_path: Path) -> None:
    path, stored = tmp_path / "store.sqlite3", 70
    async with stored_histories(path) as first:
        operation = await first.operation("op")
        await first.write(operation, rows_of(200))
        operation.stored_points = 2 * stored
        await first.registry.change(operation, lambda _: None)
        behind = journals.update().values(next_seq=stored)  # progress is stored now and then only
        await first.store.write(Changes(statements=[behind]))
        await first.merge_all()
        assert await first.block_count("op") < 10
    async with stored_histories(path) as second:
        operation = second.registry.live["op"]
        assert operation.positions.next_seq == {"x": 200}
        assert operation.stored_points == operation.record.metric_points == 400
