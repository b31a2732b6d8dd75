"""Which bars a strategy trains on."""

import datetime as dt
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator

from services.training_host.strategy.model import StrategyModel, refused

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
        raise refused('should be a date such as "2013-03-01"') from None


IsoDate = Annotated[dt.date, BeforeValidator(_iso_date)]
"""A day, written year-month-day."""

Symbol = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9 ./-]*$", max_length=32)]
"""An instrument as the broker names it, such as `AAPL`."""


def different(values: list[str]) -> list[str]:
    """Require that no value is there twice."""
    twice = next((value for index, value in enumerate(values) if value in values[:index]), None)
    if twice is not None:
        raise refused(f'"{twice}" is there twice')
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
    list: Annotated[list[Symbol], Field(min_length=1, max_length=500), AfterValidator(different)]


class SingleTimeframe(StrategyModel):
    """One length of bars.

    Attributes:
        mode: `single`.
        timeframe: Length of a bar.
    """

    mode: Literal["single"]
    timeframe: Timeframe


class SeveralTimeframes(StrategyModel):
    """Several lengths of bars.

    There is a sample for each bar of the shortest; longer bars are seen once they are closed.

    Attributes:
        mode: `multi_timeframe`.
        list: All lengths.
        base_timeframe: The shortest of them: its bars are the samples.
    """

    mode: Literal["multi_timeframe"]
    list: Annotated[list[Timeframe], Field(min_length=1, max_length=8), AfterValidator(different)]
    base_timeframe: Timeframe

    @field_validator("base_timeframe")
    @classmethod
    def _base_is_the_shortest(cls, base: str, info: ValidationInfo) -> str:
        if "list" in info.data:
            shortest = min(info.data["list"], key=TIMEFRAMES.index)
            if base != shortest:
                raise refused(f'should be the shortest of the list, "{shortest}"')
        return base


SymbolChoice = Annotated[SingleSymbol | SeveralSymbols, Field(discriminator="mode")]
TimeframeChoice = Annotated[SingleTimeframe | SeveralTimeframes, Field(discriminator="mode")]


class TrainingData(StrategyModel):
    """Instrument, bar length and range.

    Attributes:
        symbols: The instruments.
        timeframes: The lengths of the bars.
        start_date: First day, UTC.
        end_date: Last day, inclusive.
        history_required: Bars at the beginning, in every timeframe, that only feed the indicators and become no
            samples. 0 takes as many as the indicators need; fewer than that are refused.
    """

    symbols: SymbolChoice
    timeframes: TimeframeChoice
    start_date: IsoDate
    end_date: IsoDate
    history_required: int = Field(default=0, ge=0, le=100_000)

    @field_validator("end_date")
    @classmethod
    def _ordered(cls, end_date: dt.date, info: ValidationInfo) -> dt.date:
        if "start_date" in info.data and end_date < info.data["start_date"]:
            raise refused(f"is before start_date, {info.data['start_date']}")
        return end_date

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
