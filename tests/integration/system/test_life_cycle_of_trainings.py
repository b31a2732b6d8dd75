"""On real hosts: a training tells which load its bars came from, is tried again with a change, and is deleted."""

from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from ktrdr.host.v1 import host_pb2, host_pb2_grpc
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import operations_pb2_grpc

from tests.integration.system.conftest import Registry
from tests.support.eventually import eventually_sync
from tests.support.registry_calls import State
from tests.support.running_system import RunningSystem

pytestmark = pytest.mark.xdist_group("system-life-cycle")


def test_from_load_to_training_to_retry_to_deletion(shared_system: RunningSystem, registry: Registry) -> None:
    system = shared_system
    with (
        registry(system) as calls,
        grpc.insecure_channel(system.operations.address) as operations_channel,
        grpc.insecure_channel(system.training_host.address) as host_channel,
    ):
        stub = operations_pb2_grpc.OperationsServiceStub(operations_channel)
        host = host_pb2_grpc.HostServiceStub(host_channel)
        load = calls.load("AAPL", datetime(2000, 3, 1, tzinfo=UTC), datetime(2012, 12, 31, tzinfo=UTC))
        loaded = calls.wait_for_end(load)
        assert loaded.state == State.STATE_COMPLETED
        first = calls.wait_for_end(calls.train_on_stored_bars(epochs=2))
        assert first.state == State.STATE_COMPLETED

        def linked() -> bool:
            return list(calls.get(first.id).inputs[0].data_operation_ids) == [load]

        eventually_sync(linked)
        (read,) = calls.get(first.id).inputs
        assert read.dataset.fingerprint == loaded.data_load_result.loads[0].dataset.fingerprint
        assert read.dataset.name == "AAPL 1d TRADES RTH (REPLAY)"
        assert read.dataset.bars == first.training_result.bars
        found = stub.ListOperations(pb.ListOperationsRequest(filter=f'data_operation = "{load}"'), timeout=60)
        assert [one.id for one in found.operations] == [first.id]

        retry = pb.RetryOperationRequest(operation_id=first.id, overrides={"training.epochs": "3"})
        assert stub.RetryOperation(retry, timeout=60).operation.attempt == 2
        second = calls.wait_for_end(first.id)
        assert (second.state, second.training_result.epochs) == (State.STATE_COMPLETED, 3)
        assert second.past_attempts[0].training_result.epochs == 2
        assert second.training_result.artifact_folder != first.training_result.artifact_folder
        assert Path(first.training_result.artifact_folder).is_dir()

        checkpoint = pb.RetryOperationRequest(operation_id=first.id, from_checkpoint=True)
        with pytest.raises(grpc.RpcError) as refused:
            stub.RetryOperation(checkpoint, timeout=60)
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert calls.get(first.id).attempt == 2

        stub.DeleteOperation(pb.DeleteOperationRequest(operation_id=first.id), timeout=60)

        def gone() -> bool:
            sessions = host.ListSessions(host_pb2.ListSessionsRequest(), timeout=60).sessions
            folders = [one.training_result.artifact_folder for one in (first, second)]
            return not sessions and not any(Path(folder).exists() for folder in folders)

        eventually_sync(gone)
        listed = stub.ListOperations(pb.ListOperationsRequest(), timeout=60).operations
        assert [one.id for one in listed] == [load]
