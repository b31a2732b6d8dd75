"""IB's limits: which requests are too many, in windows of any scale."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ib_host.replay.messages import Inbound
from services.ib_host.replay.pacing.engine import PacingEngine, PacingRule
from services.ib_host.replay.pacing.limits import PacingLimits, PacingMode
from tests.support.fake_clock import FakeClock

HISTORY = int(Inbound.HISTORICAL_DATA)


class Asking:
    """A client whose messages an engine counts, by a clock that the test moves."""

    def __init__(self, mode: PacingMode = PacingMode.IB, *, messages: int | None = None, scale: float = 1.0) -> None:
        self.clock = FakeClock()
        limits = PacingLimits(scale=scale)
        self.engine = PacingEngine(mode, limits, clock=self.clock, most_messages=messages)
        self.client = self.engine.new_client()

    def ask(
        self, *, end: str = "", symbol: str = "AAPL", size: str = "5 secs", what: str = "TRADES", open_queries: int = 0
    ) -> PacingRule | None:
        contract = ("0", symbol, "STK", "", "0", "", "", "SMART", "", "USD", "", "")
        fields = ("20", "7", *contract, "0", end, size, "3600 S", "1", what, "2", "0", "")
        refusal = self.client.check(HISTORY, fields, 7, open_queries=open_queries)
        return refusal.rule if refusal else None

    def ask_many(self, count: int, **what: Any) -> list[PacingRule | None]:
        return [self.ask(end=f"{what}{number}", **what) for number in range(count)]


def test_the_same_request_again_is_a_violation_for_fifteen_seconds() -> None:
    asking = Asking()
    assert asking.ask() is None
    asking.clock.advance(14.5)
    assert asking.ask() is PacingRule.IDENTICAL
    asking.clock.advance(14.5)
    assert asking.ask() is PacingRule.IDENTICAL  # what was refused counts, too
    asking.clock.advance(15)
    assert asking.ask() is None
    assert asking.engine.violations == {PacingRule.IDENTICAL: 2}
    assert asking.engine.peaks[PacingRule.IDENTICAL] == 2


def test_the_sixth_request_for_one_series_within_two_seconds_is_a_violation() -> None:
    asking = Asking()
    assert asking.ask_many(5) == [None] * 5
    assert asking.ask_many(5, symbol="MSFT") == [None] * 5
    assert asking.ask_many(5, what="BID") == [None] * 5
    assert asking.ask(end="6") is PacingRule.CONTRACT
    asking.clock.advance(2)
    assert asking.ask(end="7") is None


def test_bid_ask_counts_twice() -> None:
    asking = Asking()
    assert asking.ask_many(3, what="BID_ASK") == [None, None, PacingRule.CONTRACT]
    assert asking.engine.peaks[PacingRule.ALL] == 6


def test_the_sixty_first_request_within_ten_minutes_is_a_violation() -> None:
    asking = Asking(scale=0.01)
    for number in range(60):
        assert asking.ask(end=str(number)) is None
        asking.clock.advance(0.09)
    assert asking.ask(end="61") is PacingRule.ALL
    asking.clock.advance(6)
    assert asking.ask(end="62") is None
    assert asking.engine.peaks[PacingRule.ALL] == 61


@pytest.mark.parametrize(("mode", "refused"), [("off", False), ("ib", False), ("strict", True)])
def test_longer_bars_are_free_but_in_strict_mode(mode: str, refused: bool) -> None:
    asking = Asking(PacingMode(mode))
    answers = [asking.ask(size="1 min") for _ in range(3)]
    assert answers == ([None, *[PacingRule.IDENTICAL] * 2] if refused else [None] * 3)


def test_more_than_fifty_open_requests_are_refused_whatever_their_bars() -> None:
    asking = Asking()
    assert asking.ask(size="1 day", open_queries=49) is None
    assert asking.ask(size="1 day", open_queries=50) is PacingRule.OPEN
    assert asking.engine.peaks[PacingRule.OPEN] == 51
    off = Asking(PacingMode.OFF)
    assert off.ask(open_queries=1000) is None
    assert (off.engine.violations, off.engine.peaks[PacingRule.OPEN]) == ({}, 1001)


def test_the_third_strike_for_too_many_messages_ends_the_connection() -> None:
    asking = Asking(messages=50)
    check = asking.client.check
    refusals = [check(49, ("49", "1"), -1, open_queries=0) for _ in range(53)]
    assert refusals[:50] == [None] * 50
    assert [(one.code, one.request_id, one.ends_connection) for one in refusals[50:] if one] == [
        (100, -1, False), (100, -1, False), (100, -1, True),
    ]  # fmt: skip
    assert refusals[-1] is not None
    assert refusals[-1].text == "Max rate of messages per second has been exceeded:max=50 rec=53 (3)"
    asking.clock.advance(1)
    assert check(49, ("49", "1"), -1, open_queries=0) is None
    assert asking.engine.new_client().check(49, ("49", "1"), -1, open_queries=0) is None


@given(
    st.lists(st.tuples(st.sampled_from(["AAPL", "MSFT"]), st.integers(0, 3), st.sampled_from([0, 0.5, 5])), max_size=99)
)
def test_windows_hold_what_came_in_their_time(asked: Sequence[tuple[str, int, float]]) -> None:
    asking, moments = Asking(), list[tuple[float, str, int]]()
    for symbol, end, wait in asked:
        asking.clock.advance(wait)
        now = asking.clock.monotonic()
        moments.append((now, symbol, end))
        rule = asking.ask(symbol=symbol, end=str(end))
        same = sum(now - at < 15 and (one, two) == (symbol, end) for at, one, two in moments)
        series = sum(now - at < 2 and one == symbol for at, one, _ in moments)
        in_all = sum(now - at < 600 for at, _, _ in moments)
        expected = (
            PacingRule.IDENTICAL
            if same > 1
            else PacingRule.CONTRACT
            if series > 5
            else PacingRule.ALL
            if in_all > 60
            else None
        )
        assert rule is expected
