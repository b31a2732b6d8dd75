"""The command `ktrdr serve replay-gateway`."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from services.common.preconditions import reason, require_free_port
from services.common.process import run_until_stopped
from services.common.serve_command import make_serve_command
from services.common.startup import CannotStartError, ConfigurationError
from services.ib_host.replay.faults.file import FaultFileError
from services.ib_host.replay.faults.rules import RuleError
from services.ib_host.replay.pacing.limits import PacingMode
from services.ib_host.replay.recorded import RecordingError
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings

_MOST_SYMBOLS = 10


async def serve(settings: ReplaySettings) -> int:
    """Run a replay gateway as this process until it is asked to stop, and return the exit code.

    A line on stdout says what it serves and where, once it does.

    Raises:
        ConfigurationError: `data` names a file that is no recording, `faults` one that holds no rules, or the journal
            can't be written.
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
    except RuleError as error:
        cause = f"{error}" if f"{error}".endswith((".", "?")) else f"{error}."
        message = f"fault: {cause} docs/replay-gateway-faults.md has all names, docs/replay-gateway.md all keys."
        raise ConfigurationError(message) from error
    except OSError as error:
        message = (
            f"journal = {settings.journal} can't be written: {reason(error)}. Name a file in a folder that exists."
        )
        raise ConfigurationError(message) from error

    @contextlib.asynccontextmanager
    async def serving(_stopping: asyncio.Event) -> AsyncIterator[str]:
        try:
            await server.__aenter__()
        except OSError as error:  # somebody took the port just now
            message = f"cannot listen on port {settings.port} of {settings.bind}: {reason(error)}."
            raise CannotStartError(message) from error
        try:
            sys.stdout.write(f"{ready_line(server, settings)}\n")
            sys.stdout.flush()
            yield server.address
        finally:
            await server.__aexit__()

    return await run_until_stopped(settings, serving)


def ready_line(server: ReplayServer, settings: ReplaySettings) -> str:
    """Return what people are told once the gateway listens."""
    symbols = server.history.symbols
    shown, more = ", ".join(symbols[:_MOST_SYMBOLS]), len(symbols) - _MOST_SYMBOLS
    if more > 0:
        shown += f" and {more} more"
    rules = len(server.faults.counts)
    faults = {0: "no faults", 1: "1 rule of faults"}.get(rules, f"{rules} rules of faults")
    pacing = "" if settings.pacing is PacingMode.OFF else f", pacing {settings.pacing}"
    return (
        f"REPLAY gateway on {server.address}: {shown}; its time is {server.clock.now():%Y-%m-%d %H:%M:%S} UTC; "
        f"{faults}{pacing}. Ctrl-C stops it."
    )


command = make_serve_command(
    name="replay-gateway",
    settings=ReplaySettings,
    run=serve,
    help_text="Serve recorded or made-up history the way TWS and IB Gateway serve live data.",
)
