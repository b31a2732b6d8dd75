"""Prices that become others while the gateway runs."""

from datetime import date, timedelta
from fractions import Fraction
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from services.ib_host.replay.faults.rule import GatewayFault
from services.ib_host.replay.faults.world import World
from services.ib_host.replay.revised_history import Revision

R = TypeVar("R", bound=GatewayFault)


def _ratio(value: object) -> Fraction:
    try:
        ratio = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        ratio = Fraction(0)
    if not 0 < ratio <= 1000:
        message = 'it should be the new shares for one old share, such as 2 or "3/2"'
        raise ValueError(message)
    return ratio


class SplitRule(GatewayFault):
    """A split becomes known: all bars before its day are adjusted from now on, also in this answer."""

    action: Literal["split"] = "split"
    ratio: Annotated[Fraction, BeforeValidator(_ratio)] = Fraction(2)
    """New shares for one old share."""
    day: date | None = None
    """First session at the new price; without it, the one after all there are."""

    def happen(self, world: World) -> None:
        """Adjust the bars."""
        last = self.day - timedelta(days=1) if self.day else None
        factor = float(1 / self.ratio)
        _revise(self, world, Revision(first=None, last=last, factor=factor, volume_factor=float(self.ratio)))

    @model_validator(mode="after")
    def _of_one_symbol(self) -> Self:
        return _needing_a_symbol(self)


class CorrectionRule(GatewayFault):
    """Prices are corrected: bars of some days are others from now on, also in this answer."""

    action: Literal["correction"] = "correction"
    first: date
    """First day whose bars change."""
    last: date
    """Last day whose bars change."""
    factor: float = Field(default=1.01, gt=0, le=1000)
    """What their prices are multiplied by."""

    def happen(self, world: World) -> None:
        """Correct the bars."""
        _revise(self, world, Revision(self.first, self.last, self.factor))

    @model_validator(mode="after")
    def _of_one_symbol(self) -> Self:
        if self.last < self.first:
            message = "last should not be before first"
            raise ValueError(message)
        return _needing_a_symbol(self)


def _needing_a_symbol(rule: R) -> R:
    if not rule.symbol:
        message = f"{rule.action} needs the key symbol: whose prices change"
        raise ValueError(message)
    return rule


def _revise(rule: GatewayFault, world: World, revision: Revision) -> None:
    instruments = world.history.instruments
    for key in [key for key, instrument in instruments.items() if rule.symbol in {key, instrument.symbol}]:
        world.history.revise(key, revision)
