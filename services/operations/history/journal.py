"""Where points come from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Journal:
    """A journal of an operation.

    Attributes:
        operation_id: The operation.
        attempt: Its attempt.
        ordinal: Place of the journal among those of the attempt: the number under which the attempt met it.
        incarnation: Its id.
    """

    operation_id: str
    attempt: int
    ordinal: int
    incarnation: str
