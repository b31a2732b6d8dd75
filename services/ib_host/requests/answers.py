"""What the gateway answers, and how long it may take."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from ktrdr.ib.v1 import bars_pb2

from services.ib_host.contracts.instruments import from_details
from services.ib_host.store.columns import ReceivedBar


@dataclass(frozen=True)
class RequestTimeouts:
    """How long to wait for answers.

    Attributes:
        history_seconds: for bars; stands still while the gateway is cut off from IB.
        other_seconds: for anything else.
    """

    history_seconds: float
    other_seconds: float


@dataclass(frozen=True)
class HistoryAnswer:
    """Bars, as the gateway sent them.

    Attributes:
        bars: not necessarily within what was asked for.
        source: recorded or real, as the connection they came over says.
        seconds: from sending to the answer.
    """

    bars: Sequence[ReceivedBar]
    source: bars_pb2.Source.ValueType
    seconds: float


class InstrumentDetails(NamedTuple):
    """What the gateway tells of an instrument.

    Attributes:
        instrument: completely filled in.
        trading_hours: sessions of the next days in the exchange's time, in IB's notation
            ("20240102:0400-20240102:2000;20240103:CLOSED"); empty where it does not tell.
        liquid_hours: regular sessions, likewise.
        min_tick: smallest step of the price; 0 where it does not tell.
        contract_month: of a future, such as "202403"; empty otherwise.
        expiry: last day of a contract that ends, such as "20240315"; empty otherwise.
        valid_exchanges: exchanges that requests can be routed to.
    """

    instrument: bars_pb2.Instrument
    trading_hours: str
    liquid_hours: str
    min_tick: float
    contract_month: str
    expiry: str
    valid_exchanges: Sequence[str]

    @classmethod
    def read(cls, details: Any) -> Self:
        """Read the library's description of a contract."""
        return cls(
            instrument=from_details(details),
            trading_hours=details.tradingHours,
            liquid_hours=details.liquidHours,
            min_tick=details.minTick,
            contract_month=details.contractMonth,
            expiry=details.realExpirationDate,
            valid_exchanges=tuple(name for name in details.validExchanges.split(",") if name),
        )
