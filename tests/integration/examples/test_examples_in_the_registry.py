"""The examples as people run them, beside real services: each is an operation of the registry."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from ktrdr.operations.v1 import operations_pb2, operations_pb2_grpc
from ktrdr.operations.v1.operations_pb2 import Operation

from tests.support.eventually import eventually, eventually_sync
from tests.support.ktrdr_command import Ktrdr
from tests.support.registry_calls import RegistryCalls
from tests.support.service_process import ServiceProcess

EXAMPLES = Path(__file__).parents[3] / "examples"
pytestmark = pytest.mark.xdist_group("examples")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of all services."""
    return tmp_path_factory.mktemp("examples") / "home"


@pytest.fixture(scope="module")
def operations(home: Path) -> Iterator[ServiceProcess]:
    """A training host, and the operations service that follows it."""
    host = ServiceProcess("training-host", home)
    try:
        host.start()
        operations = ServiceProcess("operations", home, ["--host", f"training-host={host.address}"])
        try:
            operations.start()
            yield operations
        finally:
            operations.stop()
    finally:
        host.stop()


@pytest.fixture
def stub(operations: ServiceProcess) -> Iterator[operations_pb2_grpc.OperationsServiceStub]:
    """A stub of the registry."""
    with grpc.insecure_channel(operations.address) as channel:
        yield operations_pb2_grpc.OperationsServiceStub(channel)


@contextmanager
def started(home: Path, example: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start an example as a user does; what a failed test leaves of it is ended."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("KTRDR_")}
    with subprocess.Popen(
        [sys.executable, str(EXAMPLES / f"{example}.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "KTRDR_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def found(stub: operations_pb2_grpc.OperationsServiceStub, name: str) -> Operation:
    """Wait until the registry has an operation of this name that has begun, and return it."""

    def look() -> Operation | None:
        listed = stub.ListOperations(operations_pb2.ListOperationsRequest(), timeout=60).operations
        return next((each for each in listed if each.display_name == name and each.latest_metrics), None)

    operation = eventually_sync(look, timeout_seconds=150)
    assert operation is not None
    assert (operation.type, operation.attached) == (operations_pb2.OPERATION_TYPE_TRAINING, True)
    return operation


def test_the_notebook(home: Path, stub: operations_pb2_grpc.OperationsServiceStub) -> None:
    with started(home, "notebook_style") as notebook:
        operation = found(stub, "notebook")
        out, err = notebook.communicate(timeout=150)
        assert (notebook.returncode, err) == (0, "")
    assert "ktrdr ops list" in out
    calls = RegistryCalls(stub)
    operation = calls.wait_for_end(operation.id)
    assert operation.state == Operation.STATE_COMPLETED
    assert dict(operation.labels) == {"by": "notebook_style"}
    assert list(calls.history(operation.id, "length").values) == [5.0 * epoch for epoch in range(1, 21)]


def test_the_lightning_training(home: Path, stub: operations_pb2_grpc.OperationsServiceStub) -> None:
    with started(home, "lightning_loop", "--epochs", "5") as training:
        operation = found(stub, "Lightning loop")
        training.communicate(timeout=150)
        assert training.returncode == 0
    calls = RegistryCalls(stub)
    operation = calls.wait_for_end(operation.id)
    assert operation.state == Operation.STATE_COMPLETED
    assert operation.progress.total == 5
    for series in ("train_loss", "val_loss", "val_accuracy"):
        assert list(calls.history(operation.id, series).steps) == [1, 2, 3, 4, 5]
    assert len(calls.history(operation.id, "batch_loss").values) == 5 * 16


async def test_the_plain_loop_with_the_command(
    home: Path, operations: ServiceProcess, stub: operations_pb2_grpc.OperationsServiceStub, tmp_path: Path
) -> None:
    ktrdr = Ktrdr(operations.address, tmp_path)
    with started(home, "plain_pytorch_loop", "--epochs", "1000000") as loop:
        operation = await asyncio.to_thread(found, stub, "plain PyTorch loop")
        listed = await ktrdr("ops", "list", "--filter", "state = RUNNING AND type = TRAINING")
        assert "plain PyTorch loop" in listed.out

        async def shown() -> bool:
            text = (await ktrdr("ops", "get", operation.id)).out
            return str(loop.pid) in text and "opened by a process of its own" in text

        async def measured() -> bool:
            return "val_loss" in (await ktrdr("--output", "jsonl", "ops", "metrics", operation.id)).out

        assert await eventually(shown)
        assert await eventually(measured)
        cancelled = await ktrdr("ops", "cancel", operation.id)
        assert cancelled.code == 0, cancelled.err
        out, err = await asyncio.to_thread(loop.communicate, timeout=150)
        assert (loop.returncode, err) == (0, "")
    assert "asked to stop after epoch" in out
    operation = await asyncio.to_thread(RegistryCalls(stub).wait_for_end, operation.id)
    assert operation.state == Operation.STATE_CANCELLED


def test_a_killed_loop_is_told_apart(home: Path, stub: operations_pb2_grpc.OperationsServiceStub) -> None:
    script = "import ktrdr_bridge; b = ktrdr_bridge.open_session('killed'); b.on_epoch(1, {'loss': 0.5}); input()"
    loop = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        env={**os.environ, "KTRDR_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with loop:
        operation = found(stub, "killed")
        loop.send_signal(signal.SIGKILL)
    operation = RegistryCalls(stub).wait_for_end(operation.id)
    assert operation.state == Operation.STATE_FAILED
    assert f"The process {loop.pid} that had opened the session ended without closing it" in operation.error.message
