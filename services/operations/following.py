"""Follow all hosts: a poller for each, and what is to be done when one comes up, goes away or shows something."""

import asyncio
import random
from collections.abc import Mapping

from services.common.clock import Clock
from services.operations.demand import Demand
from services.operations.followed_host import FollowedHost
from services.operations.hosts import Hosts
from services.operations.intake import Intake, Taken
from services.operations.liveness import LivenessBoard
from services.operations.losses import Losses
from services.operations.pacing import Intervals, Pacing, first_poll_delay
from services.operations.poller import HostPoller, StatusSource
from services.operations.registry import Registry
from services.operations.verification import Verification
from services.operations.wishes import Wishes


class Following:
    """Runs the pollers.

    Args:
        hosts: The hosts.
        sources: Where to ask, by name of the host.
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
        sources: Mapping[str, StatusSource],
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
        self._up: set[str] = set()
        self._verified: set[str] = set()
        self._spread_seconds = intervals.shortest
        self._liveness = LivenessBoard(list(hosts.by_name.values()), registry, clock)
        self._tasks: list[asyncio.Task[None]] = []
        self.pollers = {
            name: HostPoller(
                host,
                sources[name],
                intake,
                Pacing(intervals, random.Random(rng.random())),
                demand,
                clock,
                wait_seconds=wait_seconds,
                identify=hosts.identify,
                told=self._told,
            )
            for name, host in hosts.by_name.items()
        }
        demand.on_rise(self.nudge_all)

    def start(self) -> None:
        """Begin to poll; first polls are spread over a short time."""
        for name, poller in self.pollers.items():
            delay = first_poll_delay(name, self._spread_seconds)
            self._tasks.append(asyncio.create_task(poller.run(delay), name=f"poll {name}"))
        self._tasks.append(asyncio.create_task(self._liveness.run(), name="liveness"))
        self._tasks.append(asyncio.create_task(self._losses.run(), name="losses"))

    async def stop(self) -> None:
        """End all polls."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def nudge_all(self) -> None:
        """Poll all hosts now."""
        for poller in self.pollers.values():
            poller.nudge()

    def _told(self, host: FollowedHost, taken: Taken | None) -> None:
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
