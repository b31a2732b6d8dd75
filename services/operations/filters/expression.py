"""What a parsed filter consists of."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class Field(Enum):
    """A field of an operation that can be compared."""

    STATE = "state"
    TYPE = "type"
    HOST = "host"
    DISPLAY_NAME = "display_name"
    LABEL = "labels"


@dataclass(frozen=True)
class Comparison:
    """One comparison.

    Attributes:
        field: What is compared.
        label: Key of the label; empty for other fields.
        equal: True for "=", False for "!=".
        value: A number for `STATE` and `TYPE` (the enum's), a text otherwise. A missing label counts as empty.
    """

    field: Field
    label: str
    equal: bool
    value: str | int


@dataclass(frozen=True)
class AllOf:
    """True if each part is; without parts it is true of everything."""

    parts: tuple["Expression", ...] = ()


@dataclass(frozen=True)
class AnyOf:
    """True if at least one part is."""

    parts: tuple["Expression", ...]


Expression: TypeAlias = Comparison | AllOf | AnyOf
