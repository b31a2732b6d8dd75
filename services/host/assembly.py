"""Put a host together."""

import threading
from collections.abc import Callable

from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.session_pb2 import HostKind

from services.common.clock import Clock
from services.host.attached.attached_sessions import AttachedSessions
from services.host.cancel_ladder import CancelGraces
from services.host.changes import ChangeSignal
from services.host.device_pool import DevicePool
from services.host.execution import Capacity, Execution
from services.host.host import Host
from services.host.host_identity import HostIdentity
from services.host.journal_watch import JournalWatch
from services.host.listing import SessionListing
from services.host.retention.assembly import build_retention
from services.host.retention.past_sessions import PastSessions
from services.host.runner import SessionRunner
from services.host.session import HostedSession
from services.host.session_log.log_feed import LogFeed
from services.host.session_log.output_trimmer import OutputTrimmer
from services.host.session_table import SessionTable
from services.host.sessions import Sessions
from services.host.settings import HostSettings
from services.host.start_request import AcceptedStarts
from services.host.status_feed import StatusFeed


def build_host(
    settings: HostSettings,
    *,
    kind: "HostKind.ValueType",
    runner: SessionRunner,
    clock: Clock,
    describe_more: Callable[[host_pb2.Host], None] = lambda _: None,
    devices: DevicePool | None = None,
) -> Host:
    """Put a host together; it touches nothing until it is started.

    Args:
        settings: Folder, capacity, graces.
        kind: Kind of the host.
        runner: What executes its sessions.
        clock: Time.
        describe_more: Adds to the host's description what its kind has: `devices`, or `gateway`. Called with each
            answer, so cheap.
        devices: What sessions can have for themselves; None for nothing.

    Returns:
        The host: register it on a server, start it, and stop it.
    """
    identity = HostIdentity(settings.folder)
    table, changes = SessionTable(), ChangeSignal()
    accepted = AcceptedStarts()
    retention = build_retention(
        settings,
        work_kind=runner.kind,
        identity=identity,
        table=table,
        accepted=accepted,
        clock=clock,
        changed=changes.notify,
    )
    past = PastSessions(table, retention.tombstones, retention.removal)

    def finished(session: HostedSession) -> None:
        table.finish(session)
        retention.wake()

    execution = Execution(
        runner,
        identity=identity,
        clock=clock,
        capacity=Capacity(settings.slots, settings.queue_limit),
        graces=CancelGraces(
            settings.cancel_grace_seconds, settings.terminate_grace_seconds, settings.stop_grace_seconds
        ),
        devices=devices,
        changed=changes.notify,
        finished=finished,
    )
    sessions = Sessions(
        settings.folder / "sessions",
        host_kind=kind,
        work_kind=runner.kind,
        execution=execution,
        table=table,
        accepted=accepted,
        past=past,
        clock=clock,
    )
    attached = AttachedSessions(
        settings.home / "local" / runner.kind,
        kind=runner.kind,
        owner=settings.display_name,
        sessions=sessions,
        removed=retention.tombstones.among,
        identity=identity,
        settle=execution.settle,
        changed=changes.notify,
        clock=clock,
    )
    output_lock = threading.Lock()
    status = StatusFeed(
        table,
        identity=identity,
        changes=changes,
        watch=JournalWatch(table, changes, attached.look),
        clock=clock,
        before_look=attached.look,
    )
    return Host(
        settings,
        kind=kind,
        identity=identity,
        sessions=sessions,
        execution=execution,
        status=status,
        listing=SessionListing(table, identity, clock),
        retention=retention,
        past=past,
        attached=attached,
        logs=LogFeed(sessions.find, output_lock, clock),
        output=OutputTrimmer(lambda: table.live, output_lock, settings.log_bytes, clock),
        describe_more=describe_more,
        clock=clock,
    )
