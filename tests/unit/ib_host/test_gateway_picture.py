"""What is known of a gateway, and how it is told."""

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ktrdr.ib.v1 import bars_pb2, ib_pb2
from pydantic import ValidationError

from services.ib_host.connection.address import GatewayAddress
from services.ib_host.connection.backoff import Backoff
from services.ib_host.connection.notices import Farm, Link, farm_told, link_told
from services.ib_host.connection.picture import source_of
from services.ib_host.gateway_view import gateway_response, gateway_summary
from services.ib_host.pacing.picture import PacingPicture, WindowPicture
from services.ib_host.settings import IbHostSettings
from tests.support.pictures import picture

IDLE = PacingPicture(
    windows=(WindowPicture("short bars in 10 min", 3, 60, 600.0), WindowPicture("open requests", 1, 50, None)),
    pause_seconds=0.0,
    slowdown=1,
    waiting=0,
    violations=0,
)


@pytest.mark.parametrize(
    ("accounts", "source"),
    [
        (["REPLAY1"], bars_pb2.SOURCE_REPLAY),
        (["replay-test"], bars_pb2.SOURCE_REPLAY),
        (["DU123456"], bars_pb2.SOURCE_IB),
        (["U1", "REPLAY2"], bars_pb2.SOURCE_REPLAY),
    ],
)
def test_the_accounts_tell_recorded_from_real(accounts: list[str], source: bars_pb2.Source.ValueType) -> None:
    assert source_of(accounts) == source


RESET = "IB resets its North American servers until 01:45 EST"
LOGIN = "IB ended last week's logins on Sunday 01:00 EST"
AWAY = "gateway 127.0.0.1:4002 does not answer; trying again in 4 s"
CUT_OFF = "gateway 127.0.0.1:4002 has lost its connection to IB"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"link": Link.UP}, ""),
        ({"link": Link.UP, "reset": RESET}, ""),
        ({"link": Link.CONNECTING, "retry_in": timedelta(seconds=4.2)}, AWAY),
        ({"link": Link.CONNECTING, "retry_in": timedelta(seconds=4.2), "reset": RESET}, f"{RESET}; {AWAY}"),
        ({"link": Link.CONNECTING, "retry_in": timedelta(seconds=4.2), "login": LOGIN}, f"{LOGIN}; {AWAY}"),
        ({"link": Link.CONNECTING}, "connecting to gateway 127.0.0.1:4002"),
        ({"link": Link.IB_DOWN}, f"{CUT_OFF}; going on when it is back"),
        ({"link": Link.IB_DOWN, "reset": RESET}, f"{RESET}; going on when it is back"),
        ({"link": Link.IB_DOWN, "login": LOGIN}, f"{CUT_OFF}: {LOGIN}; log in there"),
    ],
)
def test_waiting_is_told_in_words(changes: dict[str, Any], text: str) -> None:
    assert picture(**changes).waiting_text == text


def test_what_explains_failures_is_told_of_the_farms_that_they_need() -> None:
    broken = Farm("ushmds", "history", ok=False, message="broken")
    assert picture(farms=[broken]).outage("history") == "IB's data farm ushmds is broken; going on when it is back"
    assert picture(farms=[broken]).outage("contracts") == ""
    assert picture(farms=[broken], reset=RESET).outage("history") == f"{RESET}; going on when it is back"
    assert picture(reset=RESET).outage("history") == f"{RESET}; going on when it is back"
    assert picture(link=Link.IB_DOWN).outage("history") == f"{CUT_OFF}; going on when it is back"
    assert picture().outage("history") == ""


def test_the_summary_says_replay() -> None:
    summary = gateway_summary(picture(source=bars_pb2.SOURCE_REPLAY))
    assert (summary.connected, summary.replay, summary.state) == (True, True, "connected (REPLAY)")
    assert not gateway_summary(picture(link=Link.IB_DOWN)).connected


