"""What a backtest tells."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

WHAT_IT_IS: Final = (
    "A plain calculation over closes, no simulation of an exchange: no slippage, no spread, no margin, no interest, no "
    "partial fills, no compounding. A position that is decided at a bar's close is held from there to the next close. "
    "Every symbol has the same share of a constant capital, and returns are summed up; holding is calculated in the "
    "same way, so that it differs from the price's own change."
)
"""Is shown wherever its figures are."""


@dataclass(frozen=True, kw_only=True)
class Performance:
    """What positions brought, after costs, on constant capital.

    Attributes:
        total_return: Sum of the returns, mean of the symbols; 0.1 is 10 %.
        sharpe_ratio: Annualised, without a riskless rate. None where the returns do not vary.
        max_drawdown: Deepest fall of the summed return from its highest value, 0 or positive.
    """

    total_return: float
    sharpe_ratio: float | None
    max_drawdown: float


@dataclass(frozen=True, kw_only=True)
class BacktestReport:
    """Decisions, followed.

    Attributes:
        bars: Bars that it covers, over all symbols: each one begins where a position was decided.
        first_time: Time of the bar at whose close the first decision was taken, UTC.
        last_time: Time of the last bar, UTC.
        bars_per_year: Different times at which these bars end, in a year of 365.25 days; annualises the Sharpe ratio.
        decisions: What following the decisions brought.
        hold: What holding all symbols over the same bars brought.
        trades: Changes of the position, over all symbols.
        exposure: Share of the bars with a position, 0 to 1.
        costs: Costs that were subtracted from the decisions' return, mean of the symbols.
    """

    bars: int
    first_time: datetime
    last_time: datetime
    bars_per_year: float
    decisions: Performance
    hold: Performance
    trades: int
    exposure: float
    costs: float
