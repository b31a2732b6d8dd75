"""Answers whose length some clients can't take."""

from collections.abc import Sequence
from typing import Final, Literal, Self

from pydantic import model_validator

from services.ib_host.replay.connection import encode
from services.ib_host.replay.faults.alteration import proceed_altered
from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.framing import RECEIVE_BYTES
from services.ib_host.replay.messages import Inbound, Outbound
from services.ib_host.replay.wire import Fields

_START_AT: Final = 2


class PadRule(FaultRule):
    """Makes an answer with bars a multiple of 4096 bytes long, which IB's own client loses. Its content is the same."""

    action: Literal["pad"] = "pad"

    def apply(self, exchange: Exchange) -> None:
        """Answer with blanks behind the start of the window."""

        def padded(fields: Fields) -> Sequence[bytes]:
            if fields[0] != Outbound.HISTORICAL_DATA:
                return [encode(fields)]
            missing = -len(encode(fields)) % RECEIVE_BYTES
            return [encode([*fields[:_START_AT], f"{fields[_START_AT]}{' ' * missing}", *fields[_START_AT + 1 :]])]

        proceed_altered(exchange, padded)

    @model_validator(mode="after")
    def _only_on_bars(self) -> Self:
        if self.on != Inbound.HISTORICAL_DATA:
            message = "pad is possible on historical_data only"
            raise ValueError(message)
        return self
