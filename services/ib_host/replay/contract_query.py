"""A contract as a request describes it, and which instruments it means."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from services.ib_host.replay.errors import invalid_request
from services.ib_host.replay.fields import FieldReader
from services.ib_host.replay.instruments import Instrument

_SECURITY_TYPES = frozenset(
    {"STK", "OPT", "FUT", "CONTFUT", "FOP", "IND", "CASH", "CFD", "BAG", "BOND", "CMDTY", "WAR", "FUND", "CRYPTO"}
)
_EXPIRED_KEPT = timedelta(days=2 * 365)


@dataclass(frozen=True, slots=True)
class ContractQuery:
    """The contract block of a request, without what only options have; unset fields are 0 or empty.

    Attributes:
        expiry: last trading day (yyyymmdd) or contract month (yyyymm) of a future.
        include_expired: whether contracts count whose last day is over.
    """

    con_id: int
    symbol: str
    security_type: str
    expiry: str
    multiplier: str
    exchange: str
    primary_exchange: str
    currency: str
    local_symbol: str
    trading_class: str
    include_expired: bool

    @classmethod
    def read(cls, fields: FieldReader) -> "ContractQuery":
        """Read the twelve fields of a contract block, and the flag that asks for expired contracts."""
        con_id, symbol, security_type, expiry = fields.integer(), fields.text(), fields.text(), fields.text()
        fields.skip(2)  # strike, right
        return cls(
            con_id=con_id,
            symbol=symbol,
            security_type=security_type,
            expiry=expiry.replace(" ", "")[:8],
            multiplier=fields.text(),
            exchange=fields.text(),
            primary_exchange=fields.text(),
            currency=fields.text(),
            local_symbol=fields.text(),
            trading_class=fields.text(),
            include_expired=fields.flag(),
        )

    def find(self, known: Iterable[Instrument], today: date) -> list[Instrument]:
        """Return the instruments that fit every field that is set.

        Args:
            known: all there are.
            today: futures whose last day is before it have expired; IB forgets them two years later.

        Raises:
            RequestRefused: nothing identifies the contract, or its security type does not exist.
        """
        if self.security_type and self.security_type not in _SECURITY_TYPES:
            raise invalid_request("Please enter a valid security type")
        if not (self.con_id or self.symbol or self.local_symbol):
            raise invalid_request("Please enter a local symbol or a symbol")
        return [instrument for instrument in known if self._is_offered(instrument, today) and self._fits(instrument)]

    def _is_offered(self, instrument: Instrument, today: date) -> bool:
        if instrument.security_type == "CONTFUT":  # meant only when it is named: it stands for other contracts
            return self.security_type == "CONTFUT" or self.con_id == instrument.con_id
        if instrument.expiry is None or instrument.expiry >= today:
            return True
        return self.include_expired and today - instrument.expiry <= _EXPIRED_KEPT

    def _fits(self, instrument: Instrument) -> bool:
        wanted = (
            (str(self.con_id or ""), (str(instrument.con_id),)),
            (self.symbol, (instrument.symbol,)),
            (self.security_type, (instrument.security_type,)),
            (self.exchange, instrument.exchanges),
            (self.primary_exchange, (instrument.primary_exchange,)),
            (self.currency, (instrument.currency,)),
            (self.local_symbol, (instrument.local_name,)),
            (self.trading_class, (instrument.trading_class,)),
            (self.multiplier, (instrument.multiplier,)),
            (self.expiry, (instrument.contract_month, f"{instrument.expiry:%Y%m%d}" if instrument.expiry else "")),
        )
        return all(not asked or asked in offered for asked, offered in wanted)
