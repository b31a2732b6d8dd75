"""Ports, message sizes and keepalive: what both ends of a connection have to agree on."""

import asyncio
import math
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2
from grpc_channelz.v1.channelz import ChannelzServicer

from services.common.bootstrap import running_server
from services.common.channel import MESSAGE_LIMIT_BYTES, Options, client_options, open_channel, server_options
from services.common.settings import is_loopback
from services.common.startup import CannotStartError
from tests.support.eventually import eventually
from tests.support.free_ports import ReservedPort
from tests.support.probe_service import SERVICE, Context, ProbeService, ProbeSettings, call, probing, stream


async def test_two_servers_never_share_a_port(tmp_path: Path) -> None:
    second = ProbeService()
    async with running_server(ProbeService(), ProbeSettings(home=tmp_path, port=0)) as first:
        with pytest.raises(CannotStartError) as refusal:
            async with running_server(second, ProbeSettings(home=tmp_path, port=first.port)):
                pytest.fail("it shares the port")
    assert str(refusal.value) == (
        f"port {first.port} on 127.0.0.1 is in use by another process. "
        "Stop that, or choose another port with --port (0 lets the system choose)."
    )
    assert second.events == [], "the second touched nothing"


async def test_a_port_is_free_again_after_the_stop(tmp_path: Path) -> None:
    reserved = ReservedPort()
    settings = ProbeSettings(home=tmp_path, port=reserved.number)
    for life in (b"first", b"second"):
        async with running_server(ProbeService(), settings) as server, open_channel(server.address) as channel:
            assert await call(channel, "Echo", life) == life


async def test_an_address_of_another_machine_is_refused_plainly(tmp_path: Path) -> None:
    settings = ProbeSettings(home=tmp_path, port=0, bind="192.0.2.1", insecure=True)
    with pytest.raises(CannotStartError, match=r"192\.0\.2\.1: it is no address of this machine"):
        async with running_server(ProbeService(), settings):
            pytest.fail("it started")


async def test_a_home_below_a_file_is_refused_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStartError, match=r"cannot write in .*file/home/operations: Not a directory\. .* --home"):
        async with running_server(ProbeService(), ProbeSettings(home=tmp_path / "file" / "home", port=0)):
            pytest.fail("it started")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
async def test_ipv6_addresses_are_written_with_brackets(tmp_path: Path) -> None:
    assert is_loopback("::1")
    async with running_server(ProbeService(), ProbeSettings(home=tmp_path, port=0, bind="::1")) as server:
        assert server.address == f"[::1]:{server.port}"
        async with open_channel(server.address) as channel:
            assert await call(channel, "Echo", b"6") == b"6"


async def test_an_address_for_all_is_announced_as_one_that_can_be_called(tmp_path: Path) -> None:
    settings = ProbeSettings(home=tmp_path, port=0, bind="0.0.0.0", insecure=True)
    async with running_server(ProbeService(), settings) as server:
        assert server.address == f"127.0.0.1:{server.port}"


async def test_messages_beyond_grpcs_default_limit_pass_in_both_directions(tmp_path: Path) -> None:
    message = bytes(MESSAGE_LIMIT_BYTES - 100)
    async with probing(ProbeService(), tmp_path) as channel:
        assert await call(channel, "Echo", message) == message


async def test_a_message_beyond_the_limit_is_refused_and_the_connection_goes_on(tmp_path: Path) -> None:
    async def grow(_request: bytes, _context: Context) -> bytes:
        return bytes(MESSAGE_LIMIT_BYTES + 1)

    async with probing(ProbeService(unary={"Grow": grow}), tmp_path) as channel:
        for method, request in (("Echo", bytes(MESSAGE_LIMIT_BYTES + 1)), ("Grow", b"")):
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await call(channel, method, request)
            assert failure.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await call(channel, "Echo", b"x") == b"x"


async def test_pings_of_our_clients_keep_an_idle_stream_and_are_tolerated() -> None:
    """Both sides' times are divided by 30: a client pings each second. A server with grpc's defaults gives up on it."""
    ours, defaults = await asyncio.gather(
        _idle(_hastened(server_options(), 30), pings=4), _idle([("grpc.so_reuseport", 0)], pings=math.inf)
    )
    assert ours == "alive"
    assert "pings" in defaults


async def _idle(options: Options, *, pings: float) -> str:
    """Keep a stream idle until its client has pinged so often, or the server gives up; return what came then."""
    rested = asyncio.Event()

    async def watch(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        yield b"open"
        await rested.wait()
        yield b"alive"

    server = grpc.aio.server(options=options)
    handlers: dict[str, Any] = {"Watch": grpc.unary_stream_rpc_method_handler(watch)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with (
            grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=_hastened(client_options(), 30)) as channel,
            stream(channel, "Watch") as opened,
        ):
            assert await opened.read() == b"open"
            answer: Any = asyncio.ensure_future(opened.read())
            await eventually(lambda: answer.done() or _pings_to(port) >= pings)
            rested.set()
            return bytes(await answer).decode()
    except grpc.aio.AioRpcError as error:
        return error.details() or ""
    finally:
        await server.stop(None)


def _pings_to(port: int) -> int:
    """Return how often the clients of this process have pinged a server."""
    sent = 0
    context: Any = None  # nobody calls: these are the functions behind the service
    channels = ChannelzServicer.GetTopChannels(channelz_pb2.GetTopChannelsRequest(), context).channel
    for channel in (each for each in channels if each.data.target.endswith(f":{port}")):
        for connection in channel.subchannel_ref:
            asked = channelz_pb2.GetSubchannelRequest(subchannel_id=connection.subchannel_id)
            for reference in ChannelzServicer.GetSubchannel(asked, context).subchannel.socket_ref:
                request = channelz_pb2.GetSocketRequest(socket_id=reference.socket_id)
                sent += ChannelzServicer.GetSocket(request, context).socket.data.keep_alives_sent
    return sent


def _hastened(options: Options, factor: int) -> Options:
    times = ("grpc.keepalive_time_ms", "grpc.http2.min_ping_interval_without_data_ms")
    return [(name, value // factor if name in times else value) for name, value in options]
