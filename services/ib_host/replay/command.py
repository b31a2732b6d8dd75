"""The command `ktrdr serve replay-gateway`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from services.common.preconditions import reason, require_free_port
from services.common.process import run_until_stopped
from services.common.serve_command import make_serve_command
from services.common.startup import CannotStartError, ConfigurationError
from services.ib_host.replay.faults.file import FaultFileError
from services.ib_host.replay.recorded import RecordingError
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings


async def serve(settings: ReplaySettings) -> int:
    """Run a replay gateway as this process until it is asked to stop, and return the exit code.

    Raises:
        ConfigurationError: `data` names a file that is no recording, or `faults` one that holds no rules.
        CannotStartError: the address can't be listened on, or the ready file can't be written.
    """
    require_free_port(settings.bind, settings.port)
    try:
        server = ReplayServer(settings)
    except RecordingError as error:
        message = f"data = {error}. See docs/replay-gateway.md, or leave out --data to replay known stocks."
        raise ConfigurationError(message) from error
    except FaultFileError as error:
        message = f"faults = {error}. Change it as docs/replay-gateway.md describes, or leave out --faults."
        raise ConfigurationError(message) from error

    @contextlib.asynccontextmanager
    async def serving(_stopping: asyncio.Event) -> AsyncIterator[str]:
        try:
            await server.__aenter__()
        except OSError as error:  # somebody took the port just now
            message = f"cannot listen on port {settings.port} of {settings.bind}: {reason(error)}."
            raise CannotStartError(message) from error
        try:
            symbols = ", ".join(server.history.symbols)
            structlog.get_logger().info("replaying", symbols=symbols, now=server.clock.now().isoformat())
            yield server.address
        finally:
            await server.__aexit__()

    return await run_until_stopped(settings, serving)


command = make_serve_command(
    name="replay-gateway",
    settings=ReplaySettings,
    run=serve,
    help_text="Serve recorded or made-up history the way TWS and IB Gateway serve live data.",
)
