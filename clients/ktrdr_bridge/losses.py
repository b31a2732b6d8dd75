"""What of a journal couldn't be read, in a sentence."""

from dataclasses import dataclass
from typing import Final

_SHOWN_RANGES: Final = 5


@dataclass(frozen=True, slots=True)
class _Range:
    first: int
    last: int
    some: bool

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


class Losses:
    """Ranges of rows that couldn't be read."""

    def __init__(self) -> None:
        self._ranges: list[_Range] = []
        self._earlier = 0

    def add(self, first: int, last: int, *, some: bool = False) -> None:
        """Note that the rows from seq `first` to `last` are lost; if `some`, those of them that weren't thinned out."""
        self._ranges.append(_Range(first, last, some))

    def add_earlier(self, rows: int) -> None:
        """Note that so many rows were found damaged when the journal was thinned."""
        self._earlier += rows

    def sentence(self, *, end_lost: bool) -> str:
        """Say what was lost; empty when nothing was."""
        parts = []
        if self._ranges:
            parts.append(self._left_out())
        if self._earlier:
            parts.append(f"{self._earlier} damaged {_rows(self._earlier)} left out when the journal was thinned")
        if end_lost:
            parts.append("the journal's end is cut off or damaged")
        return "; ".join(parts)

    def _left_out(self) -> str:
        shown = ", ".join(map(str, self._ranges[:_SHOWN_RANGES]))
        tail = ", …" if len(self._ranges) > _SHOWN_RANGES else ""
        if any(range_.some for range_ in self._ranges):
            return f"damaged rows left out: some of seq {shown}{tail}"
        rows = sum(range_.last - range_.first + 1 for range_ in self._ranges)
        return f"{rows} damaged {_rows(rows)} left out: seq {shown}{tail}"


def _rows(count: int) -> str:
    return "row" if count == 1 else "rows"
