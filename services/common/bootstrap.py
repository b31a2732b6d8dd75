"""Builds every gRPC server of the project: what it offers beside its own services, how it starts and how it stops."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import grpc
import structlog
from grpc_channelz.v1 import channelz, channelz_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.common.channel import server_options
from services.common.clock import Clock, SystemClock
from services.common.errors import StatusError
from services.common.garbage import keep_collections_short
from services.common.health import HealthServicer
from services.common.interceptors import server_interceptors
from services.common.interceptors.open_calls import OpenCalls
from services.common.preconditions import reason, require_free_port, require_writable
from services.common.process import run_until_stopped
from services.common.settings import ServerSettings
from services.common.startup import CannotStartError

CLEANUP_SECONDS: Final = 2.0
"""Time that handlers of aborted calls get for their clean-up."""


@dataclass(frozen=True)
class ServiceContext:
    """What a service is given by the process that it runs in."""

    settings: ServerSettings
    clock: Clock
    stopping: asyncio.Event
    """Set as soon as the server begins to stop: watches end themselves."""
    logger: structlog.typing.FilteringBoundLogger
    port: int
    """Port that the server listens on."""


class Service(Protocol):
    """One of the project's servers, without what all have in common."""

    @property
    def name(self) -> str:
        """Name for people and logs: "training-host"."""
        ...

    async def start(self, server: grpc.aio.Server, context: ServiceContext) -> Sequence[str]:
        """Register the servicers, start own tasks, and return the full names of the gRPC services.

        Runs after the port is taken and before any call is answered.

        Raises:
            CannotStartError: With one line that says why and what to do.
        """
        ...

    async def begin_stop(self) -> None:
        """Take no new work and let watches end themselves. Calls are still answered."""
        ...

    async def stop(self) -> None:
        """End own tasks and close what is open. No call is running any more. Also called after a start that failed."""
        ...


@dataclass(frozen=True)
class RunningServer:
    """A server that answers."""

    address: str
    """HOST:PORT for clients on this machine."""
    port: int


async def serve(service: Service, settings: ServerSettings, *, clock: Clock | None = None) -> int:
    """Run a service as this process until it is asked to stop, and return the exit code.

    Raises:
        CannotStartError: The machine, or the service, does not allow it.
    """

    @contextlib.asynccontextmanager
    async def serving(stopping: asyncio.Event) -> AsyncIterator[str]:
        async with running_server(service, settings, clock=clock, stopping=stopping) as server:
            keep_collections_short()
            yield server.address

    return await run_until_stopped(settings, serving)


@contextlib.asynccontextmanager
async def running_server(
    service: Service, settings: ServerSettings, *, clock: Clock | None = None, stopping: asyncio.Event | None = None
) -> AsyncIterator[RunningServer]:
    """Run a service in this event loop: it answers while the block runs, and has stopped in order after it.

    Args:
        service: What to serve.
        settings: Address, limits, home.
        clock: The machine's by default.
        stopping: Set when the server stops, and given to the service; a new event by default.

    Raises:
        CannotStartError: An occupied port, an unwritable home, or the service's own reason.
    """
    require_writable(settings.folder)
    require_free_port(settings.bind, settings.port)
    open_calls = OpenCalls()
    interceptors = server_interceptors(call_limit_seconds=settings.call_limit_seconds, open_calls=open_calls)
    server = grpc.aio.server(interceptors=interceptors, options=server_options())
    # The port first: a server that finds it occupied must not have touched anything yet.
    port = _take_port(server, settings)
    health = HealthServicer()
    logger = structlog.get_logger().bind(service=service.name)
    stopping = stopping or asyncio.Event()
    context = ServiceContext(
        settings=settings, clock=clock or SystemClock(), stopping=stopping, logger=logger, port=port
    )
    started = False
    try:
        names = await _start(service, server, context)
        _add_standard_services(server, names, health, settings)
        await server.start()
        started = True
        health.set_serving(names)
        yield RunningServer(address=_address(settings, port), port=port)
    finally:
        health.enter_graceful_shutdown()
        stopping.set()
        await _step("begin_stop", service.begin_stop(), logger, settings.stop_limit_seconds)
        if not started:
            await server.start()  # only a server that was started gives its port back
        await server.stop(settings.grace_seconds if started else None)
        left = await open_calls.wait_until_none(CLEANUP_SECONDS)
        if left:
            logger.warning("calls_still_cleaning_up", calls=left)
        await _step("stop", service.stop(), logger, settings.stop_limit_seconds)


async def _start(service: Service, server: grpc.aio.Server, context: ServiceContext) -> Sequence[str]:
    try:
        return await service.start(server, context)
    except StatusError as error:
        raise CannotStartError(str(error)) from error
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise CannotStartError(f"{place}{reason(error)}.") from error


def _take_port(server: grpc.aio.Server, settings: ServerSettings) -> int:
    try:
        return server.add_insecure_port(_joined(settings.bind, settings.port))
    except RuntimeError as error:
        message = f"cannot listen on port {settings.port} of {settings.bind}. Choose another port with --port."
        raise CannotStartError(message) from error


def _add_standard_services(
    server: grpc.aio.Server, names: Sequence[str], health: HealthServicer, settings: ServerSettings
) -> None:
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    standard = [health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME]
    if settings.channelz:
        channelz.add_channelz_servicer(server)
        standard.append(channelz_pb2.DESCRIPTOR.services_by_name["Channelz"].full_name)
    reflection.enable_server_reflection([*names, *standard], server)


def _address(settings: ServerSettings, port: int) -> str:
    """Return the address for clients on this machine; one that stands for all addresses can't be called."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.bind.strip("[]"), settings.bind)
    return _joined(host, port)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


async def _step(
    name: str, step: Awaitable[None], logger: structlog.typing.FilteringBoundLogger, limit_seconds: float
) -> None:
    """Run one step of the stop. The steps after it are needed all the more when it fails."""
    try:
        await asyncio.wait_for(step, limit_seconds)
    except TimeoutError:
        logger.error(  # noqa: TRY400 - the traceback of a timeout says nothing
            "stop_step_overdue",
            step=name,
            limit_seconds=limit_seconds,
        )
    except Exception:
        logger.exception("stop_step_failed", step=name)
