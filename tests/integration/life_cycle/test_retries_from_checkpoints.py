"""On a real training host: an operation whose worker was killed, and then cancelled, goes on from its checkpoints."""

import os
import signal
from pathlib import Path

from ktrdr.operations.v1 import operations_pb2 as pb

from tests.support.eventually import eventually
from tests.support.refusals import refusal
from tests.support.registry_server import RegistryServer, State, registry_server
from tests.support.tiny_trainings import run_tiny, tiny_spec, write_bars
from tests.support.training_service import TrainingCalls, served_training_host

OVERRIDES = {"training.checkpoints": "{every_epochs: 5, every_seconds: null}", "training.epochs": "100000"}
"""Never done before it is ended, however late that is."""


async def trained(registry: RegistryServer, operation_id: str, attempt: int, epochs: int) -> pb.Operation:
    """Wait until an attempt of an operation has told so many epochs."""

    async def far_enough() -> bool:
        return len(await steps(registry, operation_id, attempt)) >= epochs

    await eventually(far_enough, interval_seconds=0.1)
    return await registry.get(operation_id)


async def worker_pid(host: TrainingCalls, session_id: str) -> int:
    """Return the pid of a session's worker, once its host knows it."""

    async def known() -> int:
        return (await host.session(session_id)).worker_pid

    return await eventually(known)


async def retry(registry: RegistryServer, operation_id: str, **overrides: str) -> pb.Operation:
    changes = {name.replace("__", "."): value for name, value in overrides.items()}
    request = pb.RetryOperationRequest(operation_id=operation_id, from_checkpoint=True, overrides=changes)
    return (await registry.stub.RetryOperation(request, timeout=60)).operation


async def steps(registry: RegistryServer, operation_id: str, attempt: int) -> list[int]:
    """Return the epochs that an attempt has told."""
    request = pb.QueryMetricsRequest(operation_id=operation_id, series=["val_loss"], attempt=attempt)
    found: list[int] = []
    while True:
        response = await registry.stub.QueryMetrics(request, timeout=60)
        found += [step for history in response.series for step in history.points.steps]
        if not response.next_page_token:
            return found
        request.page_token = response.next_page_token


async def test_killed_then_cancelled_then_done(tmp_path: Path) -> None:
    bars = write_bars(tmp_path / "bars.csv")
    async with (
        served_training_host(tmp_path / "host", cancel_grace_seconds=30.0, spare_workers=0) as host,
        registry_server(tmp_path / "registry", f"gpu={host.address}", create_wait_seconds=20.0) as registry,
    ):
        created = await registry.create(training=tiny_spec(bars, OVERRIDES))
        running = await trained(registry, created.id, attempt=1, epochs=7)
        os.kill(await worker_pid(host, running.session_id), signal.SIGKILL)
        failed = await registry.state_reached(created.id, State.STATE_FAILED)

        second = await retry(registry, created.id)
        assert (second.attempt, second.checkpoint_session_id) == (2, failed.session_id)
        await trained(registry, created.id, attempt=2, epochs=2)
        await registry.stub.CancelOperation(pb.CancelOperationRequest(operation_id=created.id), timeout=60)
        cancelled = await registry.state_reached(created.id, State.STATE_CANCELLED)
        told = await steps(registry, created.id, 2)
        assert told[0] > 5, "it does not tell the epochs before the checkpoint again"
        assert told == list(range(told[0], told[-1] + 1))

        refused = await refusal(retry(registry, created.id, training__learning_rate="0.5"))
        assert refused.reason == "CHECKPOINT_NOT_FOUND"
        assert "differs in training.learning_rate" in refused.message
        epochs = told[-1] + 30
        third = await retry(registry, created.id, training__epochs=str(epochs))
        assert (third.attempt, third.checkpoint_session_id) == (3, cancelled.session_id)
        await host.end(third.session_id)
        done = await registry.state_reached(created.id, State.STATE_COMPLETED)
        assert done.training_result.epochs == epochs
        assert done.training_result.resumed_epochs >= told[-1]
        assert [past.state for past in done.past_attempts] == [State.STATE_FAILED, State.STATE_CANCELLED]

        refused = await refusal(retry(registry, created.id))
        assert refused.reason == "CHECKPOINT_NOT_FOUND"
        assert "has removed them as it completed" in refused.message
        assert (await registry.get(created.id)).attempt == 3
    whole = run_tiny(tmp_path / "whole", bars, OVERRIDES | {"training.epochs": str(epochs)})
    assert done.training_result.model_version == whole.version
