"""A host: its sessions, its status, and its life from start to stop."""

import asyncio
import uuid
from collections.abc import Callable
from importlib import metadata
from typing import Final

import grpc
from ktrdr.host.v1 import host_pb2, host_pb2_grpc
from ktrdr.host.v1.session_pb2 import HostKind

from services.common.clock import Clock
from services.common.files import FolderLock
from services.common.timestamps import to_timestamp
from services.common.watches import WatchLimit
from services.host.announcement import Announcement, announcement_of
from services.host.attached.attached_sessions import AttachedSessions
from services.host.disk_space import DiskSpace
from services.host.execution import Execution
from services.host.host_identity import HostIdentity
from services.host.host_servicer import HostServicer
from services.host.listing import SessionListing
from services.host.loading import load_sessions
from services.host.retention.past_sessions import PastSessions
from services.host.retention.retention import Retention
from services.host.runner import StopWish
from services.host.session_log.log_feed import LogFeed
from services.host.session_log.output_trimmer import OutputTrimmer
from services.host.sessions import Sessions
from services.host.settings import HostSettings
from services.host.status_feed import StatusFeed
from services.host.stop_cause import HOST_STOP

FULL_NAME: Final = host_pb2.DESCRIPTOR.services_by_name["HostService"].full_name
_STOP_REASON: Final = "the host was stopped"


class Host:
    """What both kinds of host have in common, put together. `build_host` makes one.

    Attributes:
        sessions: Starts, finds and cancels sessions.
        status: Answers readers of the status.
        listing: Lists sessions for people.
        retention: Removes sessions that were kept long enough.
        past: Answers for sessions that were removed, and removes them on request.
        attached: Finds the sessions that processes of their own open.
        logs: Reads the logs of sessions.
    """

    def __init__(
        self,
        settings: HostSettings,
        *,
        kind: "HostKind.ValueType",
        identity: HostIdentity,
        sessions: Sessions,
        execution: Execution,
        status: StatusFeed,
        listing: SessionListing,
        retention: Retention,
        past: PastSessions,
        attached: AttachedSessions,
        logs: LogFeed,
        output: OutputTrimmer,
        describe_more: Callable[[host_pb2.Host], None],
        clock: Clock,
    ) -> None:
        self.sessions = sessions
        self.status = status
        self.listing = listing
        self.retention = retention
        self.past = past
        self.attached = attached
        self.logs = logs
        self._output = output
        self._settings = settings
        self._kind = kind
        self._identity = identity
        self._execution = execution
        self._describe_more = describe_more
        self._clock = clock
        self._lock = FolderLock(settings.folder / "host.lock", owner=settings.display_name)
        self._start_time = clock.now()
        self._incarnation = uuid.uuid4().hex
        self._version = metadata.version("ktrdr")
        self._started = False
        self._disk = DiskSpace(settings.folder, clock)
        self._description: host_pb2.Host | None = None
        self._announcement: Announcement | None = None

    def register(self, server: grpc.aio.Server) -> str:
        """Serve HostService on `server`.

        Returns:
            The full name of the service.
        """
        servicer = HostServicer(
            self.sessions,
            self.status,
            self.listing,
            self.describe,
            WatchLimit(self._settings.watch_limit),
            attached=self.attached,
            past=self.past,
            leases=self.retention.leases,
            logs=self.logs,
        )
        host_pb2_grpc.add_HostServiceServicer_to_server(servicer, server)
        return FULL_NAME

    async def start(self) -> None:
        """Take the host's folder, adopt what still runs there, settle what has ended, and go on with the queue.

        Raises:
            CannotStartError: Another host uses the folder (it is named), or the folder's files are damaged.
            OSError: The folder cannot be used.
        """
        folder = self._settings.folder
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        self._lock.acquire()
        await asyncio.to_thread(self._identity.open)
        await self.retention.open()
        stored = await self.retention.still_there(await asyncio.to_thread(load_sessions, folder / "sessions"))
        for each in stored:
            if each.settled is not None:
                self._identity.note_finish_number(each.settled.finish_number)
        self.sessions.open(stored, last_number=await self.retention.tombstones.last_number())
        await self.attached.start()
        self.retention.start()
        self._output.start()
        self._started = True

    def announce(self, port: int) -> None:
        """Begin to announce the host to an operations service, if the settings name one.

        Args:
            port: Where the host's server listens.
        """
        self._announcement = announcement_of(self._settings, self._identity.host_uid, port)
        if self._announcement is not None:
            self._announcement.start()

    async def begin_stop(self) -> None:
        """Take no new sessions; watches end themselves and whoever waits for a change is answered."""
        self.sessions.begin_stop()
        self.status.begin_stop()
        self.logs.begin_stop()

    async def stop(self) -> None:
        """Leave running work to the next start, or let it stop, as the settings say; then free the folder."""
        await self.attached.stop()
        await self._output.stop()
        if self._started:
            if self._settings.on_stop != "leave":
                cause = HOST_STOP if self._settings.on_stop == "checkpoint" else ""
                await self._execution.stop_running(
                    StopWish(_STOP_REASON, cause=cause),
                    grace_seconds=self._settings.stop_grace_seconds,
                    end_seconds=self._settings.end_seconds,
                )
            await self.sessions.stop()
            self.status.close()
        await self.retention.stop()
        if self._announcement is not None:
            await self._announcement.stop()
        self._lock.release()

    def describe(self) -> host_pb2.Host:
        """Describe the host as it is now."""
        host = host_pb2.Host()
        host.CopyFrom(self._fixed())
        host.running_sessions = self._execution.running_count
        host.queued_sessions = self._execution.queued_count
        host.finished_sessions = self.retention.finished_count
        host.attached_sessions = self.attached.count
        host.stopping = self.sessions.stopping
        self._disk.tell(host.disk)
        host.disk.sessions_bytes = self.retention.disk_use.bytes
        self._describe_more(host)
        return host

    def _fixed(self) -> host_pb2.Host:
        """Return what does not change while the host lives; every answer to GetStatus has it."""
        if self._description is None:
            self._description = host_pb2.Host(
                name=self._settings.display_name,
                host_uid=self._identity.host_uid,
                kind=self._kind,
                version=self._version,
                start_time=to_timestamp(self._start_time),
                incarnation=self._incarnation,
                slots=self._execution.capacity.slots,
                queue_limit=self._execution.capacity.queue_limit,
            )
        return self._description
