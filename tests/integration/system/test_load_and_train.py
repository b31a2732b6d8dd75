"""Load bars, train on them, and follow both through the operations service, over real processes and the real wire."""

import json
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pyarrow as pa
import pytest
from ktrdr.ib.v1 import bars_pb2, ib_pb2, ib_pb2_grpc
from ktrdr.operations.v1 import operations_pb2

from tests.integration.system.conftest import Registry
from tests.support.followed_logs import logs
from tests.support.recorded_bars import recorded_bars
from tests.support.registry_calls import State
from tests.support.running_system import RunningSystem

pytestmark = pytest.mark.xdist_group("system-shared")
START, END = datetime(2000, 3, 1, tzinfo=UTC), datetime(2013, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def loaded(shared_system: RunningSystem) -> operations_pb2.Operation:
    """The finished load of AAPL's daily bars."""
    from ktrdr.operations.v1 import operations_pb2_grpc

    from tests.support.registry_calls import RegistryCalls

    with grpc.insecure_channel(shared_system.operations.address) as channel:
        calls = RegistryCalls(operations_pb2_grpc.OperationsServiceStub(channel))
        return calls.wait_for_end(calls.load("AAPL", START, END))


def test_the_load_tells_what_it_brought(loaded: operations_pb2.Operation) -> None:
    assert loaded.state == State.STATE_COMPLETED, loaded.error
    assert loaded.data_load_result.source == bars_pb2.SOURCE_REPLAY
    load = loaded.data_load_result.loads[0]
    assert (load.received_rows, load.new_rows, load.dataset.rows) == (3270, 3270, 3270)
    assert load.dataset.key.source == bars_pb2.SOURCE_REPLAY
    assert load.dataset.first_bar_time.ToDatetime(UTC) == START
    assert load.dataset.last_bar_time.ToDatetime(UTC) == END


def test_the_log_of_the_load_tells_each_chunk(shared_system: RunningSystem, loaded: operations_pb2.Operation) -> None:
    with logs(shared_system, loaded.id, "--level", "info") as lines:
        records = [json.loads(line) for line in lines]
    texts = [record["text"] for record in records]
    assert texts[:2] == ["work_started", "load_planned"]
    load = loaded.data_load_result.loads[0]
    assert texts.count("chunk_loaded") == load.done_chunks + load.empty_chunks
    assert texts[-1] == "load_ended"
    chunk = next(record for record in records if record["text"] == "chunk_loaded")
    assert chunk["level"] == "info"
    assert int(chunk["fields"]["bars"]) > 0
    assert "session_id" not in chunk["fields"]
    assert "chunk_loaded" in shared_system.ib_host.log


def test_the_store_equals_the_source_bar_for_bar(
    shared_system: RunningSystem, loaded: operations_pb2.Operation
) -> None:
    with grpc.insecure_channel(shared_system.ib_host.address) as channel:
        stub = ib_pb2_grpc.IbHostServiceStub(channel)
        request = ib_pb2.StreamBarsRequest(key=loaded.data_load_result.loads[0].dataset.key)
        stream = b"".join(message.arrow_ipc for message in stub.StreamBars(request, timeout=60))
    columns = pa.ipc.open_stream(stream).read_all().to_pydict()
    names = ("time", "open", "high", "low", "close", "volume")
    stored = list(zip(*(columns[name] for name in names), strict=True))
    assert stored == [tuple(bar) for bar in recorded_bars("AAPL")]


def test_a_training_on_these_bars_beats_nothing_but_says_so(
    shared_system: RunningSystem, registry: Registry, loaded: operations_pb2.Operation
) -> None:
    assert loaded.state == State.STATE_COMPLETED, loaded.error
    with registry(shared_system) as calls:
        operation_id = calls.train_on_stored_bars(epochs=12)
        trained = calls.wait_for_end(operation_id)
        losses = {name: calls.history(operation_id, name) for name in ("train_loss", "val_loss")}
    assert trained.state == State.STATE_COMPLETED, trained.error
    result = trained.training_result
    assert result.bars == 3270
    assert result.source == bars_pb2.SOURCE_REPLAY
    assert len(result.data_fingerprint) == 64
    assert 0 < result.test_accuracy < 1
    assert 0 < result.majority_accuracy < 1
    for points in losses.values():
        assert list(points.steps) == list(range(1, result.epochs + 1))
        assert sorted(set(points.seqs)) == list(points.seqs)
    assert min(losses["val_loss"].values) == pytest.approx(result.best_validation_loss)
    for artifact in result.artifacts:
        assert (Path(result.artifact_folder) / artifact.name).stat().st_size == artifact.size_bytes


def test_a_narrower_load_shrinks_nothing(
    shared_system: RunningSystem, registry: Registry, loaded: operations_pb2.Operation
) -> None:
    with registry(shared_system) as calls:
        narrow = calls.load("AAPL", datetime(2010, 1, 1, tzinfo=UTC), datetime(2010, 12, 31, tzinfo=UTC))
        operation = calls.wait_for_end(narrow)
    assert operation.state == State.STATE_COMPLETED, operation.error
    load = operation.data_load_result.loads[0]
    assert load.new_rows == 0
    assert load.range_rows == 252
    assert load.dataset.rows == 3270
    assert load.dataset.fingerprint == loaded.data_load_result.loads[0].dataset.fingerprint


def test_an_unknown_symbol_fails_with_its_name(shared_system: RunningSystem, registry: Registry) -> None:
    with registry(shared_system) as calls:
        operation = calls.wait_for_end(calls.load("NOSUCH", START, END))
    assert operation.state == State.STATE_FAILED
    assert "NOSUCH" in operation.error.message
    assert operation.error.code == grpc.StatusCode.NOT_FOUND.value[0]
