"""Start, watch and stop a whole system."""

import asyncio
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ktrdr_client.local.health import wait_until_healthy, wait_until_hosts_answer
from ktrdr_client.local.plan import GATEWAY_SERVICE, OPERATIONS, LocalPlan, ServicePlan, service_plans
from ktrdr_client.local.ports import taken_ports
from ktrdr_client.local.service_process import PortTaken, ServiceDied, ServiceNotStarted, ServiceProcess

_START_SECONDS: Final = 60.0
_STOP_GRACE_SECONDS: Final = 60.0
"""Time that a service gets to stop in good order; a host needs some of it for its workers."""


@dataclass(frozen=True)
class RunningService:
    """A service that answers."""

    name: str
    address: str
    pid: int


class LocalSystem:
    """Replay gateway (where one is asked for), IB host, training host and operations as child processes.

    As an asynchronous context manager it is entered once all of them are healthy and operations has heard from the
    hosts, and left once all have ended. None outlives this process, even if it is killed.

    Args:
        plan: What to start, and where.

    Raises:
        ServiceNotStarted: On entering: a port is taken, or a service ended or took too long. Nothing is left running.
    """

    def __init__(self, plan: LocalPlan) -> None:
        self.plan = plan
        self.services: Mapping[str, RunningService] = {}
        """The services by name, in the order in which they build on each other."""
        self._processes: dict[str, ServiceProcess] = {}
        self._lifeline: tuple[int, int] | None = None
        self._ready_files: tempfile.TemporaryDirectory[str] | None = None

    @property
    def operations_address(self) -> str:
        """Where the operations service listens."""
        return self.services[OPERATIONS].address

    @property
    def gateway_address(self) -> str:
        """Where the gateway is that the IB host uses."""
        return self.services[GATEWAY_SERVICE].address if self.plan.is_replay else self.plan.gateway

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._end()

    async def first_death(self) -> ServiceDied:
        """Wait until a service ends by itself, and return which, and how."""
        waits = [asyncio.create_task(process.death()) for process in self._processes.values()]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for wait in waits:
                wait.cancel()

    async def kill(self) -> None:
        """End all services at once."""
        await asyncio.gather(*(process.kill() for process in self._processes.values()))

    async def _start(self) -> None:
        plans = service_plans(self.plan)
        self._check(plans)
        self._lifeline = os.pipe()
        self._ready_files = tempfile.TemporaryDirectory(prefix="ktrdr-ready-", ignore_cleanup_errors=True)
        loop = asyncio.get_running_loop()
        addresses: dict[str, asyncio.Future[str]] = {plan.name: loop.create_future() for plan in plans}
        for plan in plans:
            if plan.port:
                addresses[plan.name].set_result(f"127.0.0.1:{plan.port}")
        async with _FirstFailure() as starts:
            running = [starts.create_task(self._start_one(plan, addresses)) for plan in plans]
        self.services = {service.name: service for service in (task.result() for task in running)}
        await wait_until_hosts_answer(self.operations_address, timeout_seconds=_START_SECONDS)

    async def _start_one(self, plan: ServicePlan, addresses: Mapping[str, asyncio.Future[str]]) -> RunningService:
        """Start a service as soon as the addresses that it needs are known; a fixed port is known at once."""
        known = {name: await asyncio.shield(addresses[name]) for name in plan.needs}
        process = self._process(plan, known)
        self._processes[plan.name] = process
        await process.start()
        address = await process.address(_START_SECONDS)
        if not addresses[plan.name].done():
            addresses[plan.name].set_result(address)
        if plan.name != GATEWAY_SERVICE:
            await wait_until_healthy(plan.name, address, timeout_seconds=_START_SECONDS)
        return RunningService(plan.name, address, process.pid)

    def _process(self, plan: ServicePlan, known: Mapping[str, str]) -> ServiceProcess:
        assert self._lifeline is not None
        assert self._ready_files is not None
        arguments = ["--home", str(self.plan.home), "--port", str(plan.port), *plan.arguments(known)]
        if self.plan.config is not None:
            arguments += ["--config", str(self.plan.config.absolute())]
        return ServiceProcess(
            plan.name,
            arguments,
            log=self.plan.home / "logs" / f"{plan.name}.log",
            ready=Path(self._ready_files.name) / f"{plan.name}.json",
            lifeline=self._lifeline[0],
        )

    def _check(self, plans: list[ServicePlan]) -> None:
        log = self.plan.home / "logs"
        if taken := taken_ports(plans):
            ports = ", ".join(f"{port} ({name})" for name, port in taken.items())
            message = f"another program on this machine has port {ports}"
            raise PortTaken(next(iter(taken)), message, tail="", log=log)
        try:
            log.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"the home {self.plan.home} cannot be used: {error.strerror}"
            raise ServiceNotStarted(plans[0].name, message, tail="", log=log) from error

    async def _end(self) -> None:
        """Stop the services, those that build on others first."""
        try:
            for process in reversed(self._processes.values()):
                await process.stop(_STOP_GRACE_SECONDS)
        except asyncio.CancelledError:
            await self.kill()
            raise
        finally:
            if self._lifeline is not None:
                for end in self._lifeline:
                    os.close(end)
                self._lifeline = None
            if self._ready_files is not None:
                self._ready_files.cleanup()


class _FirstFailure(asyncio.TaskGroup):
    """A task group that raises the first failure itself instead of a group of failures."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await super().__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
