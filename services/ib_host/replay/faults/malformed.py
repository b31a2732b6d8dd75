"""Answers that cannot be decoded."""

import struct
from collections.abc import Sequence
from typing import Final, Literal, Self

from pydantic import model_validator

from services.ib_host.replay.connection import encode
from services.ib_host.replay.faults.alteration import proceed_altered
from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.messages import Inbound, Outbound
from services.ib_host.replay.wire import Fields

Damage = Literal[
    "bad_number", "bad_date", "short", "unknown_id", "non_int_id", "huge_len", "bad_utf8", "no_nul", "empty"
]
"""What is wrong with the frame."""

_NUMBER_AT: Final = {Outbound.HISTORICAL_DATA: 6, Outbound.SYMBOL_SAMPLES: 2, Outbound.CURRENT_TIME: 2}
_DATE_AT: Final = {Outbound.HISTORICAL_DATA: 5, Outbound.HEAD_TIMESTAMP: 2}
_NEEDS: Final = {
    "bad_number": {Inbound.HISTORICAL_DATA, Inbound.MATCHING_SYMBOLS, Inbound.CURRENT_TIME},
    "bad_date": {Inbound.HISTORICAL_DATA, Inbound.HEAD_TIMESTAMP},
}
_LENGTH: Final = struct.Struct(">I")
_HUGE: Final = 0x7FFFFFFF
_RUBBISH: Final = "rubbish"


class MalformedRule(FaultRule):
    """Damages the first frame of the answer; errors and notices stay as they are."""

    action: Literal["malformed"] = "malformed"
    damage: Damage
    """What is wrong with it."""

    def apply(self, exchange: Exchange) -> None:
        """Answer with a damaged frame."""
        proceed_altered(exchange, self._damaged)

    @model_validator(mode="after")
    def _only_where_the_answer_has_such_a_field(self) -> Self:
        possible = _NEEDS.get(self.damage)
        if possible is not None and self.on not in possible:
            names = ", ".join(sorted(message.name.lower() for message in possible))
            message = f"damage = {self.damage!r} is possible only on {names}"
            raise ValueError(message)
        return self

    def _damaged(self, fields: Fields) -> Sequence[bytes]:
        frame = encode(fields)
        payload = frame[_LENGTH.size :]
        match self.damage:
            case "bad_number":
                data = encode(_replaced(fields, _NUMBER_AT))
            case "bad_date":
                data = encode(_replaced(fields, _DATE_AT))
            case "short":
                data = encode(fields[: max(1, len(fields) // 2)])
            case "unknown_id":
                data = encode([999, *fields[1:]])
            case "non_int_id":
                data = encode([_RUBBISH, *fields[1:]])
            case "huge_len":
                data = _LENGTH.pack(_HUGE) + payload
            case "bad_utf8":
                data = _LENGTH.pack(len(payload) + 1) + payload[:-1] + b"\xff\0"
            case "no_nul":
                data = _LENGTH.pack(len(payload) - 1) + payload[:-1]
            case "empty":
                data = _LENGTH.pack(0)
        return [data]


def _replaced(fields: Fields, positions: dict[Outbound, int]) -> Fields:
    at = next((at for message, at in positions.items() if fields[0] == message), None)
    if at is None or at >= len(fields):
        return fields
    return [*fields[:at], _RUBBISH, *fields[at + 1 :]]
