"""Follow all hosts: a poller for each, and what is to be done when one comes up, goes away or shows something."""

import asyncio
import random
from typing import Final

from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.operations.connections import Connections
from services.operations.demand import Demand
from services.operations.followed_host import REGISTERED, FollowedHost
from services.operations.hosts import Hosts
from services.operations.intake import Intake, Taken
from services.operations.liveness import LivenessBoard
from services.operations.loop_load import LoopLoad
from services.operations.losses import Losses
from services.operations.pacing import Intervals, Pacing, first_poll_delay
from services.operations.poller import HostPoller
from services.operations.registry import Registry
from services.operations.verification import Verification
from services.operations.wishes import Wishes

_UP: Final = pb.HostRecord.State.STATE_UP


class Following:
    """Runs the pollers.

    Args:
        hosts: The hosts.
        connections: Where to ask.
        registry: The operations.
        intake: Takes answers in.
        wishes: Is told of hosts that come up and of sessions to stop.
        verification: Is told of hosts that come up.
        losses: Is told of sessions that are gone, and of hosts that come up.
        demand: Whether somebody watches or waits.
        clock: The time.
        rng: Source of jitter.
        intervals: Pauses between polls.
        wait_seconds: Longest time for a host to keep a poll open.
    """

    def __init__(
        self,
        hosts: Hosts,
        connections: Connections,
        registry: Registry,
        intake: Intake,
        wishes: Wishes,
        verification: Verification,
        losses: Losses,
        demand: Demand,
        clock: Clock,
        rng: random.Random,
        *,
        intervals: Intervals,
        wait_seconds: float,
    ) -> None:
        self._wishes = wishes
        self._verification = verification
        self._losses = losses
        self._load = LoopLoad(clock)
        self._up: set[str] = set()
        self._verified: set[str] = set()
        self._liveness = LivenessBoard(hosts.by_name, registry, clock)
        self._hosts = hosts
        self._connections = connections
        self._intake = intake
        self._demand = demand
        self._clock = clock
        self._rng = rng
        self._intervals = intervals
        self._wait_seconds = wait_seconds
        self._tasks: list[asyncio.Task[None]] = []
        self._polling: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.pollers: dict[str, HostPoller] = {}
        demand.on_rise(self.nudge_all)

    def start(self) -> None:
        """Begin to poll; first polls are spread over a short time."""
        for host in self._hosts.by_name.values():
            self._poll(host, first_poll_delay(host.name, self._intervals.shortest))
        self._tasks.append(asyncio.create_task(self._liveness.run(), name="liveness"))
        self._tasks.append(asyncio.create_task(self._losses.run(), name="losses"))
        self._tasks.append(asyncio.create_task(self._load.run(), name="loop load"))

    def follow(self, host: FollowedHost) -> None:
        """Begin to poll a host now; one that is polled already is polled at its new address."""
        self._poll(host, 0.0, after=self._end_polling(host.name))

    def unfollow(self, host: FollowedHost) -> None:
        """Poll a host no longer."""
        self._end_polling(host.name)
        self._connections.drop(host.name)
        self._liveness.forget(host)

    async def stop(self) -> None:
        """End all polls."""
        for name in list(self._polling):
            self._end_polling(name)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._ending, return_exceptions=True)

    def nudge_all(self) -> None:
        """Poll all hosts now."""
        for poller in self.pollers.values():
            poller.nudge()

    def _poll(self, host: FollowedHost, delay: float, after: asyncio.Task[None] | None = None) -> None:
        poller = HostPoller(
            host,
            self._connections.open(host.name, host.address, registered=host.source == REGISTERED),
            self._intake,
            Pacing(self._intervals, random.Random(self._rng.random())),
            self._demand,
            self._clock,
            load=self._load,
            wait_seconds=self._wait_seconds,
            identify=self._identify,
            told=self._told,
        )
        self.pollers[host.name] = poller
        self._polling[host.name] = asyncio.create_task(poller.run(delay, after), name=f"poll {host.name}")

    def _end_polling(self, name: str) -> asyncio.Task[None] | None:
        self._up.discard(name)
        self._verified.discard(name)
        self.pollers.pop(name, None)
        task = self._polling.pop(name, None)
        if task is not None:
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        return task

    def _identify(self, host: FollowedHost, host_uid: str) -> bool:
        self._liveness.look(host)  # somebody may have been told that it is out of sight: this answer takes that back
        is_new = self._hosts.identify(host, host_uid)
        if is_new:
            self._losses.identities_changed()
        if is_new or host.state(self._clock.monotonic()) != _UP:
            # It comes into sight once its answer is taken in, although no question to it has failed: it is another
            # host, or nobody has heard of it for too long.
            self._up.discard(host.name)
            self._verified.discard(host.name)
        return is_new

    def _told(self, host: FollowedHost, taken: Taken | None) -> None:
        if self._hosts.by_name.get(host.name) is not host:
            return  # it is followed no longer
        self._liveness.look(host)
        if taken is None:
            self._up.discard(host.name)
            self._verified.discard(host.name)
            return
        for operation in taken.lost:
            if operation.record.HasField("loss"):
                self._losses.watch(operation)
        for session_id in taken.resurfaced:
            self._wishes.stop_session(host.name, session_id)
        if host.name not in self._up:
            self._up.add(host.name)
            self._losses.identities_changed()
            self._wishes.try_again()
        if host.name not in self._verified and not taken.more:
            self._verified.add(host.name)
            self._verification.begin(host)
