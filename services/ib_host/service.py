"""The IB host, put together."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import grpc
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.session_pb2 import HostKind
from ktrdr.ib.v1 import ib_pb2, ib_pb2_grpc

from services.common.bootstrap import ServiceContext
from services.host.assembly import build_host
from services.host.host import Host
from services.host.task_runner import TaskRunner
from services.ib_host.connection.address import GatewayAddress
from services.ib_host.connection.backoff import Backoff
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.dataset_check import DatasetCheck
from services.ib_host.datasets import Datasets
from services.ib_host.diagnosis.diagnosis import Diagnosis
from services.ib_host.gateway_view import GatewayView, gateway_summary
from services.ib_host.imports import BarImports
from services.ib_host.instrument_search import InstrumentSearch
from services.ib_host.load_start import KIND, LoadStart
from services.ib_host.loading.data_load import DataLoader
from services.ib_host.loading.persistence import RetryPolicy
from services.ib_host.pacing.budget import RequestBudget
from services.ib_host.pacing.memory import PacingMemory, boot_id
from services.ib_host.pacing.rules import PacingRules, Rule
from services.ib_host.requests.answers import RequestTimeouts
from services.ib_host.requests.gateway_requests import GatewayRequests
from services.ib_host.requests.heartbeat import Heartbeat
from services.ib_host.requests.open_requests import OpenRequests
from services.ib_host.servicer import IbHostServicer
from services.ib_host.settings import IbHostSettings
from services.ib_host.store.bar_store import BarStore
from services.ib_host.streaming.handler import add_bars_handler

_LONG_BARS_SECONDS: Final = 600.0
FULL_NAME: Final = ib_pb2.DESCRIPTOR.services_by_name["IbHostService"].full_name


class IbHostService:
    """Serves IbHostService and HostService. A gateway that is absent is no reason not to start.

    Args:
        settings: of the host.
        retries: how often failed requests of loads are sent again.
    """

    name = "ib-host"

    def __init__(self, settings: IbHostSettings, *, retries: RetryPolicy | None = None) -> None:
        self._settings = settings
        self._retries = retries or RetryPolicy(competing_patience=timedelta(minutes=settings.competing_session_minutes))
        self._connection: GatewayConnection | None = None
        self._budget: RequestBudget | None = None
        self._heartbeat: Heartbeat | None = None
        self._host: Host | None = None

    async def start(self, server: grpc.aio.Server, context: ServiceContext) -> Sequence[str]:
        """Register the servicers, begin to connect, and go on with unfinished loads.

        Raises:
            CannotStartError: another host uses the folder.
            OSError: the folder can't be used.
        """
        settings, clock = self._settings, context.clock
        memory = PacingMemory(settings.folder, gateway=settings.gateway, clock=clock, boot=boot_id())
        long_bars = _long_bars_rule(settings)
        budget = RequestBudget(clock, memory=memory, long_bars=long_bars)
        open_requests = OpenRequests(budget.violated)
        connection = GatewayConnection(
            GatewayAddress.parse(settings.gateway),
            client_id=settings.client_id,
            open_requests=open_requests,
            clock=clock,
            backoff=Backoff(first_seconds=settings.reconnect_seconds),
            connect_timeout_seconds=settings.connect_timeout_seconds,
        )
        timeouts = RequestTimeouts(settings.history_timeout_seconds, settings.request_timeout_seconds)
        requests = GatewayRequests(
            connection,
            open_requests=open_requests,
            budget=budget,
            rules=PacingRules(long_bars=long_bars),
            timeouts=timeouts,
            clock=clock,
        )
        store = BarStore(settings.home)
        loader = DataLoader(connection, requests, store, home=settings.home, clock=clock, policy=self._retries)

        def describe_gateway(host: host_pb2.Host) -> None:
            host.gateway.CopyFrom(gateway_summary(connection.picture))

        host = build_host(
            settings,
            kind=HostKind.HOST_KIND_IB,
            runner=TaskRunner(
                KIND, loader.load, clock=clock, log_bytes=settings.log_bytes, journal_bytes=settings.journal_bytes
            ),
            clock=clock,
            describe_more=describe_gateway,
        )
        datasets = Datasets(store, clock)
        add_bars_handler(datasets, server)
        servicer = IbHostServicer(
            LoadStart(host.sessions),
            GatewayView(connection, budget),
            Diagnosis(connection, requests, budget),
            InstrumentSearch(connection, requests),
            datasets,
            DatasetCheck(store, settings.home, clock),
            BarImports(store, settings.home / "data" / "imports"),
        )
        ib_pb2_grpc.add_IbHostServiceServicer_to_server(servicer, server)
        names = [FULL_NAME, host.register(server)]
        self._connection, self._budget, self._host = connection, budget, host
        self._heartbeat = Heartbeat(
            connection,
            requests,
            clock=clock,
            interval_seconds=settings.heartbeat_seconds,
            timeout_seconds=settings.request_timeout_seconds,
        )
        # The folder first: a second host on it must be refused before it has taken a client id of the gateway.
        await host.start()
        await budget.recall()
        host.announce(context.port)
        await connection.start()
        await self._heartbeat.start()
        return names

    async def begin_stop(self) -> None:
        """Take no new loads; watches end themselves."""
        if self._host is not None:
            await self._host.begin_stop()

    async def stop(self) -> None:
        """Let go of the loads (the next start goes on with them), then of the gateway."""
        if self._host is not None:
            await self._host.stop()
        if self._heartbeat is not None:
            await self._heartbeat.stop()
        if self._connection is not None:
            await self._connection.stop()
        if self._budget is not None:
            await self._budget.close()


def _long_bars_rule(settings: IbHostSettings) -> Rule | None:
    most = settings.long_bar_requests
    return Rule(most, _LONG_BARS_SECONDS) if most else None
