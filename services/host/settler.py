"""Give sessions their final state, one after the other."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from ktrdr.host.v1.session_pb2 import CancelStage, Session
from ktrdr_bridge import JournalReader, read_control

from services.common.clock import Clock
from services.common.files import write_atomically
from services.common.threads import in_thread
from services.host.host_identity import HostIdentity
from services.host.progress import set_progress, set_thinning
from services.host.records import SettledRecord
from services.host.session import HostedSession
from services.host.session_inputs import read_inputs
from services.host.settlement import Settlement, judge

_RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True)
class _Case:
    session: HostedSession
    settlement: Settlement | None
    done: asyncio.Future[None]


class Settler:
    """Settles sessions durably, then shows it.

    One at a time: finish numbers then become visible in their own order, and a reader that has seen one has seen all
    before it.

    Args:
        identity: Where finish numbers come from.
        clock: For the end of sessions of which nothing tells it.
        settled: Called with each session once its final state is stored.
    """

    def __init__(self, identity: HostIdentity, clock: Clock, settled: Callable[[HostedSession], None]) -> None:
        self._identity = identity
        self._clock = clock
        self._settled = settled
        self._cases: asyncio.Queue[_Case] = asyncio.Queue()
        self._open: dict[str, asyncio.Future[None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._again: set[asyncio.Task[None]] = set()
        self._logger = structlog.get_logger()

    def start(self) -> None:
        """Begin to work."""
        self._task = asyncio.create_task(self._work(), name="settler")

    async def stop(self) -> None:
        """Stop; what was not settled is settled after the next start."""
        tasks = [*self._again, *([] if self._task is None else [self._task])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(self, session: HostedSession, settlement: Settlement | None = None) -> None:
        """Settle a session and return when its final state is stored. Asking twice settles once.

        Args:
            session: A session whose worker is gone, or never was.
            settlement: How it ended; None to judge from the evidence in its folder.
        """
        done = self._open.get(session.id)
        if done is None:
            done = asyncio.get_running_loop().create_future()
            self._open[session.id] = done
            self._cases.put_nowait(_Case(session, settlement, done))
        await asyncio.shield(done)

    async def _work(self) -> None:
        while True:
            case = await self._cases.get()
            try:
                # The final state must not be shown before it is stored, nor be stored after a stop by a thread that
                # was left behind: the next life of the host judges by itself.
                asked = case.session.cancel_reason, case.session.cancel_cause
                record = await in_thread(self._store, case, case.session.snapshot().message, *asked)
            except Exception as error:
                self._try_again(case, error)
                continue
            case.session.settle(record)
            self._settled(case.session)
            del self._open[case.session.id]
            case.done.set_result(None)

    def _try_again(self, case: _Case, error: Exception) -> None:
        """Put a case that could not be settled back in line, after a pause that holds up no other."""
        unexpected = None if isinstance(error, OSError) else error
        self._logger.warning("session_not_settled", session_id=case.session.id, error=str(error), exc_info=unexpected)
        task = asyncio.create_task(self._put_back(case), name=f"settle-again-{case.session.id}")
        self._again.add(task)
        task.add_done_callback(self._again.discard)

    async def _put_back(self, case: _Case) -> None:
        await self._clock.sleep(_RETRY_SECONDS)
        self._cases.put_nowait(case)

    def _store(self, case: _Case, current: Session, reason: str | None, cause: str) -> SettledRecord:
        session = case.session
        message = Session()
        message.CopyFrom(current)
        asked = read_control(session.folder.control) if reason is None and case.settlement is None else None
        if asked is not None:
            # A request to stop counts from when it is durable, as it would after a restart: the worker may have died of
            # it, or beside it, before the session was told.
            reason, cause = asked.reason, asked.cause
            message.cancel_reason, message.cancel_stage = reason, CancelStage.CANCEL_STAGE_ASKED
        limit = session.options.timeout.ToTimedelta() if session.options.HasField("timeout") else None
        settlement = case.settlement or judge(session.folder, cancel_reason=reason, cause=cause, time_limit=limit)
        reader = JournalReader(session.folder.journal)
        try:
            end = reader.end()
            read = reader.read(end, max_points=1)
        finally:
            reader.close()
        end_time = settlement.end_time or self._clock.now()
        message.state = settlement.state
        message.end_time.FromDatetime(end_time)
        message.update_time.FromDatetime(end_time)
        message.ClearField("progress")
        if read.incarnation:
            set_progress(message.progress, read.progress)
            message.progress.wait_reason = ""
            message.incarnation = read.incarnation
            message.recording_stopped = not read.recording
            set_thinning(message, read.thinning)
        message.journal_damage = read.damage
        del message.inputs[:]
        message.inputs.extend(read_inputs(session.folder))
        message.worker_pid = 0
        if message.HasField("start_time"):
            message.worker_liveness = Session.WORKER_LIVENESS_ENDED
        if settlement.error is not None:
            message.error.CopyFrom(settlement.error)
        if settlement.result is not None:
            message.result.CopyFrom(settlement.result)
        record = SettledRecord(
            state=Session.State.Name(settlement.state),
            end_time=end_time,
            finish_number=self._identity.next_finish_number(),
            incarnation=end.incarnation,
            rows=end.seq,
            session=message.SerializeToString(deterministic=True),
        )
        write_atomically(session.folder.settled_record, record.to_bytes())
        return record
