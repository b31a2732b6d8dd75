"""A host that is followed at another address, or turns out to be another one, while it is being polled."""

import asyncio
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ktrdr.host.v1.host_pb2 import GetStatusResponse, Host

from services.common.clock import SystemClock
from services.operations.demand import Demand
from services.operations.followed_host import FollowedHost
from services.operations.following import Following
from services.operations.host_address import HostAddress
from services.operations.host_errors import HostCallError
from services.operations.hosts import Hosts
from services.operations.intake import Taken
from services.operations.loop_load import LoopLoad
from services.operations.pacing import Intervals, Pacing
from services.operations.poller import HostPoller
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock

INTERVALS = Intervals(watched=0.001, shortest=600.0, longest=600.0)


class Source:
    """Answers as soon as it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def get_status(self, *_arguments: object, **_more: object) -> GetStatusResponse:
        self.asked += 1
        await self.may_answer.wait()
        return GetStatusResponse(host=Host(host_uid="uid"), next_cursor=b"c", snapshot_complete=True)


class Intake:
    """Takes answers in as soon as it may; those that are said to are found to be too late."""

    def __init__(self, late: int = 0) -> None:
        self.late = late
        self.begun = 0
        self.taken = 0
        self.may_take = asyncio.Event()
        self.may_take.set()

    async def take(self, *_arguments: object, **_more: object) -> Taken:
        self.begun += 1
        await self.may_take.wait()
        self.taken += 1
        self.late -= 1
        return Taken(changed=False, more=self.late >= 0)


class Polling:
    """A poller with what it tells.

    Args:
        source: Where it asks.
        intake: Takes answers in.
        after: The poller that this one takes the place of.
        stretch: How busy the event loop is.
    """

    def __init__(self, source: Source, intake: Intake, after: "Polling | None" = None, *, stretch: float = 1.0) -> None:
        self.told: list[Taken | None] = []
        self.host = FollowedHost("gpu", "a:1", 20.0)
        load = LoopLoad(SystemClock())
        load.stretch = stretch
        self.poller = HostPoller(
            self.host,
            source,
            intake,  # type: ignore[arg-type]  # has the one method that is called
            Pacing(INTERVALS, random.Random(1)),
            Demand(),
            SystemClock(),
            load=load,
            wait_seconds=600.0,
            identify=lambda _host, _host_uid: False,
            told=lambda _host, taken: self.told.append(taken),
        )
        self.task: asyncio.Task[None] = asyncio.create_task(self.poller.run(0.0, after.task if after else None))

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_an_answer_is_taken_in_to_its_end_when_the_polling_ends_meanwhile() -> None:
    intake = Intake()
    intake.may_take.clear()
    polling = Polling(Source(), intake)
    await eventually(lambda: intake.begun == 1)
    ending = asyncio.create_task(polling.end())
    await asyncio.sleep(0.01)
    assert not ending.done()
    intake.may_take.set()
    await ending
    assert polling.told == [Taken(changed=False)]


async def test_a_poller_waits_for_the_one_before_it_to_have_taken_in_its_answer() -> None:
    intake, source = Intake(), Source()
    intake.may_take.clear()
    first = Polling(Source(), intake)
    await eventually(lambda: intake.begun == 1)
    first.task.cancel()
    second = Polling(source, intake, after=first)
    await asyncio.sleep(0.01)
    assert source.asked == 0
    intake.may_take.set()
    await eventually(lambda: intake.taken == 2)
    assert first.task.done()
    await second.end()


async def test_who_waits_for_a_poller_that_ends_is_told_at_once() -> None:
    source, intake = Source(), Intake()
    polling = Polling(source, intake)
    await eventually(lambda: intake.taken == 1)
    source.may_answer.clear()
    asked = asyncio.create_task(polling.poller.refresh())  # is being asked for
    await eventually(lambda: source.asked == 2)
    waits = asyncio.create_task(polling.poller.refresh())  # waits for the next question
    await asyncio.sleep(0.01)
    await polling.end()
    for refresh in (asked, waits):
        with pytest.raises(HostCallError, match="gpu is not followed at a:1 any more"):
            await asyncio.wait_for(refresh, 60)


async def test_a_refresh_is_not_over_with_an_answer_that_came_too_late_to_be_taken_in() -> None:
    source, intake = Source(), Intake()
    polling = Polling(source, intake)
    await eventually(lambda: intake.taken == 1)
    intake.late = 2
    await asyncio.wait_for(polling.poller.refresh(), 60)
    assert intake.taken == 4
    await polling.end()


class Heard:
    """Stands for whatever is told of hosts that come up, and counts how often."""

    def __init__(self) -> None:
        self.identities = 0
        self.tries = 0
        self.verified = 0

    def identities_changed(self) -> None:
        self.identities += 1

    def try_again(self) -> None:
        self.tries += 1

    def begin(self, _host: FollowedHost) -> None:
        self.verified += 1


def follow(heard: Any, clock: FakeClock) -> tuple[Hosts, Callable[[FollowedHost, str], bool], Callable[..., None]]:
    hosts = Hosts([HostAddress("gpu", "a:1")], {}, Any, clock, expected_seconds=20.0)  # type: ignore[arg-type]  # stores nothing
    following = Following(
        hosts,
        Any,  # type: ignore[arg-type]  # nobody is asked here
        SimpleNamespace(live={}),  # type: ignore[arg-type]  # no operations
        Any,  # type: ignore[arg-type]  # no answers are taken in here
        heard,
        heard,
        heard,
        Demand(),
        clock,
        random.Random(1),
        intervals=INTERVALS,
        wait_seconds=10.0,
    )
    return hosts, following._identify, following._told


async def test_a_host_that_turns_out_to_be_another_one_comes_up_once_its_answer_is_taken_in() -> None:
    heard, clock = Heard(), FakeClock()
    hosts, identify, told = follow(heard, clock)
    host = hosts.get("gpu")
    for host_uid in ("first", "second"):
        identify(host, host_uid)
        before = heard.identities  # whoever looks now sees a host that has been silent for too long
        host.last_success = clock.monotonic()
        told(host, Taken(changed=True))
        assert heard.identities == before + 1
        assert heard.tries == heard.verified == (1 if host_uid == "first" else 2)
        told(host, Taken(changed=True))
        assert heard.identities == before + 1


async def test_a_host_that_nobody_has_heard_of_for_too_long_comes_up_although_no_question_to_it_has_failed() -> None:
    heard, clock = Heard(), FakeClock()
    hosts, identify, told = follow(heard, clock)
    host = hosts.get("gpu")
    for tries, seconds in ((1, 0.0), (1, 20.0), (2, 60.0)):  # it is expected every 20 s
        clock.advance(seconds)
        identify(host, "uid")
        host.last_success = clock.monotonic()
        told(host, Taken(changed=False))
        assert (heard.tries, heard.verified) == (tries, tries)


async def test_a_pause_is_never_longer_than_configured_however_busy_the_registry_is() -> None:
    source, intake = Source(), Intake()
    polling = Polling(source, intake, stretch=5.0)
    await eventually(lambda: polling.told)
    await eventually(lambda: polling.host.pause_seconds)
    assert polling.host.pause_seconds == INTERVALS.longest
    await polling.end()
