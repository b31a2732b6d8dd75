"""What is wrong with the rows of a file, gathered so that all of it is told at once."""

from collections.abc import Sequence
from typing import Final

from ktrdr_client.errors import FieldFault, InvalidArgument

_MOST_TOLD: Final = 10


class RowFaults:
    """Gathers faults by row, and raises them together."""

    def __init__(self) -> None:
        self._first: list[tuple[int, str]] = []
        self.count = 0

    def add(self, row: int, text: str) -> None:
        """Take a fault of a row, counted from 0 without the titles."""
        self.count += 1
        self._first.append((row, text))
        if len(self._first) > 50 * _MOST_TOLD:
            self._first = self.oldest()

    def oldest(self) -> list[tuple[int, str]]:
        """Return the faults that are told: those of the first rows."""
        return sorted(self._first)[:_MOST_TOLD]


def refusal(name: str, faults: RowFaults, places: Sequence[str]) -> InvalidArgument:
    """Return the error for rows at fault.

    Args:
        name: What was read.
        faults: What is wrong.
        places: For each fault that is told, where it is: "line 17".
    """
    count = "one fault" if faults.count == 1 else f"{faults.count:,} faults"
    told = [FieldFault(place, text) for place, (_, text) in zip(places, faults.oldest(), strict=True)]
    more = f"; the first {len(told)}:" if faults.count > len(told) else ":"
    return InvalidArgument(f"{name} has {count}, so nothing of it is taken{more}", fields=told)
