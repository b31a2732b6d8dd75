"""The life of a server process: until a signal, or the end of the process that started it, asks it to stop."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import structlog

from services.common.files import write_atomically
from services.common.preconditions import reason
from services.common.settings import ProcessSettings
from services.common.startup import CannotStartError, ConfigurationError

Serving = Callable[[asyncio.Event], AbstractAsyncContextManager[str]]
"""Makes the server as an async context manager: entered, it answers at the address that it gives; left, it has stopped.
The argument is the event that is set when the process is asked to stop."""


async def run_until_stopped(settings: ProcessSettings, serving: Serving) -> int:
    """Run a server until the process is asked to stop, and return the exit code.

    SIGTERM, SIGINT and SIGHUP, and the end of the lifeline, stop it gracefully; while it is still starting they end the
    start. A second signal ends the process at once, by the system's own action.

    Args:
        settings: `ready_file` and `lifeline_fd` are used here.
        serving: Makes the server.

    Raises:
        CannotStartError: As the server raises it, or the ready file can't be written.
        ConfigurationError: The lifeline is no open pipe.
    """
    logger = structlog.get_logger()
    async with stop_requests(settings.lifeline_fd) as stopping:
        started = asyncio.Event()

        async def live() -> None:
            async with serving(stopping) as address:
                started.set()
                with announced(settings, address):
                    logger.info("serving", address=address, home=str(settings.home))
                    await stopping.wait()
                    logger.info("stopping")
            logger.info("stopped")

        life = asyncio.create_task(live(), name="server")
        stop = asyncio.create_task(stopping.wait(), name="stop request")
        try:
            await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not life.done() and not started.is_set():
                life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await life
        finally:
            stop.cancel()
            life.cancel()  # only if this function itself was cancelled is it still running
    return 0


@contextlib.asynccontextmanager
async def stop_requests(lifeline_fd: int | None) -> AsyncIterator[asyncio.Event]:
    """Give an event that is set when the process is asked to stop.

    With a lifeline the process is the child of one that shares its terminal and stops it in order: Ctrl-C is then the
    parent's business.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    signals = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
    if lifeline_fd is not None:
        signals.remove(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    # nohup and its like ignore SIGHUP on purpose.
    signals = [number for number in signals if signal.getsignal(number) is not signal.SIG_IGN]

    def ask_to_stop(number: signal.Signals) -> None:
        structlog.get_logger().info("stop_requested", by=number.name)
        for other in signals:
            loop.remove_signal_handler(other)
            signal.signal(other, signal.SIG_DFL)
        stopping.set()

    for number in signals:
        loop.add_signal_handler(number, ask_to_stop, number)
    try:
        with _lifeline(loop, lifeline_fd, stopping):
            yield stopping
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def announced(settings: ProcessSettings, address: str) -> Iterator[None]:
    """Keep the ready file while the server answers."""
    path = settings.ready_file
    if path is None:
        yield
        return
    record = {
        "service": settings.service_name,
        "name": settings.display_name,
        "address": address,
        "pid": os.getpid(),
    }
    content = json.dumps(record).encode() + b"\n"
    try:
        write_atomically(path, content)
    except OSError as error:
        raise CannotStartError(f"cannot write the ready file {path}: {reason(error)}.") from error
    try:
        yield
    finally:
        _remove_own(path, content)


def _remove_own(path: Path, content: bytes) -> None:
    """Remove the ready file unless another server has put its own there."""
    with contextlib.suppress(OSError):
        if path.read_bytes() == content:
            path.unlink()


@contextlib.contextmanager
def _lifeline(loop: asyncio.AbstractEventLoop, descriptor: int | None, stopping: asyncio.Event) -> Iterator[None]:
    """Set the event when the other end of an inherited pipe is closed; the system does it even for a killed owner."""
    if descriptor is None:
        yield
        return

    def look() -> None:
        with contextlib.suppress(BlockingIOError):
            if os.read(descriptor, 4096) == b"":
                loop.remove_reader(descriptor)
                structlog.get_logger().info("stop_requested", by="end of the parent process")
                stopping.set()

    try:
        os.set_inheritable(descriptor, False)
        loop.add_reader(descriptor, look)
    except OSError as error:
        raise ConfigurationError(f"--lifeline-fd {descriptor} is no open pipe: {reason(error)}.") from error
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
