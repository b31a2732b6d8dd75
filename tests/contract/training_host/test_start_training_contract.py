"""StartTraining over the wire: a good call, a repeated call, and every documented refusal."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.session_pb2 import HOST_KIND_TRAINING, Session
from ktrdr.training.v1 import training_pb2

from services.common.errors import status_of_call
from tests.support.recorded_bars import write_recorded_bars
from tests.support.training_service import TrainingCalls, local_spec, reason_and_fields, served_training_host
from tests.support.trainings import reference_text

LONG = {"training__epochs": "100000", "training__early_stopping": "null"}


@pytest.fixture
async def calls(tmp_path: Path) -> AsyncIterator[TrainingCalls]:
    async with served_training_host(tmp_path / "home", queue_limit=1) as calls:
        yield calls


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    return write_recorded_bars("AAPL", tmp_path / "AAPL.csv")


async def refusal(
    calls: TrainingCalls, spec: training_pb2.TrainingSpec, **fields: Any
) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await calls.start(spec, **fields)
    status = status_of_call(caught.value)
    assert status is not None
    return caught.value.code(), *reason_and_fields(status)


async def test_a_training_starts_and_is_the_same_when_asked_again(calls: TrainingCalls, bars: Path) -> None:
    spec = local_spec(bars, **LONG)
    asked = {"session_id": "abc-2", "request_id": "r1", "attempt": 2, "labels": {"team": "x"}}
    session = await calls.start(spec, **asked)
    assert (session.id, session.attempt, dict(session.labels)) == ("abc-2", 2, {"team": "x"})
    assert session.kind == HOST_KIND_TRAINING
    assert session.state in (Session.STATE_QUEUED, Session.STATE_RUNNING)
    kept = training_pb2.TrainingSpec()
    assert session.spec.Unpack(kept)
    assert kept == spec
    again = await calls.start(spec, **asked)
    assert again.create_time == session.create_time
    by_session = await calls.start(spec, **(asked | {"request_id": ""}))
    assert by_session.create_time == session.create_time
    listed = await calls.host.ListSessions(host_pb2.ListSessionsRequest(), timeout=60)
    assert [each.id for each in listed.sessions] == ["abc-2"]


async def test_an_id_of_another_body_is_refused(calls: TrainingCalls, bars: Path) -> None:
    await calls.start(local_spec(bars, **LONG), session_id="a", request_id="r")
    other = local_spec(bars, **(LONG | {"training__seed": "8"}))
    code, reason, _ = await refusal(calls, other, session_id="a")
    assert (code, reason) == (grpc.StatusCode.ALREADY_EXISTS, "SESSION_EXISTS")
    code, reason, _ = await refusal(calls, other, request_id="r")
    assert (code, reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_the_second_training_waits_and_the_third_is_refused(calls: TrainingCalls, bars: Path) -> None:
    await calls.start(local_spec(bars, **LONG), session_id="first")
    second = await calls.start(local_spec(bars, **LONG), session_id="second")
    assert second.state == Session.STATE_QUEUED
    code, reason, _ = await refusal(calls, local_spec(bars, **LONG), session_id="third")
    assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")


async def test_each_fault_of_a_strategy_is_a_field(calls: TrainingCalls, tmp_path: Path) -> None:
    text = reference_text().replace("rsi, period", "rsi, length").replace("source: forward_return", "source: guess")
    code, reason, fields = await refusal(calls, local_spec(tmp_path / "x.csv", text, training__epochs="0"))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "STRATEGY_INVALID")
    assert set(fields) == {"indicators.rsi_14.length", "training.labels.source", "training.epochs"}
    assert fields["indicators.rsi_14.length"] == "line 10, column 23: unknown key; allowed here: period, type"
    assert "set by an override" in fields["training.epochs"]
    listed = await calls.host.ListSessions(host_pb2.ListSessionsRequest(), timeout=60)
    assert not listed.sessions


async def test_the_message_tells_faults_in_the_words_of_their_fields(calls: TrainingCalls, tmp_path: Path) -> None:
    text = reference_text().replace("source: forward_return", "source: guess")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await calls.start(local_spec(tmp_path / "x.csv", text))
    status = status_of_call(caught.value)
    assert status is not None
    _, fields = reason_and_fields(status)
    assert f"training.labels.source: {fields['training.labels.source']}" in status.message


async def test_a_recurrent_network_lacks_what_a_perceptron_has_not(calls: TrainingCalls, tmp_path: Path) -> None:
    code, reason, fields = await refusal(calls, local_spec(tmp_path / "x.csv", model__type="lstm"))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "STRATEGY_INVALID")
    assert set(fields) == {"model.architecture.sequence_length"}


@pytest.mark.parametrize("session_id", ["none", "../etc"])
async def test_a_checkpoint_that_is_not_there(calls: TrainingCalls, bars: Path, session_id: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await calls.start(local_spec(bars), session_id="new", checkpoint_session_id=session_id)
    status = status_of_call(caught.value)
    assert status is not None
    reason, _ = reason_and_fields(status)
    assert (caught.value.code(), reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CHECKPOINT_NOT_FOUND")
    assert "This host has no such session. Retry without --from-checkpoint" in status.message
    listed = await calls.host.ListSessions(host_pb2.ListSessionsRequest(), timeout=60)
    assert not listed.sessions


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (training_pb2.TrainingSpec(), "spec.strategy"),
        (local_spec(Path("bars.csv")), "spec.local.path"),
        (
            training_pb2.TrainingSpec(strategy="x", stored=training_pb2.StoredBars(source=9)),  # type: ignore[arg-type]
            "spec.stored.source",
        ),
        (
            training_pb2.TrainingSpec(strategy="x", stored=training_pb2.StoredBars(what_to_show=9)),  # type: ignore[arg-type]
            "spec.stored.what_to_show",
        ),
    ],
)
async def test_a_wrong_request_names_its_field(
    calls: TrainingCalls, spec: training_pb2.TrainingSpec, field: str
) -> None:
    code, reason, fields = await refusal(calls, spec)
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert field in fields


async def test_a_wrong_session_id_names_its_field(calls: TrainingCalls, bars: Path) -> None:
    code, reason, fields = await refusal(calls, local_spec(bars), session_id="../up")
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert "session_id" in fields


async def test_the_host_describes_itself(calls: TrainingCalls) -> None:
    host = await calls.host.GetHost(host_pb2.GetHostRequest(), timeout=60)
    assert host.kind == HOST_KIND_TRAINING
    assert (host.slots, host.queue_limit) == (1, 1)
    assert host.devices[0].name == "cpu"
    assert host.devices[0].description


async def test_both_services_are_healthy(tmp_path: Path) -> None:
    async with served_training_host(tmp_path / "home") as calls:
        channel = calls.channel
        stub: Any = health_pb2_grpc.HealthStub(channel)
        for name in ("ktrdr.training.v1.TrainingHostService", "ktrdr.host.v1.HostService"):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=60)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
