"""Any readers, with any pages, over restarts of the host: each gets every point once, and every end last."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ktrdr.host.v1.metrics_pb2 import METRIC_ENCODING_ROWS

from tests.support.status_reader import StatusReader
from tests.support.status_world import StatusWorld, stable

Action = tuple[str, int, int]
which = st.integers(0, 5)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.just(0), st.just(0)),
        st.tuples(st.just("write"), which, st.sampled_from([1, 1, 1, 2, 7, 700])),
        st.tuples(st.sampled_from(["phase", "wait", "worker", "cancel", "stage"]), which, st.integers(0, 3)),
        st.tuples(st.just("settle"), which, st.just(0)),
        st.tuples(st.just("remove"), which, st.just(0)),
        st.tuples(st.just("read"), st.integers(0, 2), st.sampled_from([1, 2, 5, 50, 0, 0, 0])),
        st.tuples(st.just("drain"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("lose an answer"), st.integers(0, 2), st.sampled_from([1, 3, 0])),
        st.tuples(st.sampled_from(["restart", "forget"]), st.just(0), st.just(0)),
    ),
    max_size=30,
)


async def play(home: Path, steps: Sequence[Action]) -> None:
    world = StatusWorld(home)
    await world.open()
    readers = [
        StatusReader(world.ask),
        StatusReader(world.ask, page_points=11, encoding=METRIC_ENCODING_ROWS),
        StatusReader(world.ask_without_memory),
    ]
    try:
        for action, number, amount in steps:
            if action in {"read", "lose an answer"}:
                answer = await readers[number].ask(page_points=amount)
                if action == "read":
                    readers[number].take(answer)
            elif action == "drain":
                await readers[number].drain()
                check_states(world, readers[number])
            else:
                await world.act(action, number, amount)
        await asyncio.gather(*(reader.drain() for reader in readers))
        for reader in readers:
            check_states(world, reader)
        for index in range(len(world.bridges)):
            await world.settle(index)
        for reader in readers:
            await reader.drain()
            check(world, reader)
    finally:
        await world.close()
        world.end_writers()


def check_states(world: StatusWorld, reader: StatusReader) -> None:
    for name in world.bridges:
        if name in world.removed:
            continue
        told = stable(reader.sessions[name])
        assert told == world.told(name)
        if not world.is_settled(name):
            assert told.progress == world.progress(name)
        assert [point for _, point in sorted(reader.series(name, "loss").items())] == world.written[name]


def check(world: StatusWorld, reader: StatusReader) -> None:
    assert not reader.resets
    assert set(reader.removed) <= world.removed
    for name, written in world.written.items():
        read = [point for _, point in sorted(reader.series(name, "loss").items())]
        if name in reader.finals:
            assert read == written
            assert len(reader.series(name, "accuracy")) == len(written) // 3
        else:
            assert name in world.removed
            assert read == written[: len(read)]
            assert (name in reader.removed) == (name in reader.sessions)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=actions)
def test_every_reader_gets_every_point_once(steps: list[Action]) -> None:
    with tempfile.TemporaryDirectory() as home:
        asyncio.run(play(Path(home), steps))


@pytest.mark.parametrize("forgotten", [(), (("forget", 0, 0),)])
def test_a_session_that_is_removed_before_its_end_was_read_is_told_as_removed(
    tmp_path: Path, forgotten: tuple[Action, ...]
) -> None:
    seen = [("start", 0, 0), ("start", 0, 0), ("write", 0, 3), ("drain", 0, 0), ("drain", 1, 0)]
    asyncio.run(play(tmp_path, [*seen, ("settle", 0, 0), ("remove", 0, 0), *forgotten, ("drain", 0, 0)]))


@pytest.mark.parametrize("pages", [[0], [1], [5, 0, 1]])
def test_a_reader_that_falls_far_behind_catches_up(tmp_path: Path, pages: list[int]) -> None:
    reads = [("read", 0, page) for page in pages]
    steps = [("start", 0, 0), ("start", 0, 0), ("write", 0, 1_500), *reads, ("write", 1, 300), ("settle", 0, 0), *reads]
    asyncio.run(play(tmp_path, steps))
