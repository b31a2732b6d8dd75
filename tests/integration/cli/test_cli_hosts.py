"""`ktrdr hosts` against a real registry: hosts are registered, shown with their lease, and forgotten."""

import json
from pathlib import Path

from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr_client.cli.display import trouble

from tests.support.ktrdr_command import Ktrdr
from tests.support.registry_server import registry_server
from tests.support.simulated_host import simulated_host


async def test_a_host_is_registered_listed_and_forgotten(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path / "registry") as registry:
        ktrdr = Ktrdr(registry.address, tmp_path)
        registered = await ktrdr("hosts", "register", "gpu-1", host.address, "--lease", "1h", "--uid", host.host_uid)
        assert registered.code == 0
        assert "ktrdr hosts forget gpu-1" in registered.err
        listed, shown = await ktrdr("hosts"), await ktrdr("hosts", "get", "gpu-1")
        assert "LEASE" in listed.out
        assert "59 min" in listed.out or "1 h" in listed.out
        assert "without another announcement" in shown.out
        forgotten, empty = await ktrdr("hosts", "forget", "gpu-1"), await ktrdr("hosts", "-o", "json")
        assert forgotten.code == 0
        assert json.loads(empty.out)["hosts"] == []


async def test_what_is_refused_is_explained(tmp_path: Path) -> None:
    async with (
        simulated_host() as host,
        simulated_host() as other,
        registry_server(tmp_path / "registry", f"gpu-1={host.address}") as registry,
    ):
        ktrdr = Ktrdr(registry.address, tmp_path)
        taken = await ktrdr("hosts", "register", "gpu-1", other.address)
        assert taken.code == 1
        assert host.address in taken.err
        assert other.address in taken.err
        configured, unknown = await ktrdr("hosts", "forget", "gpu-1"), await ktrdr("hosts", "forget", "gpu-2")
        assert (configured.code, "--host" in configured.err) == (1, True)
        assert (unknown.code, "ktrdr hosts list" in unknown.err) == (1, True)
        wrong = await ktrdr("hosts", "register", "gpu 3", "nowhere")
        assert wrong.code == 2
        assert "HOST:PORT" in wrong.err
        again = await ktrdr("hosts", "register", "gpu-1", host.address)
        assert "configured" in again.err


def test_a_lost_operation_is_told_with_its_evidence_and_its_grace() -> None:
    operation = pb.Operation(state=pb.Operation.STATE_RUNNING, host="gpu-1", liveness=pb.LIVENESS_LOST)
    operation.loss.evidence = "Host gpu-1 does not know it."
    assert "certain" in trouble(operation)
    operation.loss.grace_left.FromSeconds(42)
    assert trouble(operation) == "lost: Host gpu-1 does not know it. It fails in 42 s unless it is seen again."
