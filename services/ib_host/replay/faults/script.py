"""Faults that happen because their time has come, and not because of a message."""

from collections.abc import Callable
from datetime import datetime

import structlog

from services.ib_host.replay.background import Background
from services.ib_host.replay.faults.moments import Moment
from services.ib_host.replay.faults.rule import GatewayFault
from services.ib_host.replay.faults.rulebook import Faults, RuleCount
from services.ib_host.replay.faults.world import World

_LOG = structlog.get_logger(__name__)
_LOOK_AGAIN_SECONDS = 0.05


class FaultScript:
    """Plays the rules with `on = "clock"` from the gateway's start on.

    Args:
        faults: the rules.
        world: what they change.
        background: waits for them.
        moment: returns what time it is.
        seconds_until: returns how long it takes until an instant of the gateway's present; None where that stands
            still before it.
        note: is told the name and the action of each rule that happens.
    """

    def __init__(
        self,
        faults: Faults,
        *,
        world: World,
        background: Background,
        moment: Callable[[], Moment],
        seconds_until: Callable[[datetime], float | None],
        note: Callable[[str, str], None],
    ) -> None:
        self._faults = faults
        self._world = world
        self._background = background
        self._moment = moment
        self._seconds_until = seconds_until
        self._note = note
        self._begun: list[RuleCount] = []

    def start(self) -> None:
        """Begin to wait for all rules."""
        for count in self._faults.by_the_clock:
            self.wait_for(count)

    def look(self) -> None:
        """Let everything happen whose instant has come because the gateway's present was moved."""
        for count in self._faults.by_the_clock:
            if isinstance(count.rule.begin, datetime) and count.is_in_force(self._moment()):
                self._begin(count)

    def wait_for(self, count: RuleCount) -> None:
        """Begin to wait for a rule; nothing for one that waits for messages."""
        begin = count.rule.begin
        if count not in self._faults.by_the_clock:
            return
        seconds = self._seconds_until(begin) if isinstance(begin, datetime) else begin
        if seconds is not None:
            self._background.later(seconds, lambda: self._begin(count))

    def _begin(self, count: RuleCount) -> None:
        """Let a rule happen for the first time; a moved present and a timer may both find that it is due."""
        moment = self._moment()
        if any(count is begun for begun in self._begun) or count.is_over(moment):
            return
        if not count.is_in_force(moment):  # timers may wake a little early beside a clock that runs fast
            self._background.later(_LOOK_AGAIN_SECONDS, lambda: self._begin(count))
            return
        self._begun.append(count)
        self._happen(count)

    def _happen(self, count: RuleCount) -> None:
        rule, moment = count.rule, self._moment()
        was_taken_away = all(count is not other for other in self._faults.counts)
        if was_taken_away or count.is_spent or count.is_over(moment):
            return
        assert isinstance(rule, GatewayFault)
        if count.is_due():
            count.fired += 1
            _LOG.warning("fault", rule=rule.name, action=rule.action)
            self._note(rule.name, rule.action)
            rule.happen(self._world)
        if rule.every is not None:
            self._background.later(rule.every, lambda: self._happen(count))
