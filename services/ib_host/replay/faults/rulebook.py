"""Which rule, if any, a message falls under."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple

from services.ib_host.replay.faults import messages
from services.ib_host.replay.faults.messages import CLOCK
from services.ib_host.replay.faults.moments import Moment
from services.ib_host.replay.faults.rule import FaultRule, GatewayFault

Listed = Callable[[Sequence[str]], Collection[str]]
"""Returns the exchanges at which the contract that a message describes is listed."""

_START = Moment(0.0, datetime(1900, 1, 1, tzinfo=UTC))


@dataclass(slots=True)
class RuleCount:
    """What has become of a rule.

    Attributes:
        rule: the rule.
        chances: decide by its probability.
        values: random numbers for what it does.
        since: when it was added, in seconds after the gateway's start; its own times in seconds count from there.
        matched: how many messages it was for, whether or not anything happened to them.
        fired: how often its fault happened.
    """

    rule: FaultRule
    chances: Random = field(repr=False)
    values: Random = field(repr=False)
    since: float = 0.0
    matched: int = 0
    fired: int = 0

    @property
    def is_spent(self) -> bool:
        """Whether its fault has happened as often as it may."""
        return self.rule.times is not None and self.fired >= self.rule.times

    def is_in_force(self, moment: Moment) -> bool:
        """Tell whether it is the rule's time."""
        return self._own(moment).has_reached(self.rule.begin) and not self.is_over(moment)

    def is_over(self, moment: Moment) -> bool:
        """Tell whether the rule's time is over."""
        return self.rule.end is not None and self._own(moment).has_reached(self.rule.end)

    def is_due(self) -> bool:
        """Count a chance of the rule, and tell whether its fault happens."""
        self.matched += 1
        if self.matched < self.rule.nth:
            return False
        likely = self.chances.random() < self.rule.probability
        return likely and not self.is_spent

    def _own(self, moment: Moment) -> Moment:
        return moment._replace(elapsed=moment.elapsed - self.since)


class DueRule(NamedTuple):
    """A rule whose fault happens now.

    Attributes:
        rule: the rule.
        values: random numbers for what it does.
    """

    rule: FaultRule
    values: Random


class Faults:
    """The rules of one gateway, for all its clients together.

    Each message is counted by every rule that it matches; the first rule that is due happens to it. Every rule draws
    from sequences of its own, so that the same messages and the same seed always meet the same faults, whatever
    other rules there are.

    Args:
        rules: in order; the first that is due wins. One without a name is called after its place.
        seed: of the probabilities, and of what faults draw.

    Attributes:
        counts: one for each rule, in order.
    """

    def __init__(self, rules: Sequence[FaultRule] = (), *, seed: int = 0) -> None:
        self.seed = seed
        self.counts: list[RuleCount] = []
        for rule in rules:
            self.add(rule)

    def add(self, rule: FaultRule, *, since: float = 0.0) -> RuleCount:
        """Add a rule behind the others, also while the gateway runs; it counts messages from now on.

        Args:
            rule: to add.
            since: seconds after the gateway's start from which its own times count.
        """
        number = len(self.counts)
        named = rule if rule.name else rule.model_copy(update={"name": f"rule {number + 1}"})
        count = RuleCount(named, Random(f"{self.seed}/{number}"), Random(f"{self.seed}/{number}/values"), since)
        self.counts.append(count)
        return count

    def find(
        self,
        message_id: int,
        fields: Sequence[str],
        *,
        moment: Moment = _START,
        client_id: int | None = None,
        listed: Listed = lambda _fields: (),
    ) -> DueRule | None:
        """Count a message, and return the rule that it falls under.

        Args:
            message_id: of the message; 0 for a greeting.
            fields: of the message, with its id; none for a greeting.
            moment: what time it is.
            client_id: whose message it is; None where it is not known yet.
            listed: where a contract is listed.
        """
        due = [
            count
            for count in self.counts
            if count.rule.on == message_id
            and count.is_in_force(moment)
            and _matches(count.rule, fields, client_id, listed)
            and count.is_due()
        ]
        if not due:
            return None
        due[0].fired += 1
        return DueRule(due[0].rule, due[0].values)

    def clear(self) -> None:
        """Take all rules away."""
        self.counts.clear()

    @property
    def by_the_clock(self) -> list[RuleCount]:
        """The rules that happen without a message."""
        return [count for count in self.counts if count.rule.on == CLOCK and isinstance(count.rule, GatewayFault)]


def _matches(rule: FaultRule, fields: Sequence[str], client_id: int | None, listed: Listed) -> bool:
    return (
        rule.symbol in {"", messages.symbol(fields)}
        and rule.bar_size in {"", messages.bar_size(fields)}
        and rule.what in {"", messages.what(fields)}
        and rule.client_id in {None, client_id}
        and (not rule.exchange or rule.exchange in {*messages.exchanges(fields), *listed(fields)})
    )
