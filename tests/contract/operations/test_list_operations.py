"""ListOperations over the wire: filters, orders and totals, live and ended operations together, while things change."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from ktrdr.operations.v1 import operations_pb2 as pb

from tests.support.registry_server import RegistryServer, State, reason_of_error, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host


@dataclass
class World:
    host: SimulatedHost
    registry: RegistryServer
    page_read: asyncio.Event = field(default_factory=asyncio.Event)

    async def page(self, **fields: Any) -> pb.ListOperationsResponse:
        self.page_read.set()
        return await self.registry.stub.ListOperations(pb.ListOperationsRequest(**fields), timeout=60)

    async def pages(self, **fields: Any) -> list[pb.ListOperationsResponse]:
        found = [await self.page(**fields)]
        while token := found[-1].next_page_token:
            found.append(await self.page(**fields, page_token=token))
        return found

    async def session(self, number: int, *, ended: bool) -> pb.Operation:
        session_id = f"s{number:02}"
        self.host.add(session_id, display_name=f"run {number % 3}", labels={"team": "red" if number % 2 else "blue"})
        operation = await self.registry.found(session_id)
        if ended:
            self.host.finish(session_id)
            return await self.registry.state_reached(operation.id, State.STATE_COMPLETED)
        return operation


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        yield World(host, registry)


async def test_every_order_pages_through_live_and_ended_ones(world: World) -> None:
    all_of_them = [await world.session(number, ended=number % 2 == 0) for number in range(8)]
    for order_by, key, backwards in (
        ("create_time", lambda one: one.create_time.ToNanoseconds(), False),
        ("create_time desc", lambda one: one.create_time.ToNanoseconds(), True),
        ("end_time desc", lambda one: one.end_time.ToNanoseconds(), True),
        ("display_name, create_time desc", lambda one: (one.display_name, -one.create_time.ToNanoseconds()), False),
        ("display_name desc", lambda one: (one.display_name, one.create_time.ToNanoseconds()), True),
        ("state, host desc, type", lambda one: (one.state, -one.create_time.ToNanoseconds()), False),
        ("strategy", lambda one: one.create_time.ToNanoseconds(), False),
    ):
        pages = await world.pages(order_by=order_by, page_size=3)
        found = [one for page in pages for one in page.operations]
        assert len({one.id for one in found}) == len(all_of_them)
        keys = [key(one) for one in found]
        assert keys == sorted(keys, reverse=backwards), order_by
        assert {page.total_size for page in pages} == {8}
        assert [len(page.operations) for page in pages] == [3, 3, 2]


async def test_totals_count_live_and_ended_ones(world: World) -> None:
    for number in range(7):
        await world.session(number, ended=number < 4)
    for text, total in {
        "": 7,
        "state = COMPLETED": 4,
        "state = (RUNNING OR QUEUED)": 3,
        "labels.team = red": 3,
        "labels.team = red AND state = COMPLETED": 2,
        'display_name = "run 0"': 3,
        'NOT (state = COMPLETED OR display_name = "run*")': 0,
        "host = gpu AND type = TRAINING -labels.team = red": 4,
        'create_time > "2020-01-01T00:00:00Z" AND end_time:*': 4,
        "end_time > 2100-01-01": 0,
        "attempt >= 1": 7,
        '"RUN 2"': 2,
    }.items():
        page = await world.page(filter=text, page_size=2)
        assert (page.total_size, page.total_size_is_lower_bound) == (total, False), text
        assert len(page.operations) == min(total, 2)


async def test_nothing_is_lost_told_twice_or_counted_twice_while_operations_end(world: World) -> None:
    for number in range(40):
        world.host.add(f"s{number:02}")
    await world.registry.found("s39")
    looking = asyncio.Event()

    async def end_all() -> None:
        for number in range(40):
            world.host.finish(f"s{number:02}")
            world.page_read.clear()
            await world.page_read.wait()  # paces the ends, so that they meet the pages
        looking.set()

    ending = asyncio.create_task(end_all())
    lists = 0
    while not looking.is_set():
        pages = await world.pages(page_size=9)
        ids = [one.id for page in pages for one in page.operations]
        assert len(ids) == len(set(ids)) == 40
        assert {page.total_size for page in pages} == {40}
        lists += 1
    await ending
    assert lists > 2


@pytest.mark.parametrize(
    ("order_by", "problem"),
    [
        ("colour", "unknown field"),
        ("state, state desc", "twice"),
        ("state descending", "desc"),
        (",", "unknown field"),
        ("id", "unknown field"),
    ],
)
async def test_an_order_that_is_none_is_refused(world: World, order_by: str, problem: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await world.page(order_by=order_by)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of_error(refused.value) == "INVALID_REQUEST"
    assert problem in (refused.value.details() or "")


async def test_a_token_belongs_to_its_order(world: World) -> None:
    for number in range(2):
        await world.session(number, ended=True)
    token = (await world.page(page_size=1, order_by="host")).next_page_token
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await world.page(page_size=1, order_by="host desc", page_token=token)
    assert reason_of_error(refused.value) == "PAGE_TOKEN_INVALID"
