"""A contract as a request describes it, and which instruments it means."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.ib_host.replay.errors import invalid_request
from services.ib_host.replay.fields import FieldReader
from services.ib_host.replay.instruments import Instrument

_SECURITY_TYPES = frozenset(
    {"STK", "OPT", "FUT", "CONTFUT", "FOP", "IND", "CASH", "CFD", "BAG", "BOND", "CMDTY", "WAR", "FUND", "CRYPTO"}
)


@dataclass(frozen=True, slots=True)
class ContractQuery:
    """The contract block of a request, without what only derivatives have; unset fields are 0 or empty."""

    con_id: int
    symbol: str
    security_type: str
    exchange: str
    primary_exchange: str
    currency: str
    local_symbol: str
    trading_class: str

    @classmethod
    def read(cls, fields: FieldReader) -> "ContractQuery":
        """Read the twelve fields of a contract block, and pass over the flag that asks for expired contracts."""
        con_id, symbol, security_type = fields.integer(), fields.text(), fields.text()
        fields.skip(4)  # expiry, strike, right, multiplier
        query = cls(
            con_id=con_id,
            symbol=symbol,
            security_type=security_type,
            exchange=fields.text(),
            primary_exchange=fields.text(),
            currency=fields.text(),
            local_symbol=fields.text(),
            trading_class=fields.text(),
        )
        fields.skip()
        return query

    def find(self, known: Iterable[Instrument]) -> list[Instrument]:
        """Return the instruments that fit every field that is set.

        Raises:
            RequestRefused: nothing identifies the contract, or its security type does not exist.
        """
        if self.security_type and self.security_type not in _SECURITY_TYPES:
            raise invalid_request("Please enter a valid security type")
        if not (self.con_id or self.symbol or self.local_symbol):
            raise invalid_request("Please enter a local symbol or a symbol")
        return [instrument for instrument in known if self._fits(instrument)]

    def _fits(self, instrument: Instrument) -> bool:
        wanted = (
            (str(self.con_id or ""), (str(instrument.con_id),)),
            (self.symbol, (instrument.symbol,)),
            (self.security_type, (instrument.security_type,)),
            (self.exchange, instrument.exchanges),
            (self.primary_exchange, (instrument.primary_exchange,)),
            (self.currency, (instrument.currency,)),
            (self.local_symbol, (instrument.symbol,)),
            (self.trading_class, (instrument.trading_class,)),
        )
        return all(not asked or asked in offered for asked, offered in wanted)
