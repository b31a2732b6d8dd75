"""What is wrong with a strategy, and where."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a strategy.

    Attributes:
        field: Dotted path of the key, such as `training.labels.source`; positions in lists in brackets: `nn_inputs[0]`.
        description: What is wrong and what would be right.
        line: Line in the YAML text, from 1; None when the value comes from an override.
        column: Column in that line, from 1.
    """

    field: str
    description: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """The fault as one line for people."""
        place = f"line {self.line}, column {self.column}: " if self.line is not None else ""
        where = f"{self.field}: " if self.field else ""
        return f"{place}{where}{self.description}"


class StrategyInvalid(Exception):
    """A strategy breaks the rules of its format.

    Args:
        faults: Every fault that was found, in the order of the text.
    """

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = faults
