"""Announce a host to an operations service, for as long as the host lives.

The work of the host never depends on it: when the operations service is away, or refuses, the announcement is tried
again after a growing pause, and the log says so once.
"""

import asyncio
import random
import socket
from datetime import timedelta
from typing import Final, cast

import grpc
import structlog
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import operations_pb2_grpc

from services.common.channel import open_channel
from services.common.errors import status_of_call
from services.common.timestamps import to_duration, to_timedelta
from services.host.settings import HostSettings

_CALL_SECONDS: Final = 5.0
_GOODBYE_SECONDS: Final = 2.0
_SHARE_OF_LEASE: Final = 1 / 3
_FIRST_RETRY_SECONDS: Final = 0.5
_LONGEST_RETRY_SECONDS: Final = 30.0
_MOST_DOUBLINGS: Final = 10
_EVERY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})


class Announcement:
    """Keeps a host registered.

    Args:
        registry: HOST:PORT of the operations service.
        name: Name to be followed under.
        bind: Address that the host's server listens on, with its port.
        address: HOST:PORT to announce; empty for the one that it listens on.
        host_uid: Identity of the host.
        lease: How long to be followed without another announcement.
        rng: Source of the jitter between tries.
    """

    def __init__(
        self,
        registry: str,
        *,
        name: str,
        bind: tuple[str, int],
        address: str,
        host_uid: str,
        lease: timedelta,
        rng: random.Random,
    ) -> None:
        self._registry = registry
        self._name = name
        self._bind = bind
        self._address = address
        self._host_uid = host_uid
        self._lease = lease
        self._rng = rng
        self._registered = ""
        self._heard = False
        self._problem = ""
        self._task: asyncio.Task[None] | None = None
        self._logger = structlog.get_logger().bind(operations=registry, name=name)

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="announcement")

    async def stop(self) -> None:
        """End, and say goodbye: nobody has to find out that the host is gone. Takes at most some seconds."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._registered:
            async with open_channel(self._registry) as channel:
                await self._say_goodbye(_stub(channel))

    async def _run(self) -> None:
        tries = 0
        async with open_channel(self._registry) as channel:
            stub = _stub(channel)
            while True:
                try:
                    pause = await self._announce(stub)
                    tries = 0
                except grpc.aio.AioRpcError as error:
                    self._tell(_words(error))
                    pause, tries = self._retry_seconds(tries), tries + 1
                except OSError as error:  # the name of the operations service has no address now
                    self._tell(error.strerror or type(error).__name__)
                    pause, tries = self._retry_seconds(tries), tries + 1
                except Exception:
                    self._logger.exception("announcement_failed")
                    pause, tries = _LONGEST_RETRY_SECONDS, tries + 1
                await asyncio.sleep(pause)

    async def _announce(self, stub: "operations_pb2_grpc.OperationsServiceAsyncStub") -> float:
        """Announce the host once; return the time until it has to be announced again, in seconds."""
        address = self._address or await asyncio.to_thread(own_address, self._bind, self._registry)
        request = pb.RegisterHostRequest(
            name=self._name, address=address, host_uid=self._host_uid, lease=to_duration(self._lease)
        )
        response = await stub.RegisterHost(request, timeout=_CALL_SECONDS)
        if not self._heard or self._problem:
            self._logger.info("host_announced", followed_as=response.host.name, address=response.host.address)
        self._heard, self._problem = True, ""
        # A host that the registry's configuration names is followed without a lease, and needs no goodbye.
        self._registered = response.host.name if response.host.source == pb.HostRecord.SOURCE_REGISTERED else ""
        return to_timedelta(response.lease).total_seconds() * _SHARE_OF_LEASE

    async def _say_goodbye(self, stub: "operations_pb2_grpc.OperationsServiceAsyncStub") -> None:
        try:
            await stub.UnregisterHost(pb.UnregisterHostRequest(name=self._registered), timeout=_GOODBYE_SECONDS)
        except grpc.aio.AioRpcError as error:
            self._logger.info("goodbye_not_heard", problem=_words(error))

    def _tell(self, problem: str) -> None:
        """Log a problem once: the tries after it are silent until it is over, or another."""
        if problem != self._problem:
            self._logger.warning("host_not_announced", problem=problem, trying_again=True)
        self._problem = problem

    def _retry_seconds(self, tries: int) -> float:
        # Hardly longer than between two announcements: a registry that is back soon knows the host again.
        longest = min(_LONGEST_RETRY_SECONDS, max(_FIRST_RETRY_SECONDS, self._lease.total_seconds() * _SHARE_OF_LEASE))
        ceiling = min(_FIRST_RETRY_SECONDS * 2 ** min(tries, _MOST_DOUBLINGS), longest)
        return self._rng.uniform(ceiling / 2, ceiling)


def announcement_of(settings: HostSettings, host_uid: str, port: int) -> Announcement | None:
    """Return the announcement that the settings ask for; None if they ask for none.

    Args:
        settings: Of the host.
        host_uid: Its identity.
        port: Where its server listens.
    """
    if not settings.announce_to:
        return None
    return Announcement(
        settings.announce_to,
        name=settings.announce_as or settings.display_name,
        bind=(settings.bind, port),
        address=settings.announce_address,
        host_uid=host_uid,
        lease=timedelta(seconds=settings.announce_lease_seconds),
        rng=random.Random(host_uid),
    )


def own_address(bind: tuple[str, int], registry: str) -> str:
    """Return the address at which a server can be reached from where the operations service is.

    A server that listens on every address is announced at the one that this machine uses towards the operations
    service. Nothing is sent to find it out; names are resolved, so call it in a thread.

    Args:
        bind: Address and port that the server listens on.
        registry: HOST:PORT of the operations service.

    Raises:
        OSError: The operations service's name has no address, or there is no way to it.
    """
    host, port = bind[0].strip("[]"), bind[1]
    if host in _EVERY_ADDRESS:
        name, _, registry_port = registry.rpartition(":")
        found = socket.getaddrinfo(name.strip("[]"), int(registry_port), type=socket.SOCK_DGRAM)
        family, kind, protocol, _, target = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(target)
            host = str(probe.getsockname()[0])
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _stub(channel: grpc.aio.Channel) -> "operations_pb2_grpc.OperationsServiceAsyncStub":
    # Type checkers know stubs for asyncio as classes of their own; at run time there is one class for both.
    return cast("operations_pb2_grpc.OperationsServiceAsyncStub", operations_pb2_grpc.OperationsServiceStub(channel))


def _words(error: grpc.aio.AioRpcError) -> str:
    if error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
        return "the operations service does not answer"
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return "what answers there is no operations service, or an old one"
    status = status_of_call(error)
    return status.message if status is not None else error.code().name
