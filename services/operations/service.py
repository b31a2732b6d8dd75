"""The operations service: its parts put together, started and stopped in order."""

import random
from collections.abc import Sequence
from contextlib import AsyncExitStack

import grpc
import structlog
from ktrdr.operations.v1 import operations_pb2, operations_pb2_grpc

from services.common.bootstrap import ServiceContext
from services.common.errors import ServiceError
from services.common.files import FolderLock
from services.common.watches import WatchLimit
from services.operations.cancellation import Cancellation
from services.operations.connections import Connections
from services.operations.creation import Creation
from services.operations.demand import Demand
from services.operations.following import Following
from services.operations.history.handler import add_history_handler
from services.operations.history.histories import MetricHistories
from services.operations.history.merging.merger import Merger
from services.operations.hosts import Hosts
from services.operations.inspection import Inspection
from services.operations.intake import Intake
from services.operations.life_cycle import LifeCycle
from services.operations.listing import Listing
from services.operations.log_relay import LogRelay
from services.operations.longrunning.facade import LongRunning
from services.operations.longrunning.servicer import serve_long_running
from services.operations.longrunning.waiting import Waiting
from services.operations.losses import Graces, Losses
from services.operations.pacing import Intervals
from services.operations.placement import Placement
from services.operations.presenter import Presenter
from services.operations.registration import Registration
from services.operations.registry import Registry
from services.operations.requests_once import RequestsOnce
from services.operations.servicer import OperationsServicer
from services.operations.settings import OperationsSettings
from services.operations.store import Store
from services.operations.trends.wiring import late_verdicts, trends
from services.operations.verification import Verification
from services.operations.watching import Watching
from services.operations.watching.wire import add_watch_handler
from services.operations.wishes import Wishes


class OperationsService:
    """The registry as a service.

    Args:
        settings: Hosts, intervals, home.
        seed: Seed of all jitter; None takes one from the system.
    """

    name = "operations"

    def __init__(self, settings: OperationsSettings, *, seed: int | None = None) -> None:
        self._settings = settings
        self._rng = random.Random(seed)
        self._open = AsyncExitStack()
        self._watching: Watching | None = None
        self._registry: Registry | None = None
        self._requests: RequestsOnce | None = None

    async def start(self, server: grpc.aio.Server, context: ServiceContext) -> Sequence[str]:
        """Open the store, follow the hosts, and register the servicer.

        Raises:
            CannotStartError: The folder is in use, or the store cannot be used.
        """
        settings, clock, rng = self._settings, context.clock, self._rng
        self._open.enter_context(FolderLock(settings.folder / "operations.lock", owner="an operations service"))
        store = await Store.open(settings.store_path)
        self._open.push_async_callback(store.close)
        registry = self._registry = await Registry.load(store, clock)
        stored_hosts = await store.read.hosts()
        hosts = Hosts(
            settings.hosts,
            stored_hosts,
            registry.commits,
            clock,
            expected_seconds=settings.poll_wait_seconds + settings.poll_max_interval_seconds,
        )
        self._open.push_async_callback(_store_all, registry)
        merger = Merger(registry, store)
        self._open.push_async_callback(merger.close)
        connections = Connections(await store.reader_id())
        self._open.push_async_callback(connections.close)
        demand = Demand()
        presenter = Presenter(hosts.by_name, clock)
        placement = Placement(hosts.by_name, clock)
        losses = Losses(
            registry,
            hosts.by_name,
            connections,
            clock,
            Graces(settings.lost_grace_seconds, settings.replaced_grace_seconds),
        )
        wishes = Wishes(registry, hosts.by_name, connections, placement, losses, demand, clock, rng)
        verification = Verification(registry, connections, losses, clock)
        cancellation = Cancellation(registry, wishes, presenter, clock)
        board, diagnosis = trends(registry, store.read, hosts.by_name, cancellation, clock, settings)
        following = Following(
            hosts,
            connections,
            registry,
            Intake(registry, store.read, clock, board.closing),
            wishes,
            verification,
            losses,
            demand,
            clock,
            rng,
            intervals=_intervals(settings),
            wait_seconds=settings.poll_wait_seconds,
        )
        registration = Registration(hosts, registry, following, clock)
        await registration.restore(stored_hosts)
        requests = self._requests = RequestsOnce(store.read, clock)
        creation = Creation(
            registry, requests, placement, wishes, presenter, demand, clock, settings.create_wait_seconds
        )
        life_cycle = LifeCycle(
            registry,
            store.read,
            requests,
            hosts.by_name,
            connections,
            placement,
            wishes,
            presenter,
            demand,
            clock,
            settings,
        )
        watches = WatchLimit(settings.watch_limit, for_each_client=settings.watch_limit_of_client)
        inspection = Inspection(registry, hosts.by_name, following.pollers, presenter, clock)
        listing = Listing(registry, store.ended, presenter)
        watching = self._watching = Watching(
            registry, store.read, presenter, demand, watches, context.stopping, clock, rng
        )
        histories = MetricHistories(registry, store.read)
        servicer = OperationsServicer(
            creation=creation,
            inspection=inspection,
            listing=listing,
            logs=LogRelay(registry, hosts.by_name, connections, watches, context.stopping),
            watching=watching,
            histories=histories,
            cancellation=cancellation,
            diagnosis=diagnosis,
            hosts=hosts,
            registration=registration,
            life_cycle=life_cycle,
        )
        add_watch_handler(watching, server)
        add_history_handler(histories, server)
        operations_pb2_grpc.add_OperationsServiceServicer_to_server(servicer, server)
        long_running = LongRunning(inspection, listing, cancellation, life_cycle.deletion)
        waiting = Waiting(registry, long_running, demand, watches, context.stopping, clock)
        long_running_name = serve_long_running(server, long_running, waiting)
        for close in (
            wishes.close,
            board.close,
            verification.close,
            losses.close,
            following.stop,
            requests.close,
            life_cycle.stop,
        ):
            self._open.push_async_callback(close)
        hosts.on_open(wishes.try_again)
        board.start(late_verdicts(registry, store.read, life_cycle.amendment, clock, settings))
        following.start()
        merger.start()
        self._open.push_async_callback(registration.close)
        registration.start()
        wishes.resume()
        life_cycle.start()
        losses.resume()
        return [operations_pb2.DESCRIPTOR.services_by_name["OperationsService"].full_name, long_running_name]

    async def begin_stop(self) -> None:
        """Let watches end themselves, and create nothing any more."""
        if self._requests is not None:
            self._requests.refuse()
        if self._registry is not None:
            self._registry.index.notify()
        if self._watching is not None:
            self._watching.begin_stop()

    async def stop(self) -> None:
        """End polls and wishes, store what is under way, and close the store."""
        await self._open.aclose()


async def _store_all(registry: Registry) -> None:
    try:
        await registry.points_stored()
    except ServiceError as error:  # the hosts have it, and tell it again
        structlog.get_logger().warning("not_all_stored", problem=error.message)


def _intervals(settings: OperationsSettings) -> Intervals:
    return Intervals(
        watched=settings.poll_watched_interval_seconds,
        shortest=settings.poll_min_interval_seconds,
        longest=settings.poll_max_interval_seconds,
    )
