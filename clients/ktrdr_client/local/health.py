"""Ask services whether they are healthy, and whether they have found each other."""

import asyncio
import time

import grpc
from grpc_health.v1 import health_pb2
from ktrdr.operations.v1 import operations_pb2 as pb

from ktrdr_client.channel import open_channel
from ktrdr_client.errors import Unavailable
from ktrdr_client.stubs import operations_stub

_CHECK = "/grpc.health.v1.Health/Check"
_PAUSE_SECONDS = 0.05
_CALL_SECONDS = 5.0


async def wait_until_healthy(name: str, address: str, *, timeout_seconds: float) -> None:
    """Return once a service says that it serves.

    Raises:
        Unavailable: It did not say so in time.
    """
    deadline = time.monotonic() + timeout_seconds
    channel = open_channel(address)
    try:
        check = channel.unary_unary(
            _CHECK,
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        while True:
            try:
                answer = await check(health_pb2.HealthCheckRequest(), timeout=_CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                state = error.code().name
            else:
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
                state = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
            if time.monotonic() > deadline:
                message = f"{name} at {address} is not healthy after {timeout_seconds:g} s: {state}"
                raise Unavailable(message)
            await asyncio.sleep(_PAUSE_SECONDS)
    finally:
        await channel.close()


async def wait_until_hosts_answer(address: str, *, timeout_seconds: float) -> None:
    """Return once the operations service has heard from all its hosts: work can be placed from then on.

    Raises:
        Unavailable: A host was not heard of in time.
    """
    deadline = time.monotonic() + timeout_seconds
    channel = open_channel(address)
    try:
        while True:
            problem = await _silence(channel, address)
            if not problem:
                return
            if time.monotonic() > deadline:
                message = f"{problem} after {timeout_seconds:g} s"
                raise Unavailable(message)
            await asyncio.sleep(_PAUSE_SECONDS)
    except grpc.aio.AioRpcError as error:
        message = f"operations at {address} does not answer: {error.code().name}"
        raise Unavailable(message) from error
    finally:
        await channel.close()


async def _silence(channel: grpc.aio.Channel, address: str) -> str:
    """Return who has not been heard of yet; "" if everybody was. A service that is only slow is asked again."""
    try:
        answer = await operations_stub(channel).ListHosts(pb.ListHostsRequest(), timeout=_CALL_SECONDS)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            raise
        return f"operations at {address} has not answered in time"
    silent = [host for host in answer.hosts if host.state != pb.HostRecord.STATE_UP]
    names = ", ".join(f"{host.name} at {host.address}" for host in silent)
    return f"operations at {address} has not heard from {names}" if silent else ""
