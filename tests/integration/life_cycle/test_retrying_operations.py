"""One attempt more: on which host, with what, and what becomes of the attempts before."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.training.v1.training_pb2 import TrainingResult

from services.common.errors import ServiceError
from services.operations.changes import Changes
from services.operations.retry import retry as retry_module
from services.operations.retry.attempt_units import Withdrawal
from tests.support.eventually import eventually
from tests.support.refusals import refusal
from tests.support.registry_server import RegistryServer, State, registry_server, training_spec
from tests.support.simulated_host import SimulatedHost, simulated_host


async def retry(registry: RegistryServer, operation_id: str, **fields: Any) -> pb.Operation:
    request = pb.RetryOperationRequest(operation_id=operation_id, **fields)
    return (await registry.stub.RetryOperation(request, timeout=60)).operation


async def failed(registry: RegistryServer, on: SimulatedHost, **fields: Any) -> pb.Operation:
    """Create an operation that has written two points and failed."""
    created = await registry.create(**fields)
    for step, loss in enumerate((0.9, 0.8)):
        on.write(created.session_id, step, loss=loss)
    error = ServiceError(ErrorReason.ERROR_REASON_WORKER_EXITED, exit_code=1, detail="").status()
    on.finish(created.session_id, Session.State.STATE_FAILED, error=error)
    return await registry.state_reached(created.id, State.STATE_FAILED)


async def test_the_next_attempt_is_a_session_of_its_own_and_the_one_before_is_kept(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        before = await failed(registry, host, labels={"team": "a"}, display_name="swing", stop_on=[5])
        tried = await retry(registry, before.id)

        assert (tried.attempt, tried.session_id) == (2, f"{before.id}-2")
        assert tried.id == before.id
        assert (dict(tried.labels), tried.display_name, list(tried.stop_on)) == ({"team": "a"}, "swing", [5])
        assert (tried.metric_points, len(tried.latest_metrics), tried.HasField("error")) == (0, 0, False)
        assert host.training_starts[-1].attempt == 2
        host.write(tried.session_id, 0, loss=0.5)
        host.finish(tried.session_id, result=TrainingResult(epochs=1))
        ended = await registry.state_reached(before.id, State.STATE_COMPLETED)

        (past,) = ended.past_attempts
        assert (past.attempt, past.state, past.host) == (1, State.STATE_FAILED, "gpu")
        assert (past.session_id, past.metric_points) == (before.session_id, 2)
        assert past.error == before.error
        assert past.create_time == before.create_time
        assert past.end_time == before.end_time
        assert ended.training_result.epochs == 1
        assert await registry.points(before.id, "loss") == [(0, 0.5)]
        first = await registry.stub.QueryMetrics(pb.QueryMetricsRequest(operation_id=before.id, attempt=1), timeout=60)
        assert list(first.series[0].points.values) == [0.9, 0.8]


async def test_overrides_are_added_to_those_before_and_kept_with_the_attempt(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        spec = training_spec("name: swing\n")
        spec.overrides["training.epochs"] = "5"
        before = await failed(registry, host, training=spec)
        tried = await retry(registry, before.id, overrides={"training.learning_rate": "0.1", "name": "slower"})

        wanted = {"training.epochs": "5", "training.learning_rate": "0.1", "name": "slower"}
        assert dict(tried.training.overrides) == wanted
        assert dict(host.training_starts[-1].spec.overrides) == wanted
        assert (before.strategy, tried.strategy) == ("swing", "slower")
        assert dict(tried.past_attempts[0].next_overrides) == {"training.learning_rate": "0.1", "name": "slower"}


async def test_a_refused_retry_is_the_callers_error_and_changes_nothing(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        before = await failed(registry, host)
        host.refusal = ServiceError(
            ErrorReason.ERROR_REASON_STRATEGY_INVALID, detail="training.epochs: no number"
        ).status()
        call = retry(registry, before.id, request_id="r", overrides={"training.epochs": "many"})
        assert (await refusal(call)).reason == "STRATEGY_INVALID"

        after = await registry.get(before.id)
        assert after.revision > before.revision
        after.revision = before.revision
        assert after == before
        host.refusal = None
        assert (await retry(registry, before.id, request_id="r")).attempt == 2


async def test_what_a_refused_retry_left_survives_a_restart(tmp_path: Path) -> None:
    async with simulated_host() as host:
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            before = await failed(registry, host)
            host.refusal = ServiceError(ErrorReason.ERROR_REASON_STRATEGY_INVALID, detail="no").status()
            await refusal(retry(registry, before.id, overrides={"a": "b"}))
            stored = await registry.get(before.id)
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            assert await registry.get(before.id) == stored
            host.refusal = None
            assert (await retry(registry, before.id)).attempt == 2


async def test_it_goes_where_it_was_if_that_host_takes_work_and_elsewhere_if_not(tmp_path: Path) -> None:
    async with simulated_host() as one, simulated_host() as two:
        hosts = {"one": one, "two": two}
        addresses = [f"{name}={host.address}" for name, host in hosts.items()]
        async with registry_server(tmp_path, *addresses) as registry:
            before = await failed(registry, two, host="two")
            two.add("busy")  # so that `one` would be chosen otherwise
            await registry.found("busy")
            assert (await retry(registry, before.id)).host == "two"
            two.finish(f"{before.id}-2", Session.State.STATE_FAILED)
            await registry.state_reached(before.id, State.STATE_FAILED)
            await registry.stub.DrainHost(pb.DrainHostRequest(host="two"), timeout=60)
            assert (await retry(registry, before.id)).host == "one"


async def test_an_old_attempt_that_resurfaces_is_stopped_and_changes_nothing(tmp_path: Path) -> None:
    async with (
        simulated_host() as one,
        simulated_host() as two,
        registry_server(tmp_path, f"one={one.address}", f"two={two.address}", lost_grace_seconds=0.1) as registry,
    ):
        created = await registry.create(host="one")
        message = one.sessions[created.session_id].message
        one.write(created.session_id, 0, loss=9.0)

        async def told() -> bool:
            return (await registry.get(created.id)).metric_points == 1

        await eventually(told)
        one.remove(created.session_id)
        await registry.state_reached(created.id, State.STATE_FAILED)
        tried = await retry(registry, created.id, host="two")
        await eventually(lambda: tried.session_id in two.sessions)
        one.add(created.session_id, attempt=1)
        one.sessions[created.session_id].message.spec.CopyFrom(message.spec)
        one.write(created.session_id, 7, loss=7.0)
        await eventually(lambda: created.session_id in one.cancels)

        one.finish(created.session_id, Session.State.STATE_CANCELLED)
        two.write(tried.session_id, 0, loss=0.5)
        two.finish(tried.session_id)
        await registry.state_reached(created.id, State.STATE_COMPLETED)
        assert await registry.points(created.id, "loss") == [(0, 0.5)]


async def test_ended_sessions_of_past_attempts_are_not_found_again_by_a_reader_that_begins_anew(tmp_path: Path) -> None:
    async with simulated_host() as host:
        host.add("by-hand", labels={"of": "a script"})
        async with registry_server(tmp_path, f"gpu={host.address}", poll_wait_seconds=0.2) as registry:
            before = await failed(registry, host)
            tried = await retry(registry, before.id)
            host.finish(tried.session_id)
            await registry.state_reached(before.id, State.STATE_COMPLETED)
            host.reject_cursors = 1
            polls = host.polls
            await eventually(lambda: host.polls > polls + 3)
            sessions = {
                one.session_id for one in (await registry.stub.ListOperations(pb.ListOperationsRequest())).operations
            }
            assert sessions == {tried.session_id, "by-hand"}


async def test_a_retry_that_is_asked_for_twice_is_one_attempt(tmp_path: Path) -> None:
    async with simulated_host() as host:
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            before = await failed(registry, host)
            host.delay_seconds = 0.2
            both = await asyncio.gather(*(retry(registry, before.id, request_id="again") for _ in range(2)))
            assert [one.attempt for one in both] == [2, 2]
            other = refusal(retry(registry, before.id, request_id="again", from_checkpoint=True))
            assert (await other).reason == "REQUEST_ID_REUSED"
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            assert (await retry(registry, before.id, request_id="again")).attempt == 2
            assert len(host.starts) == 2


async def test_two_retries_at_the_same_time_make_one_attempt(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        before = await failed(registry, host)
        outcomes = await asyncio.gather(*(retry(registry, before.id) for _ in range(4)), return_exceptions=True)
        assert [one.attempt for one in outcomes if isinstance(one, pb.Operation)] == [2]
        assert host.starts == [before.session_id, f"{before.id}-2"]


async def test_a_retry_for_a_host_that_is_away_waits_and_can_be_cancelled(tmp_path: Path) -> None:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry,
    ):
        before = await failed(registry, host)
        await host.stop()
        tried = await retry(registry, before.id)
        assert tried.attempt == 2
        await host.start()
        running = await registry.state_reached(before.id, State.STATE_RUNNING)
        assert running.session_id == f"{before.id}-2"
        await registry.stub.CancelOperation(pb.CancelOperationRequest(operation_id=before.id), timeout=60)
        await eventually(lambda: host.cancels == [running.session_id])
        host.finish(running.session_id, Session.State.STATE_CANCELLED)
        ended = await registry.state_reached(before.id, State.STATE_CANCELLED)
        assert [past.state for past in ended.past_attempts] == [State.STATE_FAILED]


async def test_watchers_see_the_attempts_one_after_the_other(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        before = await failed(registry, host)
        async with registry.watch(operation_ids=[before.id]) as watch:
            assert (await watch.until(lambda one: bool(one.id))).attempt == 1
            tried = await retry(registry, before.id)
            seen = await watch.until(lambda one: one.attempt == 2)
            assert seen.revision > before.revision
            host.finish(tried.session_id)
            ended = await watch.until(lambda one: one.state == State.STATE_COMPLETED)
            assert ended.attempt == 2
        async with registry.watch(after_revision=before.revision, operation_ids=[before.id]) as watch:
            assert (await watch.until(lambda one: bool(one.id))).state == State.STATE_COMPLETED


async def test_a_session_that_was_found_on_a_host_can_be_tried_again(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create()
        spec = host.sessions[created.session_id].message.spec
        session = host.add("by-hand")
        session.message.spec.CopyFrom(spec)
        found = await registry.found("by-hand")
        host.finish("by-hand")
        await registry.state_reached(found.id, State.STATE_COMPLETED)
        tried = await retry(registry, found.id)
        assert (tried.attempt, tried.session_id) == (2, f"{found.id}-2")
        host.touch("by-hand")  # what the host still tells of the first attempt is not taken for the second
        host.write(tried.session_id, 0, loss=0.25)
        host.finish(tried.session_id)
        ended = await registry.state_reached(found.id, State.STATE_COMPLETED)
        assert ended.session_id == tried.session_id
        assert ended.metric_points == 1


async def test_a_retry_that_cannot_be_taken_back_is_kept_and_tells_why_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NotTaken(Withdrawal):
        def prepare(self, changes: Changes) -> None:
            super().prepare(changes)
            raise ServiceError(ErrorReason.ERROR_REASON_STORAGE_FULL, path="the store")

    monkeypatch.setattr(retry_module, "Withdrawal", NotTaken)
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        before = await failed(registry, host)
        host.refusal = ServiceError(ErrorReason.ERROR_REASON_STRATEGY_INVALID, detail="no").status()
        refused = await refusal(retry(registry, before.id, overrides={"a": "b"}))
        assert refused.reason == "STORAGE_FULL"

        async def kept() -> pb.Operation | None:
            operation = await registry.get(before.id)
            return operation if operation.state == State.STATE_FAILED and operation.attempt == 2 else None

        ended = await eventually(kept)
        assert ended is not None
        assert len(ended.past_attempts) == 1
        host.refusal = None
        assert (await retry(registry, before.id)).attempt == 3
