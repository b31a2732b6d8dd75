"""SIGKILL any part at any moment: nothing that was written is lost or doubled, and nothing ends in a wrong state."""

import os
import signal
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import grpc
import pytest
from ktrdr.host.v1 import host_pb2, host_pb2_grpc
from ktrdr.operations.v1 import operations_pb2

from tests.integration.system.conftest import Registry, StartSystem
from tests.support.eventually import eventually_sync
from tests.support.registry_calls import State
from tests.support.running_system import RunningSystem

pytestmark = [pytest.mark.kill, pytest.mark.timeout(600)]


def worker_pid(system: RunningSystem, operation: operations_pb2.Operation) -> int:
    """Return the pid of the worker of an operation's session, once its host knows it."""
    request = host_pb2.GetSessionRequest(session_id=operation.session_id)
    with grpc.insecure_channel(system.training_host.address) as channel:
        stub = host_pb2_grpc.HostServiceStub(channel)
        return eventually_sync(lambda: stub.GetSession(request, timeout=60).worker_pid)


def last_journal_seq(system: RunningSystem, operation: operations_pb2.Operation) -> int:
    """Return the sequence number of the last point in the journal of an operation, read from the file itself."""
    from ktrdr_bridge import JournalReader

    reader = JournalReader(system.home / "training-host" / "sessions" / operation.session_id / "journal")
    read = reader.read(max_points=10_000_000)
    reader.close()
    assert not read.damage
    return max(seq for series in read.series for seq in series.seqs)


def test_a_killed_worker_is_failed_with_its_signal_and_every_point(
    start_system: StartSystem, registry: Registry, aapl_bars: Path
) -> None:
    system = start_system()
    with registry(system) as calls:
        operation_id = calls.train(aapl_bars, epochs=100_000)
        calls.wait_for_epoch(operation_id, 3)
        os.kill(worker_pid(system, calls.get(operation_id)), signal.SIGKILL)
        operation = calls.wait_for_end(operation_id)
        assert operation.state == State.STATE_FAILED
        assert "SIGKILL" in operation.error.message
        batches = calls.history(operation_id, "batch_loss")
        epochs = calls.history(operation_id, "train_loss")
    assert max(*batches.seqs, *epochs.seqs) == last_journal_seq(system, operation)
    assert sorted({*batches.seqs, *epochs.seqs}) == list(range(max(*batches.seqs, *epochs.seqs) + 1))
    assert len(batches.seqs) + len(epochs.seqs) == max(*batches.seqs, *epochs.seqs) + 1


def test_killed_operations_come_back_with_the_whole_curve(
    start_system: StartSystem, registry: Registry, aapl_bars: Path
) -> None:
    system = start_system()
    with registry(system) as calls:
        operation_id = calls.train(aapl_bars, epochs=150)
        for epoch in (3, 40):
            calls.wait_for_epoch(operation_id, epoch)
            system.operations.kill()
            system.operations.start()
        operation = calls.wait_for_end(operation_id, timeout_seconds=200)
        points = calls.history(operation_id, "train_loss")
    assert operation.state == State.STATE_COMPLETED, operation.error
    assert list(points.steps) == list(range(1, 151))
    assert all(earlier < later for earlier, later in pairwise(points.seqs))


def test_a_killed_training_host_adopts_its_worker(
    start_system: StartSystem, registry: Registry, aapl_bars: Path
) -> None:
    system = start_system()
    with registry(system) as calls:
        operation_id = calls.train(aapl_bars, epochs=300)
        before = worker_pid(system, calls.get(operation_id))
        calls.wait_for_epoch(operation_id, 3)
        system.training_host.kill()
        os.kill(before, signal.SIGSTOP)  # else it could be done before the host is there again
        eventually_sync(lambda: calls.get(operation_id).liveness != operations_pb2.LIVENESS_FRESH)
        assert calls.get(operation_id).state == State.STATE_RUNNING
        system.training_host.start()
        assert worker_pid(system, calls.get(operation_id)) == before
        os.kill(before, signal.SIGCONT)
        operation = calls.wait_for_end(operation_id, timeout_seconds=200)
        points = calls.history(operation_id, "train_loss")
    assert operation.state == State.STATE_COMPLETED, operation.error
    assert list(points.steps) == list(range(1, 301))


def test_a_gateway_killed_in_a_load_delays_it_and_no_more(start_system: StartSystem, registry: Registry) -> None:
    system = start_system(gateway_arguments=("--latency-ms", "2000"))
    start, end = datetime(2000, 3, 1, tzinfo=UTC), datetime(2013, 3, 1, tzinfo=UTC)
    with registry(system) as calls:
        operation_id = calls.load("AAPL", start, end)
        eventually_sync(lambda: calls.get(operation_id).progress.completed >= 2)
        system.gateway.kill()
        eventually_sync(lambda: calls.get(operation_id).progress.wait_reason)
        assert calls.get(operation_id).state == State.STATE_RUNNING
        system.gateway.arguments.clear()  # there is no more need to be slow
        system.gateway.start()
        operation = calls.wait_for_end(operation_id, timeout_seconds=200)
    assert operation.state == State.STATE_COMPLETED, operation.error
    assert operation.data_load_result.loads[0].dataset.rows == 3270
