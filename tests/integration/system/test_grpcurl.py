"""What the README shows with grpcurl, by the real grpcurl against the real system."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.system.conftest import Registry
from tests.support.running_system import RunningSystem

pytestmark = pytest.mark.xdist_group("system-grpcurl")
GRPCURL = Path(sys.executable).with_name("grpcurl")


def grpcurl(*arguments: str, timeout_seconds: float = 60.0) -> str:
    """Return what grpcurl prints; fail with its words if it fails."""
    run = subprocess.run(
        [str(GRPCURL), "-plaintext", *arguments], capture_output=True, text=True, timeout=timeout_seconds, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def documents(text: str) -> list[dict[str, Any]]:
    """Split the JSON documents that grpcurl prints one after the other."""
    decoder = json.JSONDecoder()
    found = []
    rest = text.strip()
    while rest:
        document, end = decoder.raw_decode(rest)
        found.append(document)
        rest = rest[end:].strip()
    return found


def test_list_and_describe(shared_system: RunningSystem) -> None:
    assert "ktrdr.operations.v1.OperationsService" in grpcurl(shared_system.operations.address, "list").split()
    for host, typed in (
        (shared_system.training_host, "ktrdr.training.v1.TrainingHostService"),
        (shared_system.ib_host, "ktrdr.ib.v1.IbHostService"),
    ):
        services = grpcurl(host.address, "list").split()
        assert {typed, "ktrdr.host.v1.HostService", "grpc.health.v1.Health"} <= set(services)
    described = grpcurl(shared_system.operations.address, "describe", "ktrdr.operations.v1.OperationsService")
    assert "rpc WatchOperations" in described


def test_status_of_both_hosts(shared_system: RunningSystem) -> None:
    for host, kind in ((shared_system.training_host, "HOST_KIND_TRAINING"), (shared_system.ib_host, "HOST_KIND_IB")):
        (status,) = documents(grpcurl("-d", "{}", host.address, "ktrdr.host.v1.HostService/GetStatus"))
        assert status["host"]["kind"] == kind
        assert status["snapshot_complete"] is True


def test_the_list_and_a_watch_that_streams_live_epochs(
    shared_system: RunningSystem, registry: Registry, aapl_bars: Path
) -> None:
    address = shared_system.operations.address
    with registry(shared_system) as calls:
        operation_id = calls.train(aapl_bars, epochs=100_000)
        calls.wait_for_epoch(operation_id, 2)
        listing = ["-d", json.dumps({"filter": "state = RUNNING AND type = TRAINING"}), address]
        (listed,) = documents(grpcurl(*listing, "ktrdr.operations.v1.OperationsService/ListOperations"))
        assert [operation["id"] for operation in listed["operations"]] == [operation_id]
        watch = [str(GRPCURL), "-plaintext", "-max-time", "20", "-d", json.dumps({"operationIds": [operation_id]})]
        watch += [address, "ktrdr.operations.v1.OperationsService/WatchOperations"]
        epochs: set[int] = set()
        with subprocess.Popen(watch, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            text = ""
            for line in process.stdout:
                text += line
                if line.startswith("}"):
                    for operation in documents(text)[-1].get("operations", []):
                        latest = {metric["name"]: metric for metric in operation.get("latest_metrics", [])}
                        epochs |= {int(latest[name]["step"]) for name in latest if name == "train_loss"}
                if len(epochs) >= 5:
                    break
            process.terminate()
        assert len(epochs) >= 5
        calls.cancel(operation_id)
        calls.wait_for_end(operation_id)


def test_an_error_names_reason_and_next_step(shared_system: RunningSystem) -> None:
    call = [str(GRPCURL), "-plaintext", "-d", '{"operationId": "nosuch"}', shared_system.operations.address]
    call += ["ktrdr.operations.v1.OperationsService/GetOperation"]
    run = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode != 0
    assert "NotFound" in run.stderr
    assert "OPERATION_NOT_FOUND" in run.stderr
    assert "nosuch" in run.stderr
