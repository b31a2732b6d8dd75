import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.host.device_pool import DevicePool


def test_devices_are_given_whole_or_not_at_all() -> None:
    pool = DevicePool(["cuda:0", "cuda:1", "cuda:2"])
    assert pool.take("a", 2) == ("cuda:0", "cuda:1")
    assert pool.take("b", 2) is None
    assert pool.take("b", 1) == ("cuda:2",)
    assert pool.take("c", 0) == ()
    pool.release("a")
    assert pool.free == ["cuda:0", "cuda:1"]
    assert [pool.holder(name) for name in ("cuda:0", "cuda:2")] == ["", "b"]


def test_a_session_keeps_what_it_has_whatever_is_found_later() -> None:
    pool = DevicePool(None)
    pool.hold("old", ["cuda:1", "cuda:7"])
    assert (pool.is_known, pool.total, pool.take("new", 1), pool.take("none", 0)) == (False, 0, None, ())
    pool.find(["cuda:0", "cuda:1"])
    assert (pool.is_known, pool.total, pool.free) == (True, 2, ["cuda:0"])
    pool.release("old")
    assert pool.free == ["cuda:0", "cuda:1"]


async def test_who_waits_is_told_what_there_is() -> None:
    pool, told = DevicePool(None), []
    pool.when_found(lambda: told.append(pool.total))
    waiting = asyncio.create_task(pool.known())
    await asyncio.sleep(0)
    assert not waiting.done()
    pool.find(["cuda:0"])
    await waiting
    assert told == [1]
    await DevicePool().known()


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=30))
def test_no_device_is_given_twice(steps: list[tuple[int, int]]) -> None:
    pool = DevicePool([f"cuda:{number}" for number in range(4)])
    held: dict[str, tuple[str, ...]] = {}
    for session, count in steps:
        name = str(session)
        if name in held:
            pool.release(name)
            del held[name]
        elif (given := pool.take(name, count)) is not None:
            held[name] = given
        taken = [device for devices in held.values() for device in devices]
        assert len(taken) == len(set(taken))
        assert sorted([*taken, *pool.free]) == [f"cuda:{number}" for number in range(4)]


@pytest.mark.parametrize("count", [0, 1])
def test_a_host_without_devices_gives_none(count: int) -> None:
    assert DevicePool().take("a", count) == (() if count == 0 else None)
