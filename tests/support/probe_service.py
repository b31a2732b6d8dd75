"""A tiny service for tests of what all servers share; `python -m tests.support.probe_service` serves it as a process.

It speaks raw bytes: each handler reads and writes exactly what a test sends.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import grpc
from pydantic import Field

from services.common.bootstrap import ServiceContext, running_server, serve
from services.common.channel import open_channel
from services.common.serve_command import make_serve_command
from services.common.settings import Port, ServerSettings

SERVICE: Final = "ktrdr.tests.v1.Probe"
Context = grpc.aio.ServicerContext[bytes, bytes]
Behaviour = Callable[[Any, Context], Any]


class ProbeSettings(ServerSettings):
    """Settings of the probe, with a list of its own and a start that can be slow."""

    service: ClassVar[str] = "operations"
    port: Port = Field(default=5003, description="Port to listen on; 0 lets the system choose.")
    hosts: list[str] = Field(
        default=["training-host=127.0.0.1:5002"],
        description="Hosts to follow.",
        json_schema_extra={"flag": "--host", "metavar": "NAME=HOST:PORT"},
    )
    slow_start: bool = Field(default=False, description="Never finish starting.")


class ProbeService:
    """Serves whatever handlers a test gives it, and records what happens to it.

    Args:
        unary: Unary handlers by name.
        streams: Handlers that stream their answer.
        handlers: Handlers that are made already, with messages of their own.
        fail_start: Raised by `start`.
        slow_start: `start` never ends by itself.
    """

    def __init__(
        self,
        *,
        unary: dict[str, Behaviour] | None = None,
        streams: dict[str, Behaviour] | None = None,
        handlers: dict[str, Any] | None = None,
        fail_start: BaseException | None = None,
        slow_start: bool = False,
    ) -> None:
        self._handlers: dict[str, Any] = {
            **{name: grpc.unary_unary_rpc_method_handler(it) for name, it in {"Echo": echo, **(unary or {})}.items()},
            **{name: grpc.unary_stream_rpc_method_handler(it) for name, it in (streams or {}).items()},
            **(handlers or {}),
        }
        self._fail_start = fail_start
        self._slow_start = slow_start
        self.stopping = asyncio.Event()
        self.events: list[str] = []

    @property
    def name(self) -> str:
        return "probe"

    async def start(self, server: grpc.aio.Server, context: ServiceContext) -> Sequence[str]:
        self.events.append("start")
        if self._slow_start:
            context.logger.info("starting_slowly")
            await asyncio.Event().wait()
        if self._fail_start is not None:
            raise self._fail_start
        self.stopping = context.stopping
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, self._handlers),))
        return [SERVICE]

    async def begin_stop(self) -> None:
        self.events.append("begin_stop")

    async def stop(self) -> None:
        self.events.append("stop")


async def echo(request: bytes, _context: Context) -> bytes:
    return request


async def stubborn(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
    """Stay open, whatever the server does."""
    yield b"open"
    await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def probing(service: ProbeService, home: Path, **settings: Any) -> AsyncIterator[grpc.aio.Channel]:
    """Serve the probe as a process would, and give a channel to it."""
    async with (
        running_server(service, ProbeSettings(home=home, port=0, **settings)) as server,
        open_channel(server.address) as channel,
    ):
        yield channel


async def call(channel: grpc.aio.Channel, method: str, request: bytes = b"", **options: Any) -> bytes:
    """Call a unary method of the probe."""
    answer: bytes = await unary_call(channel, method, request, **options)
    return answer


def unary_call(channel: grpc.aio.Channel, method: str, request: bytes = b"", **options: Any) -> Any:
    """Begin a unary call of the probe, or of any method by its full name."""
    path = method if method.startswith("/") else f"/{SERVICE}/{method}"
    begin: Any = channel.unary_unary(path)
    return begin(request, **options)


@contextlib.asynccontextmanager
async def stream(
    channel: grpc.aio.Channel, method: str, request: bytes = b"", **options: Any
) -> AsyncIterator["grpc.aio.UnaryStreamCall[bytes, bytes]"]:
    """Open a stream of the probe, and cancel it after the block."""
    begin: Any = channel.unary_stream(f"/{SERVICE}/{method}")
    opened: grpc.aio.UnaryStreamCall[bytes, bytes] = begin(request, **options)
    try:
        yield opened
    finally:
        opened.cancel()


async def _run(settings: ProbeSettings) -> int:
    return await serve(ProbeService(streams={"Stubborn": stubborn}, slow_start=settings.slow_start), settings)


command = make_serve_command(
    name="operations", settings=ProbeSettings, run=_run, help_text="Serve a probe that answers what it is sent."
)

if __name__ == "__main__":
    sys.exit(command())
