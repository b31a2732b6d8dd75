"""Run sessions as tasks on the host's own event loop: for work that shares a connection with the host."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import structlog
from google.protobuf.message import Message
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr_bridge import Bridge, Cancelled

from services.common.clock import Clock
from services.common.errors import ServiceError, reason_name
from services.common.threads import in_thread
from services.host.allotment import Allotment
from services.host.exhaustion import exhaustion
from services.host.folder import SessionFolder
from services.host.outcome import write_cancelled, write_completed, write_failed
from services.host.runner import Liveness, StopWish, WorkerView
from services.host.session_log.handler import DEFAULT_LOG_BYTES
from services.host.session_log.task_log import TaskLogs
from services.host.worker import DEFAULT_JOURNAL_BYTES

_RETRY_SECONDS: Final = 1.0


class TaskSession:
    """A session from inside its task.

    The work returns its result (COMPLETED), raises `ServiceError` (FAILED with its reason) or `ktrdr_bridge.Cancelled`
    (CANCELLED).

    Attributes:
        folder: The session's folder.
        spec_json: What was asked, as protobuf JSON.
        bridge: Where progress and metrics are written.
        artifacts: Folder for what the work produces.
    """

    def __init__(self, files: SessionFolder, bridge: Bridge) -> None:
        self.folder = files.path
        self.artifacts = files.artifacts
        self.spec_json = files.spec.read_text(encoding="utf-8")
        self.bridge = bridge
        self.partial: Message | None = None

    def partial_result(self, result: Message) -> None:
        """Keep what has been produced so far, for the case that the work is cancelled or fails."""
        self.partial = result


class TaskRunner:
    """Runs sessions as tasks.

    One that the host's end cut off begins again after the restart, in the same session and journal.

    Args:
        kind: Kind of work.
        work: Does the work of a session and returns its result. It must pick up what an earlier life has done already.
        clock: For pauses.
        log_bytes: Size at which a session's log is rotated.
        journal_bytes: Bound of a session's journal.
    """

    def __init__(
        self,
        kind: str,
        work: Callable[[TaskSession], Awaitable[Message]],
        *,
        clock: Clock,
        log_bytes: int = DEFAULT_LOG_BYTES,
        journal_bytes: int = DEFAULT_JOURNAL_BYTES,
    ) -> None:
        self.kind = kind
        self._logs = TaskLogs(log_bytes)
        self._journal_bytes = journal_bytes
        self._work = work
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._leaving = False
        self._logger = structlog.get_logger()

    async def start(self, session: SessionFolder, allotment: Allotment) -> None:  # noqa: ARG002 - a task has no limits of its own
        """Create the session's task.

        Raises:
            OSError: Its journal cannot be written.
        """
        task_session = await asyncio.to_thread(_open, session, self._journal_bytes)
        task = asyncio.create_task(self._run(session, task_session), name=f"work-{session.id}")
        self._tasks[session.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(session.id, None))
        # A task that is cancelled before its first step comes to no `finally`.
        task.add_done_callback(lambda _: task_session.bridge.close())

    async def adopt(self, session: SessionFolder, allotment: Allotment) -> None:
        """Begin again with what the end of the host has cut off."""
        if not session.result_record.exists():
            await self.start(session, allotment)

    async def watch(self, session: SessionFolder) -> AsyncIterator[WorkerView]:
        """Tell that the task works, and that it has ended."""
        task = self._tasks.get(session.id)
        if task is not None:
            yield WorkerView(Liveness.ALIVE)
            await asyncio.wait([task])
        yield WorkerView(Liveness.ENDED)

    async def request_stop(self, session: SessionFolder, wish: StopWish) -> None:
        """Write the request where the session's bridge sees it."""
        await asyncio.to_thread(wish.write, session.control)

    async def terminate(self, session: SessionFolder) -> bool:
        """Cancel the task."""
        task = self._tasks.get(session.id)
        return task is not None and task.cancel()

    async def kill(self, session: SessionFolder) -> bool:
        """Cancel the task once more: nothing stronger exists for a task."""
        return await self.terminate(session)

    async def shutdown(self) -> None:
        """End all tasks without an outcome: the next life of the host goes on with them."""
        self._leaving = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, session: SessionFolder, task_session: TaskSession) -> None:
        try:
            with self._logs.of(session):
                write = await self._outcome(session, task_session)
        finally:
            task_session.bridge.close()
        while True:
            try:
                # Who is cancelled now waits: how the session ended is judged by what is written here.
                await in_thread(write)
            except OSError as error:
                self._logger.warning("outcome_not_written", session_id=session.id, error=str(error))
                await self._clock.sleep(_RETRY_SECONDS)
            else:
                return

    async def _outcome(self, session: SessionFolder, task_session: TaskSession) -> Callable[[], None]:
        """Do the work, and return what writes down how it ended."""
        try:
            self._logger.info("work_started")
            result = await self._work(task_session)
        except Cancelled:
            self._logger.info("work_cancelled")
            return lambda: write_cancelled(session, task_session.partial)
        except ServiceError as error:
            self._logger.error("work_failed", reason=reason_name(error.reason), message=str(error))  # noqa: TRY400 - it is no fault of the code
            refusal = error
        except asyncio.CancelledError:
            if self._leaving:
                raise
            self._logger.info("work_cancelled")
            return lambda: write_cancelled(session, task_session.partial)
        except Exception as error:
            self._logger.exception("work_failed")
            internal = ServiceError(ErrorReason.ERROR_REASON_INTERNAL, request_id=session.id)
            refusal = exhaustion(error, session.path) or internal
        else:
            return lambda: write_completed(session, result)
        return lambda: write_failed(session, refusal, task_session.partial)


def _open(session: SessionFolder, journal_bytes: int) -> TaskSession:
    return TaskSession(session, Bridge.resume(session.journal, control=session.control, limit_bytes=journal_bytes))
