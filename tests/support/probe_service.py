"""A tiny service for tests of what all servers share; `python -m tests.support.probe_service` serves it as a process.

It speaks raw bytes: each handler reads and writes exactly what a test sends.
"""

import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, ClassVar, Final

import grpc
from pydantic import Field

from services.common.bootstrap import ServiceContext, serve
from services.common.serve_command import make_serve_command
from services.common.settings import Port, ServerSettings

SERVICE: Final = "ktrdr.tests.v1.Probe"
Context = grpc.aio.ServicerContext[bytes, bytes]
Handler = Callable[[Any, Context], Any]


class ProbeSettings(ServerSettings):
    """Settings of the probe, with a list and a choice of its own."""

    service: ClassVar[str] = "operations"
    port: Port = Field(default=5003, description="Port to listen on; 0 lets the system choose.")
    hosts: list[str] = Field(
        default=["training-host=127.0.0.1:5002"],
        description="Hosts to follow.",
        json_schema_extra={"flag": "--host", "metavar": "NAME=HOST:PORT"},
    )


class ProbeService:
    """Serves whatever handlers a test gives it, and records what happens to it.

    Args:
        unary: Unary handlers by name.
        streams: Handlers that stream their answer.
        fail_start: Raised by `start`.
    """

    def __init__(
        self,
        unary: dict[str, Handler] | None = None,
        streams: dict[str, Handler] | None = None,
        *,
        fail_start: BaseException | None = None,
    ) -> None:
        self._unary = {"Echo": echo} | (unary or {})
        self._streams = streams or {}
        self._fail_start = fail_start
        self.context: ServiceContext | None = None
        self.events: list[str] = []

    @property
    def name(self) -> str:
        return "probe"

    async def start(self, server: grpc.aio.Server, context: ServiceContext) -> Sequence[str]:
        self.events.append("start")
        if self._fail_start is not None:
            raise self._fail_start
        self.context = context
        handlers: dict[str, Any] = {
            name: grpc.unary_unary_rpc_method_handler(handler) for name, handler in self._unary.items()
        }
        handlers |= {name: grpc.unary_stream_rpc_method_handler(handler) for name, handler in self._streams.items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        return [SERVICE]

    async def begin_stop(self) -> None:
        self.events.append("begin_stop")

    async def stop(self) -> None:
        self.events.append("stop")


async def echo(request: bytes, _context: Context) -> bytes:
    return request


async def call(channel: grpc.aio.Channel, method: str, request: bytes = b"", **options: Any) -> bytes:
    """Call a unary method of the probe."""
    callable_: Any = channel.unary_unary(f"/{SERVICE}/{method}")
    answer: bytes = await callable_(request, **options)
    return answer


@contextlib.asynccontextmanager
async def stream(
    channel: grpc.aio.Channel, method: str, request: bytes = b""
) -> AsyncIterator["grpc.aio.UnaryStreamCall[bytes, bytes]"]:
    """Open a stream of the probe, and cancel it after the block."""
    callable_: Any = channel.unary_stream(f"/{SERVICE}/{method}")
    opened: grpc.aio.UnaryStreamCall[bytes, bytes] = callable_(request)
    try:
        yield opened
    finally:
        opened.cancel()


async def _run(settings: ProbeSettings) -> int:
    return await serve(ProbeService(), settings)


command = make_serve_command(
    name="operations", settings=ProbeSettings, run=_run, help_text="Serve a probe that answers what it is sent."
)

if __name__ == "__main__":
    sys.exit(command())
