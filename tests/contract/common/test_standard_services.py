"""Health, reflection and channelz, as stock clients and grpcurl see them."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common.bootstrap import RunningServer, ServiceContext, running_server
from tests.support.probe_service import SERVICE, ProbeService, ProbeSettings, probing

GRPCURL = Path(sys.executable).with_name("grpcurl")


class _Host(ProbeService):
    """Names a service of the contract, so that reflection has something to describe."""

    async def start(self, server: grpc.aio.Server, context: ServiceContext) -> list[str]:
        await super().start(server, context)
        return ["ktrdr.host.v1.HostService"]


async def _grpcurl(server: RunningServer, *words: str, data: str | None = None) -> tuple[int, str]:
    options = () if data is None else ("-d", data)
    process = await asyncio.create_subprocess_exec(
        GRPCURL,
        "-plaintext",
        *options,
        server.address,
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, output.decode()


async def test_each_service_has_a_health_of_its_own(tmp_path: Path) -> None:
    async with probing(ProbeService(), tmp_path) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        for name in ("", SERVICE):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await health.Check(health_pb2.HealthCheckRequest(service="unknown"))
        assert failure.value.code() is grpc.StatusCode.NOT_FOUND


async def test_grpcurl_lists_describes_and_calls(tmp_path: Path) -> None:
    async with running_server(_Host(), ProbeSettings(home=tmp_path, port=0)) as server:
        assert await _grpcurl(server, "list") == (
            0,
            "grpc.health.v1.Health\ngrpc.reflection.v1alpha.ServerReflection\nktrdr.host.v1.HostService\n",
        )
        code, description = await _grpcurl(server, "describe", "ktrdr.host.v1.HostService")
        assert code == 0
        assert "rpc GetStatus ( .ktrdr.host.v1.GetStatusRequest )" in description
        code, answer = await _grpcurl(server, "grpc.health.v1.Health/Check", data="{}")
        assert (code, json.loads(answer)) == (0, {"status": "SERVING"})
        code, answer = await _grpcurl(server, "ktrdr.host.v1.HostService/GetHost")
        assert code != 0
        assert "Unimplemented" in answer


async def test_channelz_is_off_unless_asked_for(tmp_path: Path) -> None:
    async def servers(channel: grpc.aio.Channel) -> int:
        stub: Any = channelz_pb2_grpc.ChannelzStub(channel)  # type: ignore[arg-type]  # the stubs know the other kind only
        answer = await stub.GetServers(channelz_pb2.GetServersRequest())
        return len(answer.server)

    async with probing(ProbeService(), tmp_path) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await servers(channel)
        assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED
    async with probing(ProbeService(), tmp_path, channelz=True) as channel:
        assert await servers(channel) >= 1
