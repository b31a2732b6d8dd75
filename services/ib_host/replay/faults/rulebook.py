"""Which rule, if any, a message falls under."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from services.ib_host.replay.faults.messages import symbol
from services.ib_host.replay.faults.rule import FaultRule


@dataclass(slots=True)
class RuleCount:
    """What has become of a rule.

    Attributes:
        rule: the rule.
        matched: how many messages it was for, whether or not anything happened to them.
        fired: how often its fault happened.
    """

    rule: FaultRule
    matched: int = 0
    fired: int = 0


class Faults:
    """The rules of one gateway, for all its clients together.

    Each message is counted by every rule that it matches; the first rule that is due happens to it. Every rule draws
    from a sequence of its own, so that the same messages and the same seed always meet the same faults, whatever
    other rules there are.

    Args:
        rules: in order; the first that is due wins. One without a name is called after its place.
        seed: of the probabilities.

    Attributes:
        counts: one for each rule, in order.
    """

    def __init__(self, rules: Sequence[FaultRule] = (), *, seed: int = 0) -> None:
        self.counts = [
            RuleCount(rule if rule.name else rule.model_copy(update={"name": f"rule {number}"}))
            for number, rule in enumerate(rules, 1)
        ]
        self._draws = [Random(f"{seed}/{number}") for number in range(len(rules))]

    def find(self, message_id: int, fields: Sequence[str]) -> FaultRule | None:
        """Count a message, and return the rule that it falls under.

        Args:
            message_id: of the message; 0 for a greeting.
            fields: of the message, with its id; none for a greeting.
        """
        due = [
            count
            for count, draws in zip(self.counts, self._draws, strict=True)
            if _matches(count.rule, message_id, fields) and _is_due(count, draws)
        ]
        if not due:
            return None
        due[0].fired += 1
        return due[0].rule


def _matches(rule: FaultRule, message_id: int, fields: Sequence[str]) -> bool:
    return rule.on == message_id and (not rule.symbol or rule.symbol == symbol(fields))


def _is_due(count: RuleCount, draws: Random) -> bool:
    count.matched += 1
    if count.matched < count.rule.nth:
        return False
    likely = draws.random() < count.rule.probability
    return likely and (count.rule.times is None or count.fired < count.rule.times)
