"""Which bars a strategy trains on."""

import datetime as dt
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from services.training_host.strategy.model import StrategyModel

Timeframe = Literal[
    "1s", "5s", "10s", "15s", "30s", "1min", "2min", "3min", "5min", "10min", "15min", "20min", "30min",
    "1h", "2h", "3h", "4h", "8h", "1d", "1w", "1month",
]  # fmt: skip
"""Length of a bar: the sizes that Interactive Brokers has, in the words of the `ktrdr` command."""


def _iso_date(value: Any) -> Any:
    try:
        return dt.date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise PydanticCustomError("date", 'should be a date such as "2013-03-01"') from None


IsoDate = Annotated[dt.date, BeforeValidator(_iso_date)]


class SymbolChoice(StrategyModel):
    """The instrument.

    Attributes:
        mode: One symbol is all that can be trained on so far.
        symbol: As the broker names it, such as `AAPL`.
    """

    mode: Literal["single"]
    symbol: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9 ./-]*$", max_length=32)]


class TimeframeChoice(StrategyModel):
    """The length of the bars.

    Attributes:
        mode: One timeframe is all that can be trained on so far.
        timeframe: Length of a bar.
    """

    mode: Literal["single"]
    timeframe: Timeframe


class TrainingData(StrategyModel):
    """Instrument, bar length and range.

    Attributes:
        symbols: The instrument.
        timeframes: The length of the bars.
        start_date: First day, UTC.
        end_date: Last day, inclusive.
        history_required: Bars at the beginning that only feed the indicators and become no samples.
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
