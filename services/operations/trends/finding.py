"""What a rule has found, for how long, and how it is told."""

from dataclasses import dataclass, field
from typing import NamedTuple

from ktrdr.operations.v1.trends_pb2 import (
    SEVERITY_INFO,
    Severity,
    Verdict,
    VerdictKind,
)

from services.operations.trends.rows import Point


@dataclass(slots=True)
class Transitions:
    """Counts how often a verdict of an attempt has appeared, ended, or changed its severity."""

    count: int = 0


@dataclass(slots=True)
class Episode:
    """The time for which a rule holds, or last held.

    Attributes:
        series: Where.
        transitions: Counts what is told at once.
        active: It holds now.
        severity: How much it matters.
        first_ns: Time of the point that made it true, nanoseconds since the Unix epoch.
        last_ns: Time of the newest point for which it was true.
        from_step: Step of the first point that it rests on.
        to_step: Step of the newest.
        facts: Figures of the evidence as of that point, in an order that the rule knows.
    """

    series: str
    transitions: Transitions = field(default_factory=Transitions, compare=False)
    active: bool = False
    severity: "Severity.ValueType" = SEVERITY_INFO
    first_ns: int = 0
    last_ns: int = 0
    from_step: int = 0
    to_step: int = 0
    facts: tuple[float, ...] = ()

    def hold(
        self,
        point: Point,
        facts: tuple[float, ...],
        *,
        from_step: int,
        severity: "Severity.ValueType" = SEVERITY_INFO,
    ) -> None:
        """Take note that it holds at this point."""
        if not self.active:
            self.active, self.first_ns = True, point.time_ns
            self.transitions.count += 1
        elif severity != self.severity:
            self.transitions.count += 1
        self.severity, self.facts = severity, facts
        self.from_step, self.to_step, self.last_ns = from_step, point.step, point.time_ns

    def end(self) -> None:
        """Take note that it no longer holds; what it was stays."""
        if self.active:
            self.active = False
            self.transitions.count += 1


class Finding(NamedTuple):
    """An episode in words."""

    kind: "VerdictKind.ValueType"
    episode: Episode
    rule: str
    evidence: str
    figures: dict[str, float]

    def verdict(self) -> Verdict:
        """Return it as it is told."""
        episode = self.episode
        verdict = Verdict(
            kind=self.kind,
            severity=episode.severity,
            series=episode.series,
            rule=self.rule,
            evidence=self.evidence,
            figures=self.figures,
            from_step=episode.from_step,
            to_step=episode.to_step,
            active=episode.active,
        )
        verdict.first_seen.FromNanoseconds(max(0, episode.first_ns))
        verdict.last_seen.FromNanoseconds(max(0, episode.last_ns))
        return verdict


def figure(value: float) -> str:
    """Return a number with the digits that matter: 0.4123, 1.2e-05, 1234."""
    return f"{value:.4g}"


def percent(share: float) -> str:
    """Return a share as percentage: 5 %, 0.1 %."""
    return f"{100 * share:.3g} %"
