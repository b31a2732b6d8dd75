"""Hosts remove what they were asked to keep for long enough: no operation is changed by it, and none is lost."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.training.v1.training_pb2 import TrainingResult

from services.common.bootstrap import running_server
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHost, ProbeHostSettings
from tests.support.registry_server import RegistryServer, State, registry_server
from tests.support.scripted_work import ScriptedWork
from tests.support.simulated_host import SimulatedHost, simulated_host


@asynccontextmanager
async def host_that_keeps_nothing(home: Path) -> AsyncIterator[tuple[ScriptedWork, ProbeHost, str]]:
    """Run a real host that removes each session as soon as its readers allow it."""
    work = ScriptedWork()
    settings = ProbeHostSettings(home=home, slots=2, keep_sessions=0)
    probe = ProbeHost(settings, work.runner())
    async with running_server(probe, settings) as server:
        yield work, probe, server.address


async def test_a_host_keeps_a_session_until_the_registry_has_stored_it(tmp_path: Path) -> None:
    async with host_that_keeps_nothing(tmp_path / "host") as (work, probe, address):
        async with registry_server(tmp_path / "registry", f"gpu={address}") as registry:
            await probe.host.sessions.start(kind=KIND, spec=Struct(), session_id="a")
            operation = await registry.found("a")
            assert len(probe.host.retention.leases) == 1
        # Nobody polls now, and the session ends: it stays until the registry is back and has stored it.
        await work.write_epochs("a", 1, 50)
        work.complete("a")
        await eventually(lambda: probe.host.retention.finished_count == 1)
        await probe.host.retention.sweep()
        assert "a" in [session.id for session in probe.host.listing.page(0, "").sessions]
        async with registry_server(tmp_path / "registry", f"gpu={address}") as registry:
            ended = await registry.state_reached(operation.id, State.STATE_COMPLETED)
            assert ended.metric_points == 100

            async def removed() -> bool:
                await probe.host.retention.sweep()
                return (await probe.host.sessions.look_up("a")).removed

            await eventually(removed)
            assert await registry.get(operation.id) == ended
            assert len(await registry.points(operation.id, "train_loss")) == 50


async def test_the_registry_is_the_same_reader_after_a_restart_and_acknowledges_only_what_is_stored(
    tmp_path: Path,
) -> None:
    async with simulated_host() as host:
        host.add("a")
        for _ in range(2):
            async with registry_server(tmp_path, f"gpu={host.address}") as registry:
                await registry.found("a")
                await eventually(lambda: len(host.readers) > 2)
        names = {reader_id for reader_id, _ in host.readers}
        assert len(names) == 1
        assert names.pop().startswith("operations-")
        assert host.readers[0][1] == b""
        assert host.readers[-1][1] != b""


async def started_without_an_answer(host: SimulatedHost, registry: RegistryServer) -> pb.Operation:
    """Let the host take an operation's session; neither the answer nor any poll tells the registry."""
    await registry.up("gpu")
    host.status_failures = [grpc.StatusCode.UNAVAILABLE] * 1_000
    host.lost_start_answers = 1_000
    created = await registry.create()
    assert created.state == State.STATE_PENDING
    await eventually(lambda: created.session_id in host.sessions)
    return created


def come_back(host: SimulatedHost) -> None:
    """Let the host answer again."""
    host.status_failures, host.lost_start_answers = [], 0


async def test_a_start_that_is_answered_by_what_is_left_of_the_session_ends_the_operation(tmp_path: Path) -> None:
    """The registry was away between sending a start and taking its answer, for longer than its lease held."""
    async with simulated_host() as host:
        host.keeps_tombstones = True
        async with registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry:
            created = await started_without_an_answer(host, registry)
        result = TrainingResult(epochs=3)
        host.finish(created.session_id, result=result)
        host.remove(created.session_id)
        come_back(host)
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            ended = await registry.state_reached(created.id, State.STATE_COMPLETED)
            assert ended.training_result == result
            assert "removed" in ended.metrics_incomplete


async def test_a_stop_that_is_answered_by_what_is_left_of_the_session_ends_the_operation(tmp_path: Path) -> None:
    async with simulated_host() as host:
        host.keeps_tombstones = True
        async with registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry:
            created = await started_without_an_answer(host, registry)
            await registry.stub.CancelOperation(pb.CancelOperationRequest(operation_id=created.id), timeout=60)
        host.finish(created.session_id, Session.STATE_CANCELLED)
        host.remove(created.session_id)
        come_back(host)
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            ended = await registry.state_reached(created.id, State.STATE_CANCELLED, State.STATE_FAILED)
            assert ended.state == State.STATE_CANCELLED


async def test_a_session_deleted_by_hand_leaves_its_ended_operation_alone(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create()
        host.finish(created.session_id)
        ended = await registry.state_reached(created.id, State.STATE_COMPLETED)
        host.remove(created.session_id)
        polls = host.polls
        await eventually(lambda: host.polls > polls + 1)
        assert await registry.get(created.id) == ended


@pytest.mark.parametrize("keeps_tombstones", [True, False])
async def test_what_came_and_went_while_nobody_listened_is_asked_for(tmp_path: Path, keeps_tombstones: bool) -> None:
    """The host has answered the start; the registry is then away for longer than its lease holds."""
    async with simulated_host() as host:
        host.keeps_tombstones = keeps_tombstones
        async with registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry:
            await registry.up("gpu")
            host.status_failures = [grpc.StatusCode.UNAVAILABLE] * 1_000
            created = await registry.create()
            await registry.state_reached(created.id, State.STATE_QUEUED, State.STATE_RUNNING)
            other = await registry.create()
        host.finish(created.session_id, result=TrainingResult(epochs=3))
        host.remove(created.session_id)
        come_back(host)
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            ended = await registry.state_reached(created.id, State.STATE_COMPLETED, State.STATE_FAILED)
            assert (ended.state == State.STATE_COMPLETED) is keeps_tombstones
            assert ended.training_result.epochs == (3 if keeps_tombstones else 0)
            await registry.state_reached(other.id, State.STATE_RUNNING)
