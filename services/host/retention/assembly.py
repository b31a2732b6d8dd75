"""Put the retention of a host together."""

from collections.abc import Callable
from datetime import timedelta

from services.common.clock import Clock
from services.host.host_identity import HostIdentity
from services.host.retention.disk_use import DiskUse
from services.host.retention.host_database import HostDatabase
from services.host.retention.keeping import KeepLimits
from services.host.retention.leases import Leases
from services.host.retention.removal import Removal
from services.host.retention.retention import Retention
from services.host.retention.tombstones import Tombstones
from services.host.session_table import SessionTable
from services.host.settings import HostSettings
from services.host.start_request import AcceptedStarts


def build_retention(
    settings: HostSettings,
    *,
    work_kind: str,
    identity: HostIdentity,
    table: SessionTable,
    accepted: AcceptedStarts,
    clock: Clock,
    changed: Callable[[], None],
) -> Retention:
    """Put the retention of a host together; it touches nothing until it is opened.

    Args:
        settings: Folder and limits.
        work_kind: Kind of work, which names the folder of sessions that users' own processes open.
        identity: The host.
        table: All of its sessions.
        accepted: What was accepted.
        clock: Time.
        changed: Called when sessions are gone.
    """
    database = HostDatabase(settings.folder / "host.db")
    tombstones = Tombstones(database)
    return Retention(
        KeepLimits(
            age=timedelta(days=settings.keep_days),
            count=settings.keep_sessions,
            tombstone_age=timedelta(days=settings.tombstone_days),
            lease_age=timedelta(days=settings.lease_days),
            reader_grace=timedelta(seconds=settings.reader_grace_seconds),
        ),
        database=database,
        tombstones=tombstones,
        leases=Leases(database, identity, clock),
        removal=Removal(tombstones, table=table, accepted=accepted, clock=clock, changed=changed),
        disk_use=DiskUse(table, clock),
        table=table,
        clock=clock,
        own=settings.folder / "sessions",
        others=[settings.home / "local" / work_kind],
    )
