"""Bars that are not those of the history."""

from collections.abc import Sequence
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from services.ib_host.replay.connection import encode
from services.ib_host.replay.faults.alteration import proceed_altered
from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.messages import Inbound, Outbound
from services.ib_host.replay.wire import Fields

_BARS_AT: Final = 5
_FIELDS_OF_A_BAR: Final = 8


class BarsRule(FaultRule):
    """Changes the bars of an answer, which stays decodable."""

    action: Literal["gap", "dup", "reverse", "twice"]
    """Bars in the middle are left out, or sent twice; all come in the wrong order; the whole answer comes twice."""
    count: int = Field(default=1, ge=1)
    """How many bars are left out or sent twice; as many as there are at most."""

    def apply(self, exchange: Exchange) -> None:
        """Answer with other bars."""
        proceed_altered(exchange, self._changed)

    @model_validator(mode="after")
    def _only_on_bars(self) -> Self:
        if self.on != Inbound.HISTORICAL_DATA:
            message = f"{self.action} is possible on historical_data only"
            raise ValueError(message)
        if self.action in {"reverse", "twice"} and "count" in self.model_fields_set:
            message = f"the key count has no meaning with {self.action}"
            raise ValueError(message)
        return self

    def _changed(self, fields: Fields) -> Sequence[bytes]:
        if self.action == "twice":
            return [encode(fields)] * 2
        if fields[0] != Outbound.HISTORICAL_DATA:
            return [encode(fields)]
        values = fields[_BARS_AT:]
        bars = [values[at : at + _FIELDS_OF_A_BAR] for at in range(0, len(values), _FIELDS_OF_A_BAR)]
        changed = self._rearranged(bars)
        return [encode([*fields[: _BARS_AT - 1], len(changed), *(value for bar in changed for value in bar)])]

    def _rearranged(self, bars: Sequence[Fields]) -> Sequence[Fields]:
        if self.action == "reverse":
            return bars[::-1]
        begin = max(0, (len(bars) - self.count) // 2)
        end = begin + self.count
        if self.action == "gap":
            return [*bars[:begin], *bars[end:]]
        return [*bars[:end], *bars[begin:end], *bars[end:]]
