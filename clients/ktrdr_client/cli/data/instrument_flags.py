"""The flags that say which instrument a symbol means, and what its bars show; many commands have them."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from ktrdr.ib.v1.bars_pb2 import Instrument

from ktrdr_client.instruments import parse_instrument

_PANEL: Final = "Which instrument"


@dataclass(frozen=True)
class InstrumentFlags:
    """What is said of an instrument beside its symbol."""

    type: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    contract_id: int = 0
    last_trade_date: str = ""
    local_symbol: str = ""

    def instrument(self, symbol: str) -> Instrument:
        """Return the instrument that a symbol means.

        Raises:
            ValueError: The flags are wrong.
        """
        return parse_instrument(
            symbol,
            security_type=self.type,
            exchange=self.exchange,
            primary_exchange=self.primary_exchange,
            currency=self.currency,
            contract_id=self.contract_id,
            last_trade_date=self.last_trade_date,
            local_symbol=self.local_symbol,
        )


def _complete_types(incomplete: str) -> list[str]:
    return [each for each in ("stock", "forex", "future", "index") if each.startswith(incomplete)]


def _flag(help_text: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=_PANEL, **settings)


def _flags(
    type_: Annotated[
        str, _flag("stock, forex, future or index.", "--type", metavar="TYPE", autocompletion=_complete_types)
    ] = "",
    exchange: Annotated[str, _flag("Exchange that requests are routed to.")] = "",
    primary_exchange: Annotated[str, _flag("Exchange that lists it.")] = "",
    currency: Annotated[str, _flag("Its currency.")] = "",
    contract_id: Annotated[int, _flag("IB's number of it.", metavar="ID", min=0, show_default=False)] = 0,
    last_trade_date: Annotated[str, _flag("Of a future: 202503 or 20250321.", metavar="DATE")] = "",
    local_symbol: Annotated[str, _flag("Symbol at its exchange: ESH5.")] = "",
) -> InstrumentFlags:  # fmt: skip
    """Take the flags; its signature is where they are defined."""
    return InstrumentFlags(type_, exchange, primary_exchange, currency, contract_id, last_trade_date, local_symbol)


_PARAMETERS: Final = tuple(
    each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in inspect.signature(_flags).parameters.values()
)


def takes_instrument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function(invocation, …, about)` as a command that has these flags instead of `about`."""

    def taking(*words: Any, **values: Any) -> Any:
        about = _flags(**{each.name: values.pop(each.name) for each in _PARAMETERS})
        return function(*words, about=about, **values)

    signature = inspect.signature(function)
    own = [each for name, each in signature.parameters.items() if name != "about"]
    vars(taking)["__signature__"] = signature.replace(parameters=[*own, *_PARAMETERS])
    taking.__doc__, taking.__name__ = function.__doc__, function.__name__
    return taking
