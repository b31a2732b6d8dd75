"""`ktrdr up`: all services of this machine, from one terminal."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from ktrdr_client.async_client import DEFAULT_ADDRESS
from ktrdr_client.cli.command import command
from ktrdr_client.cli.exit_codes import ExitCode
from ktrdr_client.cli.facts import fact
from ktrdr_client.cli.invocation import Invocation, OutputFormat, UsageProblem, default_home
from ktrdr_client.cli.printer import Printer
from ktrdr_client.cli.tables import Column
from ktrdr_client.cli.up_work import gateway_words, settle_work
from ktrdr_client.local import LocalPlan, LocalSystem, Ports, PortTaken, ServiceDied, ServiceNotStarted
from ktrdr_client.local.plan import GATEWAY_SERVICE, IB_HOST, REPLAY

app = typer.Typer(add_completion=False)
_COLUMNS: Final = (Column("SERVICE"), Column("ADDRESS"), Column("PID", align="right"), Column("STATE", flexible=True))


class OnExit(StrEnum):
    """What happens to running work when the services are stopped."""

    STOP = "stop"
    LEAVE = "leave"


@command(app, "up")
async def up(
    invocation: Invocation,
    gateway: Annotated[
        str, typer.Option(metavar="replay|HOST:PORT", help="Play a gateway from recorded history, or use a real one.")
    ] = REPLAY,
    port_offset: Annotated[int, typer.Option(help="Move all ports by this much.")] = 0,
    home: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for everything (KTRDR_HOME).", show_default=False)
    ] = None,
    on_exit: Annotated[
        OnExit, typer.Option(help="At the end: stop running work, or leave it to the next `ktrdr up`.")
    ] = OnExit.STOP,
) -> ExitCode:
    """Start all services on this machine, and stop them together with Ctrl-C.

    IB host, training host and operations, and a replay gateway unless a real one is named, each in its own process.
    """
    printer = Printer(invocation)
    plan = LocalPlan(
        home=(home or default_home(invocation.environment)).expanduser().absolute(),
        gateway=_checked_gateway(gateway),
        ports=Ports.shifted(port_offset),
        on_exit=on_exit.value,
        config=invocation.config,
    )
    printer.message(f"starting {'replay gateway, ' if plan.is_replay else ''}IB host, training host and operations …")
    with _stop_requests() as stop:
        try:
            return await _run(plan, printer, stop)
        except ServiceDied as death:
            printer.problem(_death_text(death))
            return ExitCode.REFUSED
        except asyncio.CancelledError:
            printer.message("everything was ended at once" if stop.is_set() else "stopped before everything was up")
            return ExitCode.INTERRUPTED


async def _run(plan: LocalPlan, printer: Printer, stop: asyncio.Event) -> ExitCode:
    async with LocalSystem(plan) as system:
        stop.clear()
        try:
            await _until_stopped(system, printer, stop)
        except asyncio.CancelledError:  # asked for the second time, wherever that meets it
            await system.kill()
            raise
    printer.message("all services have ended")
    return ExitCode.OK


async def _until_stopped(system: LocalSystem, printer: Printer, stop: asyncio.Event) -> None:
    """Show what runs until a stop is asked for, and settle what becomes of the work then."""
    await _show(system, printer)
    death = asyncio.create_task(system.first_death())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({death, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if death.done():
            raise death.result()
    finally:
        death.cancel()
        stopped.cancel()
    printer.message("stopping; Ctrl-C again ends everything at once")
    await settle_work(system, printer)


@contextlib.contextmanager
def _stop_requests() -> Iterator[asyncio.Event]:
    """Give an event that Ctrl-C and SIGTERM set.

    While it is set already (it begins so, until everything is up) they cancel the task instead.
    """
    loop, task, stop = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()
    stop.set()

    def requested() -> None:
        if stop.is_set() and task is not None:
            task.cancel()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, requested)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)


async def _show(system: LocalSystem, printer: Printer) -> None:
    """Print what runs where."""
    gateway = await gateway_words(system)
    records = [{**vars(service), "state": "healthy"} for service in system.services.values()]
    if printer.format is not OutputFormat.TABLE:
        home, gateway_address, is_replay = str(system.plan.home), system.gateway_address, system.plan.is_replay
        printer.rows([], [], records, name="services", home=home, gateway=gateway_address, replay=is_replay)
        return
    rows: list[list[str | Text]] = [
        [service.name, service.address, str(service.pid), _state(service.name, gateway)]
        for service in system.services.values()
    ]
    printer.rows(_COLUMNS, rows, [], name="services")
    printer.text("")
    printer.text(fact("home", str(system.plan.home)))
    printer.text(fact("gateway", f"{system.gateway_address}  {gateway}"))
    printer.text(fact("logs", str(system.plan.home / "logs")))
    if system.operations_address != DEFAULT_ADDRESS:
        printer.text(fact("server", f"export KTRDR_SERVER={system.operations_address}"))
    printer.text(fact("try", "ktrdr data load AAPL 1d --start 2000-03-01 --end 2013-03-01"))
    ends = "running work is stopped too" if system.plan.on_exit == "stop" else "running work is left to go on"
    printer.message(f"\nCtrl-C stops all services; {ends}")


def _state(name: str, gateway: str) -> Text:
    state = Text("healthy", style="green")
    if name == GATEWAY_SERVICE:
        state.append("  REPLAY", style="yellow")
    if name == IB_HOST:
        state.append(f"  gateway {gateway.partition(':')[0]}", style="default")
    return state


def _checked_gateway(text: str) -> str:
    if text == REPLAY:
        return text
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        message = f"--gateway {text!r}: write replay, or HOST:PORT of TWS or IB Gateway, such as 127.0.0.1:4002"
        raise UsageProblem(message)
    return text


def _death_text(death: ServiceDied) -> str:
    lines = [str(death)]
    if isinstance(death, PortTaken):
        lines.append("  if `ktrdr up` runs already, use that; or move all ports:  ktrdr up --port-offset 100")
        return "\n".join(lines)
    lines += [f"  | {line}" for line in death.tail.splitlines()]
    lines.append(f"  its log: {death.log}")
    if not isinstance(death, ServiceNotStarted):
        lines.append("  the other services have been stopped; running work is told at the next:  ktrdr up")
    return "\n".join(lines)