@pytest.mark.parametrize("link", list(Link))
def test_every_link_has_its_value_on_the_wire(link: Link) -> None:
    known = picture(link=link, retry_in=timedelta(seconds=1.5), failures=2, open_requests=3, reset=RESET)
    response = gateway_response(known, pacing=IDLE, library="ib_insync 0.9.86")
    assert response.link != ib_pb2.GetGatewayResponse.LINK_UNSPECIFIED
    assert response.retry_in.ToTimedelta() == timedelta(seconds=1.5)
    assert (response.consecutive_failures, response.open_requests) == (2, 3)
    assert (response.reset, response.library, response.socket_open) == (RESET, "ib_insync 0.9.86", False)


def test_pacing_is_told_as_it_stands() -> None:
    busy = replace(IDLE, pause_seconds=15.0, slowdown=2, waiting=312, violations=1)
    pacing = gateway_response(picture(), pacing=busy, library="").pacing
    assert pacing.pause.ToTimedelta() == timedelta(seconds=15)
    assert (pacing.slowdown, pacing.waiting, pacing.violations) == (2.0, 312, 1)
    assert [(window.name, window.used, window.limit) for window in pacing.windows] == [
        ("short bars in 10 min", 3, 60), ("open requests", 1, 50),
    ]  # fmt: skip
    assert pacing.windows[0].length.ToTimedelta() == timedelta(minutes=10)
    assert not pacing.windows[1].HasField("length")


@pytest.mark.parametrize(
    ("code", "text", "farm"),
    [
        (2104, "Market data farm connection is OK:usfarm.nj", ("usfarm.nj", "market", True)),
        (2103, "Market data farm connection is broken:usfarm", ("usfarm", "market", False)),
        (2106, "HMDS data farm connection is OK:ushmds", ("ushmds", "history", True)),
        (2105, "HMDS data farm connection is broken:ushmds", ("ushmds", "history", False)),
        (
            2107,
            "HMDS data farm connection is inactive but should be available upon demand.ushmds",
            ("ushmds", "history", True),
        ),
        (2108, "Market data farm connection is inactive", ("market", "market", True)),
        (2157, "Sec-def data farm connection is broken:secdefil", ("secdefil", "contracts", False)),
        (2158, "Sec-def data farm connection is OK:secdefil", ("secdefil", "contracts", True)),
    ],
)  # fmt: skip
def test_notices_about_farms(code: int, text: str, farm: tuple[str, str, bool]) -> None:
    told = farm_told(code, text)
    assert told is not None
    assert (told.name, told.kind, told.ok) == farm


def test_notices_about_the_link() -> None:
    assert [link_told(code) for code in (1100, 2110, 1101, 1102, 2104)] == [
        Link.IB_DOWN, Link.IB_DOWN, Link.UP, Link.UP, None,
    ]  # fmt: skip
    assert farm_told(1100, "Connectivity lost") is None


@given(st.integers(1, 1_000), st.integers(0, 1_000))
def test_delays_stay_between_a_second_and_a_minute(failures: int, seed: int) -> None:
    assert 1.0 <= Backoff(random=Random(seed)).delay_seconds(failures) <= 60.0


def test_delays_grow_and_are_spread() -> None:
    backoff = Backoff(random=Random(1))
    delays = [backoff.delay_seconds(failures) for failures in range(1, 9)]
    assert delays == sorted(delays)
    assert len({Backoff(random=Random(seed)).delay_seconds(4) for seed in range(10)}) == 10


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:4002", ("127.0.0.1", 4002)), ("gw.local:1", ("gw.local", 1)), ("[::1]:4001", ("::1", 4001))],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    parsed = GatewayAddress.parse(text)
    assert parsed == address
    assert str(parsed) == text


@pytest.mark.parametrize("text", ["", "localhost", ":4002", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:0", "h:70000"])
def test_a_wrong_address_is_refused_by_the_settings_with_the_fields_name(text: str) -> None:
    with pytest.raises(ValidationError, match=r"gateway\n.*HOST:PORT"):
        IbHostSettings(gateway=text)
