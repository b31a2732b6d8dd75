"""How often a load asks again, and what it says meanwhile."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest

from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.connection.notices import Farm
from services.ib_host.connection.picture import GatewayPicture
from services.ib_host.loading.persistence import Persistence, RetryPolicy
from services.ib_host.requests.failures import FailureKind, GatewayFailure
from tests.support.paced_requests import JumpingClock
from tests.support.pictures import picture

RESET = "IB resets its North American servers until 01:45 EST"
BROKEN = Farm("ushmds", "history", ok=False, message="broken")
POLICY = RetryPolicy(competing_patience=timedelta(minutes=10))


class Connection:
    """Stands as it is told to."""

    def __init__(self, clock: JumpingClock, **changes: Any) -> None:
        self._clock = clock
        self._picture = picture(**changes)
        self.well_at = float("inf")

    @property
    def picture(self) -> GatewayPicture:
        """The picture that was given, until all is well."""
        return picture() if self._clock.monotonic() >= self.well_at else self._picture

    async def wait_until_up(self, told: Callable[[str], None]) -> None:
        """Be up."""


class Asking:
    """Asks once, of a gateway that fails so many times in one way."""

    def __init__(self, kind: FailureKind, times: int, **changes: Any) -> None:
        self.clock = JumpingClock()
        self.connection = Connection(self.clock, **changes)
        self.told: list[str] = []
        self.tries = 0
        self._kind = kind
        self._times = times

    async def ask(self, **options: Any) -> str:
        """Return the answer, and when it came."""
        persistence = Persistence(cast("GatewayConnection", self.connection), self.clock, POLICY)
        asking = asyncio.ensure_future(persistence.ask(self._request, farm="history", told=self.told.append, **options))
        await self.clock.run(asking)
        return await asking

    async def _request(self) -> str:
        self.tries += 1
        if self.tries <= self._times:
            raise GatewayFailure(self._kind, "as IB put it", code=162)
        return f"answered after {self.clock.monotonic():g} s"


@pytest.mark.parametrize(
    "kind",
    [
        FailureKind.PACING,
        FailureKind.SERVICE_TROUBLE,
        FailureKind.QUERY_LOST,
        FailureKind.TIMEOUT,
        FailureKind.STREAM_BROKEN,
    ],
)
async def test_what_may_pass_is_asked_three_times_more(kind: FailureKind) -> None:
    assert await Asking(kind, 3).ask() == "answered after 42 s"
    failing = Asking(kind, 4)
    with pytest.raises(GatewayFailure):
        await failing.ask()
    assert failing.tries == 4
    assert failing.told[:2] == ["", "IB says: as IB put it (code 162); trying again in 2 s"]


@pytest.mark.parametrize(
    "kind",
    [
        FailureKind.NO_DATA,
        FailureKind.NO_PERMISSION,
        FailureKind.REFUSED,
        FailureKind.INVALID_STEP,
        FailureKind.AMBIGUOUS_INSTRUMENT,
    ],
)
async def test_what_cannot_pass_is_final(kind: FailureKind) -> None:
    for changes in ({}, {"farms": [BROKEN]}, {"reset": RESET}):
        asking = Asking(kind, 1, **changes)
        with pytest.raises(GatewayFailure):
            await asking.ask()
        assert asking.tries == 1


async def test_what_is_unknown_is_asked_for_once_more() -> None:
    assert await Asking(FailureKind.UNKNOWN_INSTRUMENT, 1).ask() == "answered after 2 s"
    failing = Asking(FailureKind.UNKNOWN_INSTRUMENT, 2)
    with pytest.raises(GatewayFailure):
        await failing.ask()
    assert failing.tries == 2


async def test_a_gateway_that_loses_ib_is_asked_again_for_ever() -> None:
    assert await Asking(FailureKind.LINK_LOST, 500).ask() == "answered after 500 s"


async def test_a_request_that_loses_the_connection_each_time_is_given_up() -> None:
    # 1, 2, 4, 8 and 16 s, then every 30 s.
    assert await Asking(FailureKind.DISCONNECTED, 20).ask() == f"answered after {31 + 15 * 30:g} s"
    failing = Asking(FailureKind.DISCONNECTED, 10**6)
    with pytest.raises(GatewayFailure):
        await failing.ask()
    assert failing.tries == 21
    impatient = Asking(FailureKind.DISCONNECTED, 10**6)
    with pytest.raises(GatewayFailure):
        await impatient.ask(leave={FailureKind.DISCONNECTED})
    assert impatient.tries == 4


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"reset": RESET}, f"{RESET}; going on when it is back"),
        ({"farms": [BROKEN]}, "IB's data farm ushmds is broken; going on when it is back"),
    ],
)
@pytest.mark.parametrize("kind", [FailureKind.SERVICE_TROUBLE, FailureKind.TIMEOUT])
async def test_no_load_fails_for_a_reset_or_a_broken_farm(
    kind: FailureKind, changes: dict[str, Any], reason: str
) -> None:
    asking = Asking(kind, 200, **changes)
    # 1, 2, 4, 8 and 16 s, then every 30 s: it is waited for, but not hammered at.
    assert await asking.ask(leave={kind}) == f"answered after {31 + 195 * 30:g} s"
    assert set(asking.told) == {"", reason}


async def test_it_goes_on_soon_after_the_end_of_an_outage() -> None:
    asking = Asking(FailureKind.SERVICE_TROUBLE, 7, farms=[BROKEN])
    # Six tries fail by 31 s, and the seventh at 61 s; at 70 s the farm is well.
    asking.connection.well_at = 70.0
    assert await asking.ask() == "answered after 70 s"


async def test_another_login_is_waited_for_slowly_as_long_as_patience_lasts() -> None:
    assert await Asking(FailureKind.COMPETING_SESSION, 19).ask() == "answered after 570 s"
    failing = Asking(FailureKind.COMPETING_SESSION, 100)
    with pytest.raises(GatewayFailure) as failed:
        await failing.ask()
    assert (failed.value.kind, failing.clock.monotonic()) == (FailureKind.COMPETING_SESSION, 600.0)
    assert failing.told[1].startswith("another login of the same account takes IB's data: log out there")


async def test_what_is_left_to_the_caller_is_raised_at_once() -> None:
    asking = Asking(FailureKind.TIMEOUT, 1)
    with pytest.raises(GatewayFailure):
        await asking.ask(leave={FailureKind.TIMEOUT})
    assert asking.tries == 1
