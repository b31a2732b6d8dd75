"""Which bars a strategy trains on."""

import datetime as dt
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from services.training_host.strategy.model import StrategyModel

Timeframe = Literal[
    "1s", "5s", "10s", "15s", "30s", "1min", "2min", "3min", "5min", "10min", "15min", "20min", "30min",
    "1h", "2h", "3h", "4h", "8h", "1d", "1w", "1month",
]  # fmt: skip
"""Length of a bar: the sizes that Interactive Brokers has, in the words of the `ktrdr` command."""

TIMEFRAMES: Final[tuple[str, ...]] = get_args(Timeframe)
"""All lengths, the shortest first."""


def _iso_date(value: Any) -> Any:
    try:
        return dt.date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise PydanticCustomError("date", 'should be a date such as "2013-03-01"') from None


IsoDate = Annotated[dt.date, BeforeValidator(_iso_date)]


Symbol = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9 ./-]*$", max_length=32)]
"""An instrument as the broker names it, such as `AAPL`."""


def _different(values: list[str]) -> list[str]:
    twice = next((value for index, value in enumerate(values) if value in values[:index]), None)
    if twice is not None:
        raise PydanticCustomError("twice", '"{value}" is there twice', {"value": twice})
    return values


class SingleSymbol(StrategyModel):
    """One instrument.

    Attributes:
        mode: `single`.
        symbol: The instrument.
    """

    mode: Literal["single"]
    symbol: Symbol


class SeveralSymbols(StrategyModel):
    """Several instruments that one network learns from. The samples of each keep their own labels.

    Attributes:
        mode: `multi_symbol`.
        list: The instruments.
    """

    mode: Literal["multi_symbol"]
    list: Annotated[list[Symbol], Field(min_length=1, max_length=500), AfterValidator(_different)]


class SingleTimeframe(StrategyModel):
    """One length of bars.

    Attributes:
        mode: `single`.
        timeframe: Length of a bar.
    """

    mode: Literal["single"]
    timeframe: Timeframe


class SeveralTimeframes(StrategyModel):
    """Several lengths of bars. There is a sample for each bar of the shortest; longer bars are seen once they are closed.

    Attributes:
        mode: `multi_timeframe`.
        list: All lengths.
        base_timeframe: The shortest of them: its bars are the samples.
    """

    mode: Literal["multi_timeframe"]
    list: Annotated[list[Timeframe], Field(min_length=1, max_length=8), AfterValidator(_different)]
    base_timeframe: Timeframe

    @model_validator(mode="after")
    def _base_is_the_shortest(self) -> Self:
        if self.base_timeframe not in self.list:
            raise PydanticCustomError("base", "base_timeframe is not in the list")
        shortest = min(self.list, key=TIMEFRAMES.index)
        if self.base_timeframe != shortest:
            message = 'base_timeframe should be the shortest of the list, "{shortest}"'
            raise PydanticCustomError("base", message, {"shortest": shortest})
        return self


SymbolChoice = Annotated[SingleSymbol | SeveralSymbols, Field(discriminator="mode")]
TimeframeChoice = Annotated[SingleTimeframe | SeveralTimeframes, Field(discriminator="mode")]


class TrainingData(StrategyModel):
    """Instrument, bar length and range.

    Attributes:
        symbols: The instruments.
        timeframes: The lengths of the bars.
        start_date: First day, UTC.
        end_date: Last day, inclusive.
        history_required: Bars at the beginning, in every timeframe, that only feed the indicators and become no samples.
    """

    symbols: SymbolChoice
    timeframes: TimeframeChoice
    start_date: IsoDate
    end_date: IsoDate
    history_required: int = Field(default=0, ge=0, le=100_000)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end_date < self.start_date:
            raise PydanticCustomError("range", "end_date is before start_date")
        return self

    @property
    def symbol_list(self) -> tuple[str, ...]:
        """All instruments."""
        return (self.symbols.symbol,) if isinstance(self.symbols, SingleSymbol) else tuple(self.symbols.list)

    @property
    def timeframe_list(self) -> tuple[str, ...]:
        """All lengths of bars, the shortest first."""
        if isinstance(self.timeframes, SingleTimeframe):
            return (self.timeframes.timeframe,)
        return tuple(sorted(self.timeframes.list, key=TIMEFRAMES.index))

    @property
    def base_timeframe(self) -> str:
        """Length of the bars that are the samples."""
        return self.timeframe_list[0]
