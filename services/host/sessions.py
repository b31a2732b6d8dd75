"""The sessions of a host: accept them, find them, cancel them."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from google.protobuf import any_pb2
from google.protobuf.message import Message
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import HostKind, Session, SessionOptions

from services.common.clock import Clock
from services.common.errors import FieldViolation, ServiceError
from services.common.identity import new_id
from services.host.creation import Furnish, create_session_folder, unfurnished
from services.host.description import describe
from services.host.execution import Execution
from services.host.loading import StoredSession
from services.host.records import SessionRecord
from services.host.retention.past_sessions import PastSessions
from services.host.session import HostedSession
from services.host.session_table import SessionTable
from services.host.start_request import AcceptedStarts, StartRequest
from services.host.storage import storage_full

_RETRY_AFTER: Final = timedelta(seconds=5)


class Sessions:
    """Everything that is asked of a host about its sessions. Lives on the host's event loop.

    Args:
        root: Folder of all sessions.
        host_kind: Kind of the host.
        work_kind: Kind of work that its sessions do, such as "training".
        execution: What runs them.
        table: All of them.
        accepted: What was accepted of them.
        past: Answers for those that were removed.
        clock: Time.
    """

    def __init__(
        self,
        root: Path,
        *,
        host_kind: "HostKind.ValueType",
        work_kind: str,
        execution: Execution,
        table: SessionTable,
        accepted: AcceptedStarts,
        past: PastSessions,
        clock: Clock,
    ) -> None:
        self._root = root
        self._host_kind = host_kind
        self._work_kind = work_kind
        self._execution = execution
        self._table = table
        self._clock = clock
        self._accepted = accepted
        self._past = past
        self._creating: dict[str, asyncio.Task[None]] = {}
        self._next_number = 1
        self._stopping = False

    @property
    def stopping(self) -> bool:
        """No new work is taken."""
        return self._stopping

    def open(self, stored: Sequence[StoredSession], *, last_number: int = 0) -> None:
        """Take over what an earlier life of the host has left, and begin to work.

        Args:
            stored: The sessions of the folder, in the order they were accepted.
            last_number: Highest number that a session had which is no longer there.
        """
        self._next_number = max(self._next_number, last_number + 1)
        self._execution.open()
        waiting: list[HostedSession] = []
        for each in stored:
            session = HostedSession(each.folder, each.record, self._host_kind)
            self._accepted.add(each.record)
            self._next_number = max(self._next_number, each.record.number + 1)
            if each.stop is not None:
                at = each.stop.requested_at or self._clock.now()
                session.cancel(each.stop.reason, at, now=each.stop.now, cause=each.stop.cause)
            if each.settled is not None:
                session.settle(each.settled)
                self._table.add(session)
                continue
            self._table.add(session)
            if each.refusal is not None:
                self._execution.refuse(session, each.refusal)
            elif each.start is None:
                waiting.append(session)
            else:
                session.begin(each.start.start_time, each.start.devices)
                self._execution.adopt(session)
        # Only now: slots and devices of those that have begun are taken.
        for session in waiting:
            self._execution.enqueue(session)

    def attach(self, stored: StoredSession) -> HostedSession:
        """Take in a session that a process of its own has opened: it is begun, takes no slot, and is never executed."""
        session = HostedSession(stored.folder, stored.record, self._host_kind)
        self._accepted.add(stored.record)
        self._next_number = max(self._next_number, stored.record.number + 1)
        if stored.stop is not None:
            session.cancel(stored.stop.reason, stored.stop.requested_at or self._clock.now())
        if stored.settled is not None:
            session.settle(stored.settled)
        else:
            session.begin(stored.record.create_time)
        self._table.add(session)
        return session

    def take_number(self) -> int:
        """Return the number of the next session; no other session gets it."""
        self._next_number += 1
        return self._next_number - 1

    def has(self, session_id: str) -> bool:
        """Tell whether there is a session of this id, or one is being created."""
        return session_id in self._table or session_id in self._creating

    async def start(
        self,
        *,
        spec: Message,
        kind: str | None = None,
        session_id: str = "",
        request_id: str = "",
        attempt: int = 0,
        labels: Mapping[str, str] | None = None,
        options: SessionOptions | None = None,
        default_gpus: int = 0,
        continues: str = "",
        furnish: Furnish = unfurnished,
    ) -> Session:
        """Accept a session: it is stored when this returns, and begins at once or when a slot is free.

        Asking again with the same session_id, or request_id, and the same body returns the same session.

        Args:
            spec: What to do. Its content is the caller's to check.
            kind: Kind of work; None for the only one that the host has.
            session_id: Id of the session; empty to have one chosen.
            request_id: Makes the request idempotent for 24 hours.
            attempt: Number of the attempt, 0 for 1.
            labels: Labels to keep with it.
            options: What it should get to work with; None where nothing is said.
            default_gpus: GPUs that it gets where the options do not say.
            continues: Session whose work it goes on with; empty where it begins anew.
            furnish: Puts what it goes on from into its folder. Not called for a request that was accepted before.

        Returns:
            The session as it is now.

        Raises:
            ServiceError: INVALID_REQUEST, REQUEST_ID_REUSED, SESSION_EXISTS, TOO_FEW_DEVICES, QUEUE_FULL, STOPPING or
                STORAGE_FULL; what `furnish` raises.
        """
        request = StartRequest(
            kind or self._work_kind, spec, session_id, request_id, attempt, labels or {}, options, continues
        )
        request.check()
        self._refuse_other_work(request.kind)
        record = self._accepted.find(request, self._clock.now())
        if record is None and (gone := await self._past.find(request, self._clock.now())) is not None:
            return gone
        # Looked for again: the same request may have been accepted while the removed sessions were looked at.
        record = (
            record or self._accepted.find(request, self._clock.now()) or self._accept(request, default_gpus, furnish)
        )
        creating = self._creating.get(record.id)
        if creating is not None:
            # Shielded: a caller that goes away must not leave half a start behind.
            await asyncio.shield(creating)
        return describe(self.find(record.id), self._clock.now())

    def find(self, session_id: str) -> HostedSession:
        """Return a session.

        Raises:
            ServiceError: SESSION_NOT_FOUND.
        """
        session = self._table.get(session_id)
        if session is None:
            raise ServiceError(ErrorReason.ERROR_REASON_SESSION_NOT_FOUND, session_id=session_id)
        return session

    def get(self, session_id: str) -> Session:
        """Describe a session as it is now.

        Raises:
            ServiceError: SESSION_NOT_FOUND.
        """
        return describe(self.find(session_id), self._clock.now())

    async def look_up(self, session_id: str) -> Session:
        """Describe a session as it is now; one whose folder was removed as it ended.

        Raises:
            ServiceError: SESSION_NOT_FOUND.
        """
        await self._created(session_id)
        return self.get(session_id) if session_id in self._table else await self._past.get(session_id)

    async def cancel(self, session_id: str, *, reason: str = "", now: bool = False) -> Session:
        """Ask a session to stop. The request is durable when this returns; the session ends when its worker has.

        Args:
            session_id: The session.
            reason: Why, for people. The first one is kept.
            now: Interrupt the worker at once.

        Returns:
            The session as it is now.

        Raises:
            ServiceError: SESSION_NOT_FOUND; STORAGE_FULL where the request cannot be written.
        """
        await self._created(session_id)
        if session_id not in self._table:
            return await self._past.get(session_id)
        session = self.find(session_id)
        try:
            await self._execution.cancel(session, reason=reason, now=now)
        except OSError as error:
            raise storage_full(session.folder.path, error) from error
        return describe(session, self._clock.now())

    def begin_stop(self) -> None:
        """Take no new work from now on."""
        self._stopping = True
        self._execution.begin_stop()

    async def stop(self) -> None:
        """Finish what is being written, and let go of everything."""
        await asyncio.gather(*self._creating.values(), return_exceptions=True)
        await self._execution.stop()
        for session in self._table.live:
            session.close()

    def _refuse_other_work(self, kind: str) -> None:
        if kind != self._work_kind:
            fault = FieldViolation("kind", f"this host does {self._work_kind}, not {kind}")
            raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=[fault], detail=fault.description)

    def _accept(self, request: StartRequest, default_gpus: int, furnish: Furnish) -> SessionRecord:
        """Take a place for a new session and begin to write its folder."""
        if self._stopping:
            raise ServiceError(ErrorReason.ERROR_REASON_STOPPING, retry_after=_RETRY_AFTER)
        options = self._execution.granted(request.options, default_gpus)
        if not self._execution.has_room(coming=len(self._creating)):
            running, queued = self._execution.running_count, self._execution.queued_count + len(self._creating)
            raise ServiceError(
                ErrorReason.ERROR_REASON_QUEUE_FULL, retry_after=_RETRY_AFTER, running=running, queued=queued
            )
        packed = any_pb2.Any()
        packed.Pack(request.spec, deterministic=True)
        record = SessionRecord(
            id=request.session_id or new_id(),
            number=self._next_number,
            kind=request.kind,
            attempt=max(1, request.attempt),
            labels=dict(request.labels),
            request_id=request.request_id,
            body_sha256=request.body_sha256(),
            create_time=self._clock.now(),
            spec_type_url=packed.type_url,
            spec=packed.value,
            options=options.SerializeToString(deterministic=True),
        )
        self._next_number += 1
        self._accepted.add(record)
        creating = self._create(record, request.spec, furnish)
        self._creating[record.id] = asyncio.create_task(creating, name=f"create-{record.id}")
        return record

    async def _created(self, session_id: str) -> None:
        """Wait while a session is being created: to say that there is none would be taken for the last word on it."""
        creating = self._creating.get(session_id)
        if creating is not None:
            await asyncio.wait([creating])

    async def _create(self, record: SessionRecord, spec: Message, furnish: Furnish) -> None:
        try:
            folder = await asyncio.to_thread(create_session_folder, self._root, record, spec, furnish)
        except FileExistsError as error:
            self._accepted.remove(record)
            detail = "Its folder cannot be read any more."
            raise ServiceError(ErrorReason.ERROR_REASON_SESSION_EXISTS, session_id=record.id, detail=detail) from error
        except OSError as error:
            self._accepted.remove(record)
            raise storage_full(self._root, error) from error
        except ServiceError:
            self._accepted.remove(record)
            raise
        finally:
            del self._creating[record.id]
        session = HostedSession(folder, record, self._host_kind)
        self._table.add(session)
        self._execution.enqueue(session)
