"""OperationsService over the wire: for each RPC a good call and each documented error."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from ktrdr.host.v1.session_pb2 import HostKind, Session
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import operations_pb2_grpc

from services.common.channel import open_channel
from services.common.errors import status_of_call
from tests.support.eventually import eventually
from tests.support.registry_server import (
    RegistryServer,
    State,
    load_spec,
    reason_of_error,
    registry_server,
    training_spec,
)
from tests.support.simulated_host import SimulatedHost, simulated_host

if TYPE_CHECKING:
    from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceAsyncStub

CODE = grpc.StatusCode


@dataclass
class World:
    host: SimulatedHost
    registry: RegistryServer

    async def session(self, session_id: str, *losses: float) -> pb.Operation:
        """Let a session with these points appear."""
        self.host.add(session_id)
        for step, loss in enumerate(losses):
            self.host.write(session_id, step, loss=loss, rate=0.1)
        operation = await self.registry.found(session_id)

        async def complete() -> bool:
            return (await self.registry.get(operation.id)).metric_points == 2 * len(losses)

        await eventually(complete)
        return await self.registry.get(operation.id)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", watch_limit=2) as registry,
    ):
        yield World(host, registry)


async def refused(call: Awaitable[Any], code: grpc.StatusCode, reason: str, *fields: str) -> grpc.aio.AioRpcError:
    """Check that a call fails as documented, with a message that says what to do, and return the error."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    assert failed.value.code() is code
    assert reason_of_error(failed.value) == reason
    status = status_of_call(failed.value)
    assert status is not None
    bad = error_details_pb2.BadRequest()
    named = [one.field for detail in status.details if detail.Unpack(bad) for one in bad.field_violations]
    assert named == list(fields)
    assert len(failed.value.details() or "") > 20
    return failed.value


# CreateOperation


async def test_create_answers_with_the_operation(world: World) -> None:
    created = await world.registry.create(display_name="n", labels={"a": "b"}, host="gpu", request_id="r")
    assert created.display_name == "n"
    assert created.attempt == 1
    assert created.revision > 0
    assert created.HasField("create_time")
    assert created.training == training_spec()
    again = await world.registry.create(display_name="n", labels={"a": "b"}, host="gpu", request_id="r")
    assert again.id == created.id


async def test_create_names_every_wrong_field(world: World) -> None:
    request = pb.CreateOperationRequest(display_name="n" * 300, labels={"-": "x", "ok": "y" * 300})
    call = world.registry.stub.CreateOperation(request, timeout=60)
    await refused(call, CODE.INVALID_ARGUMENT, "INVALID_REQUEST", "display_name", "labels['-']", "labels['ok']", "spec")
    too_many = {f"k{number}": "v" for number in range(65)}
    await refused(world.registry.create(labels=too_many), CODE.INVALID_ARGUMENT, "INVALID_REQUEST", "labels")
    await refused(world.registry.create(request_id="x" * 200), CODE.INVALID_ARGUMENT, "INVALID_REQUEST", "request_id")


