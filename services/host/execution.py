"""Let accepted sessions wait in line, run them in slots, and end them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session, SessionOptions

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.host.cancel_ladder import CancelGraces
from services.host.device_pool import DevicePool
from services.host.host_identity import HostIdentity
from services.host.runner import SessionRunner, StopWish
from services.host.session import HostedSession
from services.host.session_stops import SessionStops
from services.host.session_work import SessionWork
from services.host.settlement import Settlement, stopped
from services.host.settler import Settler
from services.host.waiting_line import WaitingLine


@dataclass(frozen=True)
class Capacity:
    """How much a host takes on.

    Attributes:
        slots: Sessions at work at the same time.
        queue_limit: Sessions that wait.
    """

    slots: int
    queue_limit: int


class Execution:
    """Runs the sessions of a host, from the queue to the final state.

    Args:
        runner: What executes them.
        identity: Where finish numbers come from.
        clock: Time.
        capacity: Slots and places in the queue.
        graces: Time that a worker gets which was asked to stop.
        changed: Called after each change of any session.
        finished: Called with each session that was settled, before `changed`.
        devices: What sessions can have for themselves; None for nothing.
    """

    def __init__(
        self,
        runner: SessionRunner,
        *,
        identity: HostIdentity,
        clock: Clock,
        capacity: Capacity,
        graces: CancelGraces,
        changed: Callable[[], None],
        finished: Callable[[HostedSession], None],
        devices: DevicePool | None = None,
    ) -> None:
        self.capacity = capacity
        self.devices = devices or DevicePool()
        self._runner = runner
        self._clock = clock
        self._changed = changed
        self._finished = finished
        self._settler = Settler(identity, clock, self._on_settled)
        self._stops = SessionStops(runner, graces, clock, changed)
        self._work = SessionWork(runner, clock, changed)
        self._line = WaitingLine(capacity.slots, capacity.queue_limit, self.devices)
        self._running: dict[str, tuple[HostedSession, asyncio.Task[None]]] = {}
        self.devices.when_found(self.advance)
        self._refusing: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._logger = structlog.get_logger()

    @property
    def running_count(self) -> int:
        """Sessions at work."""
        return len(self._running)

    @property
    def queued_count(self) -> int:
        """Sessions that wait."""
        return len(self._line)

    def granted(self, asked: SessionOptions | None, default_gpus: int) -> SessionOptions:
        """Return what a session gets that asks for something, or for nothing.

        Raises:
            ServiceError: TOO_FEW_DEVICES, where the host is known to have fewer.
        """
        options = SessionOptions()
        if asked is not None:
            options.CopyFrom(asked)
        if not options.HasField("gpus") and default_gpus:
            options.gpus = default_gpus
        if self.devices.is_known and options.gpus > self.devices.total:
            raise self._too_few(options.gpus)
        return options

    def has_room(self, coming: int) -> bool:
        """Tell whether one more session can be accepted beside `coming` ones that were, and are not in line yet."""
        return self._line.has_room(running=self.running_count, coming=coming)

    def open(self) -> None:
        """Begin to work."""
        self._settler.start()

    def enqueue(self, session: HostedSession) -> None:
        """Put a new session in line; it begins at once where a slot and its devices are free."""
        self._line.add(session)
        self.advance()

    def adopt(self, session: HostedSession) -> None:
        """Go on with a session that was begun in an earlier life of the host, with the devices that it has."""
        self.devices.hold(session.id, session.devices)
        self._run(session, adopted=True)

    async def settle(self, session: HostedSession, settlement: Settlement) -> None:
        """Give a session its final state that is not run here: a process of its own had opened it."""
        await self._settler.settle(session, settlement)

    async def cancel(self, session: HostedSession, *, reason: str, now: bool) -> None:
        """Ask a session to stop; the request is durable when this returns. Does nothing to one that has ended.

        Raises:
            OSError: The request cannot be written.
        """
        if session.settled is None and session.start_time is None:
            await self._cancel_queued(session, reason)
        elif session.settled is None:
            await self._stops.ask(session, StopWish(reason, now), at_work=session.id in self._running)

    def begin_stop(self) -> None:
        """Begin no further session from now on; what is queued waits for the next start of the host."""
        self._stopping = True

    async def stop_running(self, wish: StopWish, *, grace_seconds: float, end_seconds: float) -> None:
        """Ask all sessions at work to stop and wait for their end.

        The requests are durable: a worker that is not done in time is ended by the next start of the host.

        Args:
            wish: What they are asked.
            grace_seconds: Time that they get to stop by themselves; then they are interrupted.
            end_seconds: Time for the rest of their end.
        """
        running = list(self._running.values())
        for session, _ in running:
            try:
                await self._stops.ask(session, wish, at_work=True)
            except OSError as error:
                self._logger.warning("session_not_asked", session_id=session.id, error=str(error))
        tasks = [task for _, task in running]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_seconds)
            for session, _ in running:
                self._stops.hurry(session)
            await asyncio.wait(tasks, timeout=end_seconds)

    async def stop(self) -> None:
        """Let go of everything. Workers that are processes go on; the next start of the host adopts them."""
        self._stopping = True
        running = [task for _, task in self._running.values()]
        # All of them first: one that waits to be begun once more would begin while another is waited for.
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._work.stop()
        await self._stops.stop()
        await self._runner.shutdown()
        for refusing in self._refusing:
            refusing.cancel()
        await self._settler.stop()

    def advance(self) -> None:
        """Begin what there are slots and devices for, and tell the others their places."""
        while not self._stopping:
            if (hopeless := self._line.impossible()) is not None:
                self.refuse(hopeless, self._too_few(hopeless.options.gpus))
            elif (ready := self._line.next(self.running_count)) is not None:
                session, devices = ready
                session.begin(self._clock.now(), devices)
                self._run(session, adopted=False)
            else:
                break
        self._line.tell_places(self.running_count)
        self._changed()

    def _run(self, session: HostedSession, *, adopted: bool) -> None:
        task = asyncio.create_task(self._whole(session, adopted=adopted), name=f"session-{session.id}")
        self._running[session.id] = (session, task)
        self._stops.begin(session)

    async def _whole(self, session: HostedSession, *, adopted: bool) -> None:
        settlement = await self._work.run(session, adopted=adopted)
        await self._settler.settle(session, settlement)
        await self._stops.end(session)
        self.devices.release(session.id)
        del self._running[session.id]
        self.advance()

    def refuse(self, session: HostedSession, error: ServiceError) -> None:
        """End a session that cannot be begun after all."""
        settlement = Settlement(Session.STATE_FAILED, error=error.status())
        task = asyncio.create_task(self._settler.settle(session, settlement), name=f"refuse-{session.id}")
        self._refusing.add(task)
        task.add_done_callback(self._refusing.discard)

    def _too_few(self, asked: int) -> ServiceError:
        available = self.devices.total
        return ServiceError(ErrorReason.ERROR_REASON_TOO_FEW_DEVICES, asked=asked, available=available)

    async def _cancel_queued(self, session: HostedSession, reason: str) -> None:
        if self._line.remove(session):
            session.cancel(reason, self._clock.now())
        await self._settler.settle(session, stopped(session.cancel_reason or ""))
        self.advance()

    def _on_settled(self, session: HostedSession) -> None:
        self._logger.info("session_ended", session_id=session.id, state=Session.State.Name(session.state))
        self._finished(session)
        self._changed()
