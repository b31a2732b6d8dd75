"""Bars that are not there, and the commands that bring them."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from services.training_host.strategy.training_data import TrainingData

COMMAND_LIMIT: Final = 300
"""Longest text of commands: what a parameter of an error carries. A command that was cut would do something else."""


class MissingBars(NamedTuple):
    """A series that has no bars in the strategy's range.

    Attributes:
        symbol: The instrument.
        timeframe: Length of the bars.
        detail: What is there instead, as a sentence without its full stop; empty where there is nothing.
    """

    symbol: str
    timeframe: str
    detail: str = ""


def load_commands(missing: Sequence[MissingBars], data: TrainingData, what_to_show: str = "") -> list[str]:
    """Return the commands that bring all of what is missing: one for each timeframe, more where it would be too long.

    Args:
        missing: What.
        data: Says the range.
        what_to_show: Kind of prices in the words of the command, such as `midpoint`; empty for trades.
    """
    options = f"--start {data.start_date} --end {data.end_date}"
    options += f" --what {what_to_show}" if what_to_show else ""
    commands: list[str] = []
    for timeframe in dict.fromkeys(each.timeframe for each in missing):
        words = [_quoted(each.symbol) for each in missing if each.timeframe == timeframe]
        frame = len(f"ktrdr data load  {timeframe} {options}")
        lines = _lines(words, COMMAND_LIMIT - frame)
        commands += [f"ktrdr data load {symbols} {timeframe} {options}" for symbols in lines]
    return commands


def fitting(commands: Iterable[str]) -> str:
    """Join as many commands, one at least, as an error has room for."""
    return next(iter(_lines(list(commands), COMMAND_LIMIT, " && ")), "")


def _quoted(symbol: str) -> str:
    return f"'{symbol}'" if " " in symbol else symbol


def _lines(words: Sequence[str], width: int, separator: str = " ") -> list[str]:
    """Join words to as few lines as their width allows."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(separator) + len(word) <= width:
            lines[-1] += separator + word
        else:
            lines.append(word)
    return lines
