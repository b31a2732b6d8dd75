"""QueryMetrics over the wire: several operations, ranges, raw rows, pages of both kinds, and each refusal."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from ktrdr.host.v1.metrics_pb2 import MetricEncoding
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import status_of_call
from tests.support.eventually import eventually
from tests.support.registry_server import RegistryServer, reason_of_error, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host

CODE = grpc.StatusCode
POINTS = 30


class World:
    """A registry that follows a host with two sessions."""

    def __init__(self, host: SimulatedHost, registry: RegistryServer) -> None:
        self.host = host
        self.registry = registry
        self.ids: list[str] = []

    async def write(self) -> None:
        """Let two sessions have their points, and wait until the registry has them."""
        for number, session_id in enumerate(("s1", "s2")):
            self.host.add(session_id)
            for step in range(POINTS):
                self.host.write(session_id, step, loss=float(number * 100 + step), rate=0.1)
            self.ids.append((await self.registry.found(session_id)).id)
        for operation_id in self.ids:

            async def complete(operation_id: str = operation_id) -> bool:
                return (await self.registry.get(operation_id)).metric_points == 2 * POINTS

            await eventually(complete)

    async def query(self, **fields: Any) -> pb.QueryMetricsResponse:
        """Ask."""
        return await self.registry.stub.QueryMetrics(pb.QueryMetricsRequest(**fields), timeout=60)

    async def refused(self, code: grpc.StatusCode, reason: str, *named: str, **fields: Any) -> None:
        """Check that a call fails as documented."""
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await self.query(**fields)
        assert failed.value.code() is code
        assert reason_of_error(failed.value) == reason
        status = status_of_call(failed.value)
        assert status is not None
        bad = error_details_pb2.BadRequest()
        found = [one.field for detail in status.details if detail.Unpack(bad) for one in bad.field_violations]
        assert found == list(named)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        made = World(host, registry)
        await made.write()
        yield made


async def test_several_operations_in_one_call(world: World) -> None:
    ids = world.ids[::-1]
    answer = await world.query(operation_ids=ids, series=["loss"])
    assert [history.operation_id for history in answer.series] == ids
    assert [history.points.values[0] for history in answer.series] == [100.0, 0.0]
    assert [history.attempt for history in answer.series] == [1, 1]
    assert answer.attempt == 0
    request = pb.QueryMetricsRequest(operation_ids=ids, page_size=8)
    found: list[tuple[str, str, float]] = []
    while True:
        page = await world.registry.stub.QueryMetrics(request, timeout=60)
        assert sum(len(history.points.values) for history in page.series) <= 8
        for history in page.series:
            found += [(history.operation_id, history.points.name, value) for value in history.points.values]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    losses = [value for _, name, value in found if name == "loss"]
    assert losses == [*range(100, 100 + POINTS), *range(POINTS)]
    assert len(found) == 4 * POINTS


async def test_ranges(world: World) -> None:
    one = world.ids[0]
    answer = await world.query(operation_id=one, series=["loss"], after_seq=3, before_seq=9)
    assert list(answer.series[0].points.values) == [4.0, 5.0, 6.0, 7.0, 8.0]
    answer = await world.query(operation_id=one, series=["loss"], from_step=-5, to_step=2)
    assert list(answer.series[0].points.steps) == [0, 1, 2]
    assert not (await world.query(operation_id=one, before_seq=0)).series
    assert (
        len((await world.query(operation_id=one, after_seq=0, series=["loss"])).series[0].points.values) == POINTS - 1
    )


async def test_raw_rows_load_straight_into_an_array(world: World) -> None:
    answer = await world.query(operation_id=world.ids[0], metric_encoding=MetricEncoding.METRIC_ENCODING_ROWS)
    (history,) = answer.series
    assert not history.HasField("points")
    assert list(history.rows.names) == ["loss", "rate"]
    layout = np.dtype([("seq", "<u8"), ("step", "<i8"), ("time", "<i8"), ("values", "<f8", (2,))])
    rows = np.frombuffer(history.rows.data, layout)
    assert history.rows.row_count == len(rows) == POINTS
    assert rows["seq"].tolist() == rows["step"].tolist() == rows["values"][:, 0].tolist() == list(range(POINTS))
    columns = (await world.query(operation_id=world.ids[0])).series[0].points
    assert rows["time"].tolist() == list(columns.times)


async def test_points_are_left_out_by_operation(world: World) -> None:
    answer = await world.query(operation_ids=world.ids, max_points=6, series=["loss"])
    assert [history.downsampled for history in answer.series] == [True, True]
    for history in answer.series:
        values = list(history.points.values)
        assert len(values) <= 6
        assert (values[0], values[-1]) == (min(values), max(values))
        assert values[-1] - values[0] == POINTS - 1
    assert not answer.next_page_token


async def test_each_refusal(world: World) -> None:
    one = world.ids[0]
    bad = CODE.INVALID_ARGUMENT, "INVALID_REQUEST"
    await world.refused(CODE.NOT_FOUND, "OPERATION_NOT_FOUND", operation_id="nobody")
    await world.refused(CODE.NOT_FOUND, "OPERATION_NOT_FOUND", operation_ids=[one, "nobody"])
    await world.refused(*bad, "operation_ids", operation_id=one, operation_ids=world.ids)
    await world.refused(*bad, "operation_ids", operation_ids=[one, one])
    await world.refused(*bad, "operation_ids", operation_ids=[f"op{number}" for number in range(101)])
    await world.refused(*bad, "attempt", operation_ids=world.ids, attempt=2)
    await world.refused(*bad, "page_size", operation_id=one, page_size=-1)
    await world.refused(*bad, "max_points", operation_id=one, page_size=1, max_points=1)
    token = (await world.query(operation_ids=world.ids, page_size=3)).next_page_token
    invalid = CODE.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID"
    await world.refused(*invalid, operation_ids=world.ids[::-1], page_token=token)
    await world.refused(*invalid, operation_ids=world.ids, before_seq=3, page_token=token)
    await world.refused(*invalid, operation_ids=world.ids, page_token="no token")


async def test_a_call_that_is_cancelled_disturbs_nobody(world: World) -> None:
    calls = [
        world.registry.stub.QueryMetrics(pb.QueryMetricsRequest(operation_ids=world.ids), timeout=60) for _ in range(20)
    ]
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    assert len((await world.query(operation_ids=world.ids)).series) == 4
