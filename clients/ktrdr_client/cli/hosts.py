"""`ktrdr hosts`: the hosts that the operations service follows."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Final

import typer
from ktrdr.host.v1.host_pb2 import Device, Disk, Host
from ktrdr.operations.v1.operations_pb2 import HostRecord
from rich.text import Text

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.command import command, default_command, parse_timeout
from ktrdr_client.cli.facts import fact
from ktrdr_client.cli.invocation import Invocation, OutputFormat
from ktrdr_client.cli.printer import Printer, message_values
from ktrdr_client.cli.tables import Column
from ktrdr_client.cli.words import time_text
from ktrdr_client.errors import NotFound
from ktrdr_client.sizes import size_text
from ktrdr_client.states import host_kind_name, host_state_name
from ktrdr_client.times import duration_text

app = typer.Typer(add_completion=False, help="List hosts, register them, and take them out of service.")
_COLUMNS: Final = (
    Column("NAME"),
    Column("KIND"),
    Column("STATE"),
    Column("ADDRESS"),
    Column("BUSY", align="right"),
    Column("SEEN", align="right"),
    Column("LEASE", align="right"),
    Column("NOTE", flexible=True),
)
_LEASE: Final = timedelta(hours=24)
_STYLES: Final = {"UP": "green", "NEW": "yellow", "STALE": "yellow", "UNREACHABLE": "bold red"}


@command(app, "list")
async def list_(invocation: Invocation) -> None:
    """List the hosts: whether they answer, and what they are busy with."""
    async with AsyncClient(invocation.server) as client:
        _print(Printer(invocation), await client.hosts())


@command(app, "get")
async def get(
    invocation: Invocation, names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of hosts.")]
) -> None:
    """Show all that is known of hosts."""
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        records = {record.name: record for record in await client.hosts()}
    found = [_named(records, name) for name in names]
    if printer.format is OutputFormat.JSON and len(found) == 1:
        printer.json(message_values(found[0]))
    elif printer.format is not OutputFormat.TABLE:
        _print(printer, found)
    else:
        for record in found:
            for line in _detail_lines(record):
                printer.text(line)


@command(app, "drain")
async def drain(
    invocation: Invocation,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a host.")],
    undo: Annotated[bool, typer.Option("--undo", help="Place new operations on it again.")] = False,
) -> None:
    """Place no new operations on a host; what runs there goes on."""
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        record = await client.drain(name, undo=undo)
    if undo:
        printer.message(f"{name} takes new operations again")
    else:
        printer.message(
            f"{name} takes no new operations; what runs there goes on\n  undo:  ktrdr hosts drain {name} --undo"
        )
    if printer.format is not OutputFormat.TABLE:
        _print(printer, [record])


@command(app, "register")
async def register(
    invocation: Invocation,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name to follow the host under.")],
    address: Annotated[
        str, typer.Argument(metavar="HOST:PORT", help="Its address, as the operations service reaches it.")
    ],
    lease: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_timeout, metavar="TIME", help="How long to follow it, unless it announces itself: 24h at most."
        ),
    ] = None,
    uid: Annotated[str, typer.Option(metavar="ID", help="Its identity; nothing else is taken for it then.")] = "",
) -> None:
    """Follow a host from now on. A host started with --announce-to does this by itself."""
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        answer = await client.register_host(name, address, host_uid=uid, lease=_LEASE if lease is None else lease)
    record, granted = answer.host, duration_text(answer.lease.ToTimedelta())
    if record.source == HostRecord.SOURCE_CONFIGURED:
        printer.message(f"{record.name} is followed at {record.address}, as the operations service is configured")
    else:
        printer.message(
            f"{record.name} is followed at {record.address} for {granted}\n"
            f"  see:   ktrdr hosts get {record.name}\n  undo:  ktrdr hosts forget {record.name}"
        )
    if printer.format is not OutputFormat.TABLE:
        _print(printer, [record])


@command(app, "forget")
async def forget(
    invocation: Invocation,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of registered hosts.")],
) -> None:
    """Follow registered hosts no longer; what runs there goes on, and is followed again when they are."""
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        for name in names:
            await client.unregister_host(name)
            printer.message(f"{name} is followed no longer; what runs there goes on")


default_command(app, list_)


def _named(records: dict[str, HostRecord], name: str) -> HostRecord:
    if name not in records:
        message = f"there is no host {name!r}; known: {', '.join(records) or 'none'}"
        raise NotFound(message, reason="HOST_NOT_FOUND")
    return records[name]


def _print(printer: Printer, records: Sequence[HostRecord]) -> None:
    printer.rows(
        _COLUMNS,
        [_row(record) for record in records],
        [message_values(record) for record in records],
        name="hosts",
        empty="the operations service follows no hosts",
    )


def _row(record: HostRecord) -> list[str | Text]:
    state = host_state_name(record)
    host = record.host
    busy = f"{host.running_sessions}/{host.slots}" if host.slots else ""
    busy += f" +{host.queued_sessions}" if host.queued_sessions else ""
    styled = Text(state, style=_STYLES.get(state, ""))
    return [
        record.name,
        host_kind_name(record.kind),
        styled,
        record.address,
        busy,
        _seen(record),
        _lease(record),
        _note(record),
    ]


def _seen(record: HostRecord) -> str:
    if not record.HasField("last_success_age"):
        return "never"
    return duration_text(record.last_success_age.ToTimedelta())


def _lease(record: HostRecord) -> str:
    """Return how long a registered host is followed without another announcement; nothing for a configured one."""
    if record.source != HostRecord.SOURCE_REGISTERED:
        return ""
    left = record.lease_left.ToTimedelta()
    return duration_text(left) if left else "over"


def _note(record: HostRecord) -> str:
    notes = ["draining"] if record.draining else []
    if record.host.HasField("gateway"):
        state = record.host.gateway.state
        notes.append(state if state.startswith("gateway") else f"gateway {state}")
        if record.host.gateway.replay and "REPLAY" not in state:
            notes.append("REPLAY")
    notes += [record.problem, "stopping" if record.host.stopping else ""]
    return " · ".join(note for note in notes if note)


def _detail_lines(record: HostRecord) -> list[Text]:
    host = record.host
    state = host_state_name(record)
    lines = [Text.assemble(record.name, "  ", (state, _STYLES.get(state, "")))]
    lines.append(fact("kind", host_kind_name(record.kind) or "not known yet"))
    lines.append(fact("address", record.address))
    lines.append(fact("followed", _followed(record)))
    lines.append(fact("seen", _seen(record) if _seen(record) == "never" else f"{_seen(record)} ago"))
    if record.HasField("poll_interval"):
        lines.append(fact("asked every", duration_text(record.poll_interval.ToTimedelta())))
    if note := _note(record):
        lines.append(fact("note", note))
    if record.HasField("host"):
        lines += _session_lines(host)
        lines.append(fact("version", f"{host.version}, up since {time_text(host.start_time)} UTC"))
        lines.append(fact("identity", host.host_uid))
        if host.disk.total_bytes:
            lines.append(fact("disk", _disk_words(host.disk)))
        lines += [fact("device", _device_words(device)) for device in host.devices]
    return lines


def _followed(record: HostRecord) -> str:
    if record.source != HostRecord.SOURCE_REGISTERED:
        return "by the configuration of the operations service"
    if not record.lease_left.ToTimedelta():
        return "registered; its lease is over: it gets nothing new, and is let go when nothing of its own is at work"
    return f"registered; for {_lease(record)} without another announcement"


def _session_lines(host: Host) -> list[Text]:
    places = f"{host.slots} slot{'' if host.slots == 1 else 's'}, {host.queue_limit} places in the queue"
    lines = [fact("sessions", f"{host.running_sessions} running, {host.queued_sessions} queued; {places}")]
    if host.attached_sessions:
        lines.append(fact("attached", f"{host.attached_sessions} opened by processes of their own"))
    if host.finished_sessions:
        lines.append(fact("kept", f"{host.finished_sessions} finished"))
    return lines


def _disk_words(disk: Disk) -> str:
    words = f"{size_text(disk.free_bytes)} free of {size_text(disk.total_bytes)}"
    return f"{words}; sessions take {size_text(disk.sessions_bytes)}" if disk.sessions_bytes else words


def _device_words(device: Device) -> str:
    taken = f", used by session {device.session_id}" if device.session_id else ""
    return f"{device.name}: {device.description}{taken}"
