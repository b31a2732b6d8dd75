"""Services that are slow to start, or are gone again as soon as they are ready."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import operations_pb2_grpc
from ktrdr_client.errors import Unavailable
from ktrdr_client.local import ServiceNotStarted
from ktrdr_client.local.health import wait_until_hosts_answer
from ktrdr_client.local.service_process import ServiceProcess


class Passing(type(Path())):  # type: ignore[misc]  # the class of paths of this system
    """A file that is there when it is looked for, and gone when it is read."""

    def exists(self, **_options: object) -> bool:
        return True


async def test_a_service_that_is_gone_again_as_it_is_looked_at_could_not_be_started(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("replay-gateway: it stopped again\n")
    service = ServiceProcess("replay-gateway", [], log=log, ready=Passing(tmp_path / "ready.json"), lifeline=0)
    ended: Any = SimpleNamespace(returncode=0)
    service._process = ended
    with pytest.raises(ServiceNotStarted, match="could not be started: it stopped again"):
        await service.address(60)


class Slow(operations_pb2_grpc.OperationsServiceServicer):
    """An operations service that does not answer in time at first, or has another trouble."""

    def __init__(self, *troubles: grpc.StatusCode) -> None:
        self.troubles = list(troubles)

    async def ListHosts(self, _request: pb.ListHostsRequest, context: Any) -> pb.ListHostsResponse:  # noqa: N802 - the contract's name
        if self.troubles:
            await context.abort(self.troubles.pop(0))
        return pb.ListHostsResponse(hosts=[pb.HostRecord(name="gpu", state=pb.HostRecord.STATE_UP)])


async def ask(service: Slow) -> None:
    server = grpc.aio.server()
    operations_pb2_grpc.add_OperationsServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        await asyncio.wait_for(wait_until_hosts_answer(f"127.0.0.1:{port}", timeout_seconds=60), 60)
    finally:
        await server.stop(None)


async def test_a_registry_that_is_too_busy_to_answer_in_time_is_asked_again() -> None:
    service = Slow(grpc.StatusCode.DEADLINE_EXCEEDED)  # type: ignore[abstract]  # only ListHosts is called
    await ask(service)
    assert not service.troubles


async def test_a_registry_that_cannot_tell_its_hosts_is_told_at_once() -> None:
    with pytest.raises(Unavailable, match="does not answer: INTERNAL"):
        await ask(Slow(grpc.StatusCode.INTERNAL))  # type: ignore[abstract]  # likewise
