"""A training host whose workers are somebody else: `python -m benchmarks.status_scale_host HOME READY_FILE`.

It serves the sessions that its folder has, and beside HostService two methods of raw bytes for the benchmark: `Empty`,
which does nothing, and `Stalls`, which tells how long the event loop was held up since it was asked last.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc
from ktrdr.host.v1.session_pb2 import HostKind

from services.common.bootstrap import ServiceContext, serve
from services.common.log import configure_logging
from services.host.assembly import build_host
from services.host.folder import SessionFolder
from services.host.host import Host
from services.host.runner import Liveness, WorkerView
from services.training_host.settings import TrainingHostSettings

SERVICE = "ktrdr.benchmark.Probe"
TICK_SECONDS = 0.001


class OthersRunner:
    """Leaves the work to other processes, and sees each worker alive for as long as the host lives."""

    kind = "training"

    def __init__(self) -> None:
        self._ended = asyncio.Event()

    async def start(self, session: SessionFolder, *_: object, **__: object) -> None:
        """Begin nothing."""

    async def adopt(self, session: SessionFolder, *_: object, **__: object) -> None:
        """Take nothing over."""

    async def watch(self, session: SessionFolder) -> AsyncIterator[WorkerView]:  # noqa: ARG002 - the signature is the runner's, here and below
        """Tell that the worker lives."""
        yield WorkerView(Liveness.ALIVE, os.getpid())
        await self._ended.wait()

    async def request_stop(self, session: SessionFolder, *_: object, **__: object) -> None:
        """Ask nobody."""

    async def terminate(self, session: SessionFolder) -> bool:  # noqa: ARG002
        """Interrupt nobody."""
        return False

    async def kill(self, session: SessionFolder) -> bool:  # noqa: ARG002
        """End nobody."""
        return False

    async def shutdown(self) -> None:
        """Let go."""
        self._ended.set()


class Stalls:
    """Measures how long the event loop was held up, by the clock and by the processor time of its thread."""

    def __init__(self) -> None:
        self._worst = (0.0, 0.0)
        self._task: asyncio.Task[None] | None = None

    def take(self) -> bytes:
        """Return the longest stalls since the last call in milliseconds, as JSON; measuring goes on with the next."""
        if self._task is None:
            self._task = asyncio.create_task(self._tick())
        else:
            self._task.cancel()
            self._task = None
        worst, self._worst = self._worst, (0.0, 0.0)
        return json.dumps({"wall_ms": worst[0] * 1000, "cpu_ms": worst[1] * 1000}).encode()

    async def _tick(self) -> None:
        while True:
            wall, cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK_SECONDS)
            gap = time.perf_counter() - wall - TICK_SECONDS
            self._worst = max(self._worst[0], gap), max(self._worst[1], time.thread_time() - cpu)


class ScaleHostService:
    """The real host, without workers of its own.

    Args:
        settings: As of a training host.
    """

    name = "scale-host"

    def __init__(self, settings: TrainingHostSettings) -> None:
        self._settings = settings
        self._host: Host | None = None
        self._stalls = Stalls()

    async def start(self, server: grpc.aio.Server, context: ServiceContext) -> Sequence[str]:
        """Register the servicers and start the host."""
        self._host = build_host(
            self._settings, kind=HostKind.HOST_KIND_TRAINING, runner=OthersRunner(), clock=context.clock
        )
        methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            "Empty": grpc.unary_unary_rpc_method_handler(self._empty),
            "Stalls": grpc.unary_unary_rpc_method_handler(self._take_stalls),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
        name = self._host.register(server)
        await self._host.start()
        return [name]

    async def begin_stop(self) -> None:
        """Let watches end."""
        if self._host is not None:
            await self._host.begin_stop()

    async def stop(self) -> None:
        """Stop what runs."""
        if self._host is not None:
            await self._host.stop()

    @staticmethod
    async def _empty(_request: bytes, _context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
        return b""

    async def _take_stalls(self, _request: bytes, _context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
        return self._stalls.take()


if __name__ == "__main__":
    configured = TrainingHostSettings(
        home=Path(sys.argv[1]), port=0, ready_file=Path(sys.argv[2]), slots=1_000, log_level="error"
    )
    configure_logging(level=configured.log_level, form="console", service=ScaleHostService.name)
    sys.exit(asyncio.run(serve(ScaleHostService(configured), configured)))
