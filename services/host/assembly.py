"""Put a host together."""

from collections.abc import Callable

from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.session_pb2 import HostKind

from services.common.clock import Clock
from services.host.cancel_ladder import CancelGraces
from services.host.changes import ChangeSignal
from services.host.execution import Capacity, Execution
from services.host.host import Host
from services.host.host_identity import HostIdentity
from services.host.journal_watch import JournalWatch
from services.host.listing import SessionListing
from services.host.runner import SessionRunner
from services.host.session_table import SessionTable
from services.host.sessions import Sessions
from services.host.settings import HostSettings
from services.host.status_feed import StatusFeed


def build_host(
    settings: HostSettings,
    *,
    kind: "HostKind.ValueType",
    runner: SessionRunner,
    clock: Clock,
    describe_more: Callable[[host_pb2.Host], None] = lambda _: None,
) -> Host:
    """Put a host together; it touches nothing until it is started.

    Args:
        settings: Folder, capacity, graces.
        kind: Kind of the host.
        runner: What executes its sessions.
        clock: Time.
        describe_more: Adds to the host's description what its kind has: `devices`, or `gateway`. Called with each
            answer, so cheap.

    Returns:
        The host: register it on a server, start it, and stop it.
    """
    identity = HostIdentity(settings.folder)
    table, changes = SessionTable(), ChangeSignal()
    execution = Execution(
        runner,
        identity=identity,
        clock=clock,
        capacity=Capacity(settings.slots, settings.queue_limit),
        graces=CancelGraces(settings.cancel_grace_seconds, settings.terminate_grace_seconds),
        changed=changes.notify,
        finished=table.finish,
    )
    sessions = Sessions(
        settings.folder / "sessions",
        host_kind=kind,
        work_kind=runner.kind,
        execution=execution,
        table=table,
        clock=clock,
    )
    status = StatusFeed(
        table, identity=identity, changes=changes, watch=JournalWatch(table, changes, clock), clock=clock
    )
    return Host(
        settings,
        kind=kind,
        identity=identity,
        sessions=sessions,
        execution=execution,
        status=status,
        listing=SessionListing(table, identity, clock),
        describe_more=describe_more,
        clock=clock,
    )
