"""What a parsed filter consists of."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class Kind(Enum):
    """What can be compared with a field."""

    TEXT = "text"
    CHOICE = "one of a few words"
    NUMBER = "number"
    FLAG = "true or false"
    TIME = "time"
    REFERENCE = "id"


class Field(Enum):
    """A field of an operation that can be compared."""

    STATE = "state"
    TYPE = "type"
    HOST = "host"
    DISPLAY_NAME = "display_name"
    STRATEGY = "strategy"
    LABEL = "labels"
    NOTES = "notes"
    ATTEMPT = "attempt"
    ATTACHED = "attached"
    CREATE_TIME = "create_time"
    START_TIME = "start_time"
    END_TIME = "end_time"
    UPDATE_TIME = "update_time"
    DATASET = "dataset"
    DATA_OPERATION = "data_operation"
    VERDICT = "verdict"
    ID = "id"
    ANY_TEXT = ""

    @property
    def kind(self) -> Kind:
        """What it can be compared with."""
        return _KINDS.get(self, Kind.TEXT)


_KINDS = {
    Field.STATE: Kind.CHOICE,
    Field.TYPE: Kind.CHOICE,
    Field.VERDICT: Kind.CHOICE,
    Field.ATTEMPT: Kind.NUMBER,
    Field.ATTACHED: Kind.FLAG,
    Field.CREATE_TIME: Kind.TIME,
    Field.START_TIME: Kind.TIME,
    Field.END_TIME: Kind.TIME,
    Field.UPDATE_TIME: Kind.TIME,
    Field.DATASET: Kind.REFERENCE,
    Field.DATA_OPERATION: Kind.REFERENCE,
}


class Operator(Enum):
    """How a field is compared."""

    EQUAL = "="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    LIKE = "like"
    """The text has these parts in this order: the first at its beginning, the last at its end."""
    CONTAINS = "contains"
    """The text contains the value; the case of the letters A to Z does not matter."""
    PRESENT = "present"
    """The label is there, the time is set, the text is not empty, there is such a dataset or verdict."""


ORDERING = frozenset({Operator.LESS, Operator.LESS_OR_EQUAL, Operator.GREATER, Operator.GREATER_OR_EQUAL})
"""These are never true of a label or a time that is not there."""

Value: TypeAlias = str | int | tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """One comparison.

    Attributes:
        field: What is compared.
        operator: How.
        value: With what: the number of an enum's value, a number, 0 or 1 for a flag, microseconds since the Unix epoch
            for a time, the parts of a text for `LIKE`, "" for `PRESENT`, a text otherwise.
        key: Key of the label; empty for other fields. A missing label equals the empty text.
    """

    field: Field
    operator: Operator
    value: Value
    key: str = ""


@dataclass(frozen=True)
class Not:
    """True if the part is not."""

    part: "Expression"


@dataclass(frozen=True)
class AllOf:
    """True if each part is; without parts it is true of everything."""

    parts: tuple["Expression", ...] = ()


@dataclass(frozen=True)
class AnyOf:
    """True if at least one part is."""

    parts: tuple["Expression", ...]


Expression: TypeAlias = Comparison | Not | AllOf | AnyOf
EVERYTHING = AllOf()
