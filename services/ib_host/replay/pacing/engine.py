"""Tells which requests come too fast, and keeps count."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from services.common.clock import Clock
from services.ib_host.replay.errors import NOT_A_REQUEST, RequestRefused, message_rate, pacing_violation, too_many_open
from services.ib_host.replay.messages import Inbound
from services.ib_host.replay.pacing.limits import PacingLimits, PacingMode
from services.ib_host.replay.pacing.paced_request import PacedRequest
from services.ib_host.replay.pacing.window import KeyedWindows, SlidingWindow


class PacingRule(StrEnum):
    """One of IB's limits."""

    IDENTICAL = "identical"
    CONTRACT = "contract"
    ALL = "all"
    OPEN = "open"
    MESSAGES = "messages"


class Refusal(RequestRefused):
    """What a client that asks too fast gets to read.

    Args:
        rule: the limit that it broke.
        answer: code and text.
        request_id: of the request; -1 where the answer belongs to none.
        ends_connection: whether the client is left.
    """

    def __init__(
        self, rule: PacingRule, answer: RequestRefused, request_id: int, *, ends_connection: bool = False
    ) -> None:
        super().__init__(answer.code, answer.text)
        self.rule = rule
        self.request_id = request_id
        self.ends_connection = ends_connection


class PacingEngine:
    """The limits of one gateway. What is refused counts as much as what is answered.

    Args:
        mode: which requests for history are refused.
        limits: how fast may be asked.
        clock: by which it is measured.
        most_messages: of one client in a second; None for any number.

    Attributes:
        violations: how often each limit was broken.
        peaks: the most that each window has held; of windows with keys, the fullest.
    """

    def __init__(self, mode: PacingMode, limits: PacingLimits, *, clock: Clock, most_messages: int | None) -> None:
        self._mode = mode
        self._limits = limits
        self._clock = clock
        self._most_messages = most_messages
        self._identical = KeyedWindows(limits.window_seconds(limits.identical_seconds))
        self._contract = KeyedWindows(limits.window_seconds(limits.contract_seconds))
        self._all = SlidingWindow(limits.window_seconds(limits.all_seconds))
        self.violations: Counter[PacingRule] = Counter()
        self.peaks: dict[PacingRule, int] = dict.fromkeys(PacingRule, 0)

    def new_client(self) -> "ClientPacing":
        """Return what counts the messages of a client that has just connected."""
        return ClientPacing(self, SlidingWindow(self._limits.window_seconds(self._limits.messages_seconds)))

    def message(self, window: SlidingWindow, strikes: int) -> Refusal | None:
        """Count a message; return the answer to it where it is one too many."""
        count = self._peak(PacingRule.MESSAGES, window.add(self._clock.monotonic()))
        if self._most_messages is None or count <= self._most_messages:
            return None
        self.violations[PacingRule.MESSAGES] += 1
        answer = message_rate(most=self._most_messages, received=count, strike=strikes + 1)
        ends = strikes + 1 >= self._limits.strikes
        return Refusal(PacingRule.MESSAGES, answer, NOT_A_REQUEST, ends_connection=ends)

    def query(self, fields: Sequence[str], request_id: int, *, open_queries: int) -> Refusal | None:
        """Count a request for history; return the answer to it where it comes too fast.

        Args:
            fields: of the message.
            request_id: of the request.
            open_queries: how many requests of all clients wait for an answer, without this one.
        """
        rule = self._broken_rule(fields, self._peak(PacingRule.OPEN, open_queries + 1))
        if rule is None or self._mode is PacingMode.OFF:
            return None
        self.violations[rule] += 1
        if rule is PacingRule.OPEN:
            return Refusal(rule, too_many_open(self._limits.most_open), request_id)
        return Refusal(rule, pacing_violation(), request_id)

    def _broken_rule(self, fields: Sequence[str], open_queries: int) -> PacingRule | None:
        request, limits = PacedRequest.read(fields), self._limits
        too_many_open = open_queries > limits.most_open
        if request is None or not (request.short_bars or self._mode is PacingMode.STRICT):
            return PacingRule.OPEN if too_many_open else None
        now = self._clock.monotonic()
        identical = self._peak(PacingRule.IDENTICAL, self._identical.add(request.request, now))
        contract = self._peak(PacingRule.CONTRACT, self._contract.add(request.series, now, request.weight))
        in_all = self._peak(PacingRule.ALL, self._all.add(now, request.weight))
        if too_many_open:
            return PacingRule.OPEN
        if identical > 1:
            return PacingRule.IDENTICAL
        if contract > limits.most_of_contract:
            return PacingRule.CONTRACT
        return PacingRule.ALL if in_all > limits.most_in_all else None

    def _peak(self, rule: PacingRule, count: int) -> int:
        self.peaks[rule] = max(self.peaks[rule], count)
        return count


class ClientPacing:
    """The messages of one client.

    Args:
        engine: of its gateway.
        window: its messages of late.
    """

    def __init__(self, engine: PacingEngine, window: SlidingWindow) -> None:
        self._engine = engine
        self._window = window
        self._strikes = 0

    def check(self, message_id: int, fields: Sequence[str], request_id: int, *, open_queries: int) -> Refusal | None:
        """Count a message; return the answer to it where the client asks too fast."""
        refusal = self._engine.message(self._window, self._strikes)
        if refusal is not None:
            self._strikes += 1
            return refusal
        if message_id != Inbound.HISTORICAL_DATA:
            return None
        return self._engine.query(fields, request_id, open_queries=open_queries)