async def test_create_refuses_a_request_id_with_another_body(world: World) -> None:
    await world.registry.create(request_id="r")
    await refused(world.registry.create(request_id="r", display_name="x"), CODE.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_create_refuses_unknown_hosts_and_kinds_that_nobody_serves(world: World) -> None:
    await refused(world.registry.create(host="nobody"), CODE.NOT_FOUND, "HOST_NOT_FOUND")
    await world.session("s")  # the only host has told what it is
    error = await refused(world.registry.create(data_load=load_spec()), CODE.FAILED_PRECONDITION, "NO_HOST_OF_KIND")
    assert "--host" in (error.details() or "")
    await refused(
        world.registry.create(data_load=load_spec(), host="gpu"), CODE.INVALID_ARGUMENT, "INVALID_REQUEST", "host"
    )


async def test_create_without_any_host(tmp_path: Path) -> None:
    async with simulated_host(HostKind.HOST_KIND_IB) as ib, registry_server(tmp_path, f"ib={ib.address}") as registry:

        async def known() -> bool:
            (host,) = (await registry.stub.ListHosts(pb.ListHostsRequest(), timeout=60)).hosts
            return host.kind == HostKind.HOST_KIND_IB

        await eventually(known)
        await refused(registry.create(), CODE.FAILED_PRECONDITION, "NO_HOST_OF_KIND")


# GetOperation


async def test_get_tells_the_operation(world: World) -> None:
    operation = await world.session("s", 0.5, 0.25)
    assert operation.liveness == pb.LIVENESS_FRESH
    assert operation.HasField("staleness")
    assert [(one.name, one.value, one.seq) for one in operation.latest_metrics] == [("loss", 0.25, 1), ("rate", 0.1, 1)]


async def test_get_refuses_unknown_ids_and_negative_staleness(world: World) -> None:
    error = await refused(world.registry.get("nobody"), CODE.NOT_FOUND, "OPERATION_NOT_FOUND")
    assert "ktrdr ops list" in (error.details() or "")
    operation = await world.session("s")
    request = pb.GetOperationRequest(operation_id=operation.id, max_staleness=Duration(seconds=-1))
    call = world.registry.stub.GetOperation(request, timeout=60)
    await refused(call, CODE.INVALID_ARGUMENT, "INVALID_REQUEST", "max_staleness")


async def test_get_says_when_it_cannot_refresh_in_the_callers_time(world: World) -> None:
    operation = await world.session("s")
    world.host.answers.clear()
    request = pb.GetOperationRequest(operation_id=operation.id, max_staleness=Duration())
    for seconds in (0.6, 6.0, 36.0):  # a busy machine may need more than what is left of a short time
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await world.registry.stub.GetOperation(request, timeout=seconds)
        if failed.value.code() is not CODE.DEADLINE_EXCEEDED:
            break
    assert (failed.value.code(), reason_of_error(failed.value)) == (CODE.UNAVAILABLE, "HOST_UNREACHABLE")
    world.host.answers.set()


async def test_many_refreshes_share_one_poll(world: World) -> None:
    operation = await world.session("s")
    world.host.delay_seconds = 0.2
    polls = world.host.polls
    request = pb.GetOperationRequest(operation_id=operation.id, max_staleness=Duration())
    fresh = await asyncio.gather(*(world.registry.stub.GetOperation(request, timeout=60) for _ in range(20)))
    assert len(fresh) == 20
    assert world.host.polls - polls < 15


# ListOperations


async def test_list_pages_newest_first_live_and_ended_together(world: World) -> None:
    ids = []
    for number in range(7):
        operation = await world.session(f"s{number}")
        ids.append(operation.id)
        if number % 2:
            world.host.finish(f"s{number}")
            await world.registry.state_reached(operation.id, State.STATE_COMPLETED)
    found: list[str] = []
    request = pb.ListOperationsRequest(page_size=3)
    revisions = set()
    while True:
        page = await world.registry.stub.ListOperations(request, timeout=60)
        assert len(page.operations) <= 3
        found += [one.id for one in page.operations]
        revisions.add(page.revision)
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
        await world.session(f"later-{len(found)}")  # what is new does not shift the pages
    assert found == ids[::-1]
    assert len(revisions) == 1


async def test_list_filters(world: World) -> None:
    running, ended = await world.session("a"), await world.session("b")
    world.host.finish("b")
    await world.registry.state_reached(ended.id, State.STATE_COMPLETED)
    assert [one.id for one in await world.registry.all("state = RUNNING AND type = TRAINING")] == [running.id]
    assert [one.id for one in await world.registry.all("state = COMPLETED")] == [ended.id]
    assert len(await world.registry.all("(state = RUNNING OR state = COMPLETED) AND host = gpu")) == 2


async def test_list_refuses_bad_filters_tokens_and_sizes(world: World) -> None:
    error = await refused(world.registry.all("state = WALKING"), CODE.INVALID_ARGUMENT, "FILTER_INVALID", "filter")
    assert "column 9" in (error.details() or "")
    listing = world.registry.stub.ListOperations
    for number in range(3):
        await world.session(f"s{number}")
    token = (await listing(pb.ListOperationsRequest(page_size=1), timeout=60)).next_page_token
    other_filter = pb.ListOperationsRequest(page_token=token, filter="state = RUNNING")
    await refused(listing(other_filter, timeout=60), CODE.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
    garbage = pb.ListOperationsRequest(page_token="garbage")
    await refused(listing(garbage, timeout=60), CODE.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
    negative = pb.ListOperationsRequest(page_size=-1)
    await refused(listing(negative, timeout=60), CODE.INVALID_ARGUMENT, "INVALID_REQUEST", "page_size")


# WatchOperations


async def test_watch_from_the_revision_of_a_list_has_neither_gap_nor_repeat(world: World) -> None:
    operation = await world.session("s")
    listed = await world.registry.stub.ListOperations(pb.ListOperationsRequest(), timeout=60)
    async with world.registry.watch(after_revision=listed.revision) as watch:
        while not (message := await watch.next()).bookmark:  # its host may have come into sight since
            assert all(one.revision > listed.revision for one in message.operations)
        world.host.write("s", 1, loss=1.0)
        change = await watch.next()
        assert [one.id for one in change.operations] == [operation.id]
        assert change.operations[0].revision > listed.revision


async def test_watch_sends_bookmarks_while_nothing_happens(world: World) -> None:
    async with world.registry.watch(heartbeat=Duration(nanos=100_000_000)) as watch:
        assert [(await watch.next()).bookmark for _ in range(3)] == [True, True, True]


async def test_watch_shows_only_what_it_was_asked_for(world: World) -> None:
    one, other = await world.session("one"), await world.session("other")
    async with world.registry.watch(operation_ids=[one.id]) as watch:
        assert [operation.id for operation in (await watch.next()).operations] == [one.id]
    async with world.registry.watch(filter="state = COMPLETED") as watch:
        assert (await watch.next()).bookmark
        world.host.write("one", 1, loss=1.0)
        world.host.finish("other")
        assert [operation.id for operation in (await watch.next()).operations] == [other.id]


async def test_watch_refuses_what_it_does_not_know(world: World) -> None:
    async def first(**fields: Any) -> None:
        async with world.registry.watch(**fields) as watch:
            await watch.next()

    error = await refused(first(after_revision=10**12), CODE.OUT_OF_RANGE, "REVISION_OUT_OF_RANGE")
    assert "ListOperations" in (error.details() or "")
    await refused(first(filter="state ="), CODE.INVALID_ARGUMENT, "FILTER_INVALID", "filter")
    await refused(first(heartbeat=Duration(seconds=-1)), CODE.INVALID_ARGUMENT, "INVALID_REQUEST", "heartbeat")


async def test_watches_are_limited_and_a_cancelled_one_makes_room(world: World) -> None:
    async def first() -> pb.WatchOperationsResponse:
        async with world.registry.watch() as watch:
            return await watch.next()

    async with world.registry.watch() as a:
        await a.next()
        async with world.registry.watch() as b:
            await b.next()
            await refused(first(), CODE.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES")

    async def is_open() -> bool:
        try:
            return (await first()).bookmark
        except grpc.aio.AioRpcError:
            return False

    assert await eventually(is_open)


async def test_watches_end_themselves_when_the_server_stops(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        serving = registry_server(tmp_path, "gpu=127.0.0.1:1", grace_seconds=20.0)
        registry = await stack.enter_async_context(serving)
        async with open_channel(registry.address) as channel:
            stub = cast("OperationsServiceAsyncStub", operations_pb2_grpc.OperationsServiceStub(channel))
            call = stub.WatchOperations(pb.WatchOperationsRequest())
            assert isinstance(await call.read(), pb.WatchOperationsResponse)
            await stack.aclose()
            assert await call.read() is grpc.aio.EOF
            assert await call.code() is CODE.OK


# QueryMetrics


def values(response: pb.QueryMetricsResponse) -> dict[str, list[float]]:
    return {history.points.name: list(history.points.values) for history in response.series}


async def test_query_metrics_reads_all_some_and_newer_points(world: World) -> None:
    operation = await world.session("s", 4.0, 3.0, float("nan"), 1.0)

    async def query(**fields: Any) -> pb.QueryMetricsResponse:
        request = pb.QueryMetricsRequest(operation_id=operation.id, **fields)
        return await world.registry.stub.QueryMetrics(request, timeout=60)

    everything = await query()
    assert set(values(everything)) == {"loss", "rate"}
    assert everything.attempt == 1
    loss = next(history for history in everything.series if history.points.name == "loss")
    assert repr(list(loss.points.values)) == "[4.0, 3.0, nan, 1.0]"
    assert list(loss.points.steps) == [0, 1, 2, 3]
    assert len(loss.points.times) == 4
    assert loss.incarnation == world.host.sessions["s"].message.incarnation
    assert not loss.downsampled
    assert values(await query(series=["rate"], after_seq=1)) == {"rate": [0.1, 0.1]}
    assert values(await query(series=["nobody"])) == {}
    assert values(await query(after_seq=3)) == {}
    few = await query(series=["loss"], max_points=2)
    assert values(few) == {"loss": [4.0, 1.0]}
    assert few.series[0].downsampled
    assert list(few.series[0].points.seqs) == [0, 3]


async def test_query_metrics_pages_without_splitting_rows(world: World) -> None:
    operation = await world.session("s", *map(float, range(10)))
    request = pb.QueryMetricsRequest(operation_id=operation.id, page_size=5)
    rows: list[int] = []
    while True:
        page = await world.registry.stub.QueryMetrics(request, timeout=60)
        told = values(page)
        assert len(told["loss"]) == len(told["rate"]) == 2
        rows += map(int, told["loss"])
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert rows == list(range(10))


async def test_query_metrics_refuses_what_it_cannot_answer(world: World) -> None:
    query = world.registry.stub.QueryMetrics
    unknown = query(pb.QueryMetricsRequest(operation_id="nobody"), timeout=60)
    await refused(unknown, CODE.NOT_FOUND, "OPERATION_NOT_FOUND")
    operation = await world.session("s", 1.0, 2.0)

    async def bad(reason: str, *fields: str, **request: Any) -> None:
        call = query(pb.QueryMetricsRequest(operation_id=operation.id, **request), timeout=60)
        await refused(call, CODE.INVALID_ARGUMENT, reason, *fields)

    await bad("PAGE_TOKEN_INVALID", page_token="garbage")
    token = (await query(pb.QueryMetricsRequest(operation_id=operation.id, page_size=1), timeout=60)).next_page_token
    await bad("PAGE_TOKEN_INVALID", page_token=token, series=["loss"])
    await bad("INVALID_REQUEST", "attempt", attempt=9)
    await bad("INVALID_REQUEST", "page_size", page_size=-1)
    await bad("INVALID_REQUEST", "max_points", max_points=10, page_size=10)


# CancelOperation


async def test_cancel_answers_at_once_and_is_idempotent(world: World) -> None:
    operation = await world.session("s")
    cancel = world.registry.stub.CancelOperation
    request = pb.CancelOperationRequest(operation_id=operation.id, reason="enough")
    for _ in range(2):
        answered = (await cancel(request, timeout=60)).operation
        assert answered.state == State.STATE_CANCELLING
        assert answered.cancel_reason == "enough"
    await eventually(lambda: world.host.cancels == ["s"])
    world.host.finish("s", Session.State.STATE_CANCELLED)
    ended = await world.registry.state_reached(operation.id, State.STATE_CANCELLED)
    assert (await cancel(request, timeout=60)).operation == ended


async def test_cancel_refuses_unknown_operations_and_endless_reasons(world: World) -> None:
    cancel = world.registry.stub.CancelOperation
    unknown = cancel(pb.CancelOperationRequest(operation_id="nobody"), timeout=60)
    await refused(unknown, CODE.NOT_FOUND, "OPERATION_NOT_FOUND")
    endless = cancel(pb.CancelOperationRequest(operation_id="nobody", reason="x" * 1_000), timeout=60)
    await refused(endless, CODE.INVALID_ARGUMENT, "INVALID_REQUEST", "reason")


# ListHosts, DrainHost


async def test_list_hosts_tells_how_each_poll_stands(tmp_path: Path) -> None:
    hosts = ("b=127.0.0.1:1", "c=127.0.0.1:2")
    async with (
        simulated_host(host_uid="uid") as host,
        registry_server(tmp_path, f"a={host.address}", *hosts) as registry,
    ):
        listing = registry.stub.ListHosts

        async def settled() -> bool:
            a, b, c = (await listing(pb.ListHostsRequest(), timeout=60)).hosts
            return a.state == pb.HostRecord.State.STATE_UP and bool(b.problem) and bool(c.problem)

        await eventually(settled)
        first = await listing(pb.ListHostsRequest(page_size=2), timeout=60)
        second = await listing(pb.ListHostsRequest(page_size=2, page_token=first.next_page_token), timeout=60)
        assert [one.name for one in [*first.hosts, *second.hosts]] == ["a", "b", "c"]
        assert not second.next_page_token
        up, down = first.hosts
        assert (up.host_uid, up.kind, up.host.slots) == ("uid", HostKind.HOST_KIND_TRAINING, 4)
        assert up.HasField("last_success_age")
        assert down.consecutive_failures > 0
        assert not down.HasField("last_success_age")
        garbage = listing(pb.ListHostsRequest(page_token="garbage"), timeout=60)
        await refused(garbage, CODE.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")


async def test_drain_host(world: World) -> None:
    drain = world.registry.stub.DrainHost
    assert (await drain(pb.DrainHostRequest(host="gpu"), timeout=60)).host.draining
    assert not (await drain(pb.DrainHostRequest(host="gpu", undo=True), timeout=60)).host.draining
    await refused(drain(pb.DrainHostRequest(host="nobody"), timeout=60), CODE.NOT_FOUND, "HOST_NOT_FOUND")
