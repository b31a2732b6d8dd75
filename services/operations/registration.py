"""Hosts that announce themselves: followed for as long as their lease lasts."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Protocol

import structlog
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.common.errors import FieldViolation, ServiceError
from services.common.timestamps import to_duration
from services.operations.announced_host import LONGEST_LEASE, AnnouncedHost, checked_announcement
from services.operations.followed_host import REGISTERED, FollowedHost, owner_of
from services.operations.host_unit import HostUnit
from services.operations.hosts import Hosts
from services.operations.operation_state import Delivery, microseconds
from services.operations.registry import Registry
from services.operations.store_reader import StoredHost

_LOOK_EVERY_SECONDS: Final = 1.0
_KEPT_AFTER_LEASE: Final = timedelta(days=90)
_LONGEST_LEASE_SECONDS: Final = LONGEST_LEASE.total_seconds()
_UP: Final = pb.HostRecord.State.STATE_UP


class Follower(Protocol):
    """Follows hosts."""

    def follow(self, host: FollowedHost) -> None:
        """Begin to follow a host, or follow it at its new address."""

    def unfollow(self, host: FollowedHost) -> None:
        """Follow a host no longer."""


class Registration:
    """Registers hosts, and lets them go when their lease is over and nothing of theirs is at work.

    Args:
        hosts: All hosts.
        registry: The operations.
        follower: Follows them.
        clock: The time.
    """

    def __init__(self, hosts: Hosts, registry: Registry, follower: Follower, clock: Clock) -> None:
        self._hosts = hosts
        self._registry = registry
        self._follower = follower
        self._clock = clock
        self._past: dict[str, FollowedHost] = {}
        self._task: asyncio.Task[None] | None = None
        self._logger = structlog.get_logger()

    async def register(self, request: pb.RegisterHostRequest) -> pb.RegisterHostResponse:
        """Follow a host from now on, or go on to. Durable when this returns.

        Raises:
            ServiceError: INVALID_REQUEST, HOST_NAME_TAKEN, or the store did not take it.
        """
        wish = checked_announcement(request)
        host, renamed = self._host_of(wish)
        if host.source == REGISTERED:
            now = self._clock.now()
            host.lease_us = microseconds(now + wish.lease)
            host.lease_until = self._clock.monotonic() + wish.lease.total_seconds()
            await self._registry.commits.commit(HostUnit(host, removed=[renamed] if renamed else ()))
        record = host.record(self._clock.monotonic())
        return pb.RegisterHostResponse(host=record, lease=to_duration(wish.lease))

    async def unregister(self, name: str) -> None:
        """Follow a registered host no longer. Durable when this returns.

        Raises:
            ServiceError: HOST_NOT_FOUND; WRONG_STATE for a configured one; the store did not take it.
        """
        host = self._hosts.get(name)
        if host.source != REGISTERED:
            detail = f"The configuration of the operations service names {name} (--host): take it out there."
            raise ServiceError(ErrorReason.ERROR_REASON_WRONG_STATE, state="CONFIGURED", detail=detail)
        self._logger.info("host_unregistered", host=name, address=host.address)
        host.lease_us = microseconds(self._clock.now())
        host.lease_until = self._clock.monotonic()
        self._let_go(host)
        await self._registry.commits.commit(HostUnit(host))

    async def restore(self, stored: Mapping[str, StoredHost]) -> None:
        """Take up the registered hosts that the store knows: those with a lease, and those with operations at work.

        Args:
            stored: What the store knows, by name; what was registered long ago goes.

        Raises:
            ServiceError: The store did not take it.
        """
        now_us = microseconds(self._clock.now())
        for name, known in stored.items():
            if name in self._hosts.by_name or not known.address:
                continue
            host = FollowedHost.restored(name, known, self._hosts.expected_seconds)
            # Of a host that was taken out of the configuration only the memory is left, should it announce itself.
            left = min(max(0.0, (known.lease_us - now_us) / 1e6) if known.lease_us else 0.0, _LONGEST_LEASE_SECONDS)
            host.lease_until = self._clock.monotonic() + left
            twice = known.host_uid and self._hosts.of(known.host_uid) is not None
            if known.lease_us and not twice and (left or self._with_work({name: host})):
                self._hosts.add(host)
            else:
                self._past[name] = host
        oldest = now_us - _KEPT_AFTER_LEASE // timedelta(microseconds=1)
        old = {name for name, known in stored.items() if known.lease_us is not None and known.lease_us < oldest}
        if gone := sorted(old - self._hosts.by_name.keys()):
            await self._registry.commits.commit(HostUnit(None, removed=gone))

    def start(self) -> None:
        """Begin to let hosts go whose lease is over."""
        self._task = asyncio.create_task(self._run(), name="leases")

    async def close(self) -> None:
        """Let no more hosts go."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            now = self._clock.monotonic()
            over = [each for each in self._hosts.by_name.values() if each.is_lease_over(now)]
            at_work = self._with_work(self._hosts.by_name) if over else set()
            for host in over:
                if host.name not in at_work:
                    self._logger.warning("host_lease_over", host=host.name, address=host.address)
                    self._let_go(host)
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def _host_of(self, wish: AnnouncedHost) -> tuple[FollowedHost, str]:
        """Return the host that an announcement is about, followed as it says, and the name that it had before, if any.

        Raises:
            ServiceError: HOST_NAME_TAKEN.
        """
        named, same = self._hosts.by_name.get(wish.name), self._hosts.of(wish.host_uid)
        if named is not None and named.source != REGISTERED:
            self._check_configured(named, wish)
            return named, ""
        if same is not None and same.source != REGISTERED:
            return same, ""  # configuration has another name for it, and decides
        if named is not None and named is not same and self._is_another(named, wish):
            raise _taken(named, wish)
        if same is not None and same.address != wish.address and self._answers(same):
            raise _copied(same)
        renamed = ""
        if same is not None and same is not named:
            self._logger.info("host_renamed", host=wish.name, before=same.name, host_uid=wish.host_uid)
            renamed = same.name
            self._let_go(same)
            self._past.pop(same.name)
        if named is None:
            return self._follow_new(wish, before=same or self._past.pop(wish.name, None)), renamed
        self._follow_as_told(named, wish)
        return named, renamed

    def _check_configured(self, named: FollowedHost, wish: AnnouncedHost) -> None:
        """Let a configured host announce itself: it is followed where the configuration says.

        Raises:
            ServiceError: It is another host.
        """
        known = bool(wish.host_uid and named.host_uid)
        if wish.host_uid != named.host_uid if known else wish.address != named.address:
            raise _taken(named, wish)

    def _is_another(self, named: FollowedHost, wish: AnnouncedHost) -> bool:
        """Tell whether a name belongs to another host than the one that wants it, and is still in use."""
        if wish.address == named.address:
            return False  # one address is one host: it was wiped, or replaced
        now = self._clock.monotonic()
        answers = self._answers(named)
        if wish.host_uid and named.host_uid:
            return wish.host_uid != named.host_uid and (answers or not named.is_lease_over(now))
        return answers

    def _answers(self, host: FollowedHost) -> bool:
        return not host.failures and host.state(self._clock.monotonic()) == _UP

    def _follow_new(self, wish: AnnouncedHost, before: FollowedHost | None) -> FollowedHost:
        host = FollowedHost(wish.name, wish.address, self._hosts.expected_seconds, source=REGISTERED)
        if before is not None:
            host.draining = before.draining
            # Under another name everything is read anew, so that all its operations are told with that.
            if before.name == wish.name and before.host_uid == wish.host_uid:
                host.kind, host.reading = before.kind, before.reading
        host.host_uid = host.announced_uid = wish.host_uid
        self._logger.info("host_registered", host=host.name, address=host.address, host_uid=host.host_uid)
        self._hosts.add(host)
        self._follower.follow(host)
        return host

    def _follow_as_told(self, host: FollowedHost, wish: AnnouncedHost) -> None:
        host.announced_uid = wish.host_uid
        if wish.host_uid and wish.host_uid != host.host_uid:
            self._logger.info("host_replaced", host=host.name, before=host.host_uid, host_uid=wish.host_uid)
            self._hosts.disown(host)
            host.host_uid = wish.host_uid
        if wish.address != host.address:
            self._logger.info("host_moved", host=host.name, before=host.address, address=wish.address)
            host.address = wish.address
            self._follower.follow(host)

    def _let_go(self, host: FollowedHost) -> None:
        self._past[host.name] = host
        self._hosts.remove(host)
        self._follower.unfollow(host)

    def _with_work(self, hosts: Mapping[str, FollowedHost]) -> set[str]:
        """Return the names of those of these hosts that operations at work belong to."""
        states = [each.state for each in self._registry.live.values() if each.state.delivery is not Delivery.NEW]
        return {host.name for state in states if (host := owner_of(hosts, state)) is not None}


def _copied(same: FollowedHost) -> ServiceError:
    description = (
        f"{same.name} has this identity, and answers at {same.address}; if there are two hosts, the folder of one is a "
        "copy: remove host.json from it"
    )
    fields = [FieldViolation("host_uid", description)]
    return ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=fields)


def _taken(named: FollowedHost, wish: AnnouncedHost) -> ServiceError:
    who = "is configured" if named.source != REGISTERED else "was registered"
    identity = f" ({named.host_uid})" if named.host_uid else ""
    detail = f"{named.name} {who} at {named.address}{identity}; {wish} wants the name, too."
    return ServiceError(
        ErrorReason.ERROR_REASON_HOST_NAME_TAKEN,
        host=named.name,
        address=named.address,
        host_uid=named.host_uid,
        detail=detail,
    )
