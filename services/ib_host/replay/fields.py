"""Values as text fields, in both directions."""

from collections.abc import Sequence

Field = str | int | float | bool | None
"""A value of a reply before it is written; None is an unset field."""


class MalformedRequestError(Exception):
    """A request has too few fields, or a field of the wrong type."""


def encode_field(value: Field) -> str:
    """Return the text of one field: flags as 1 and 0, unset as empty, floats at full precision."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return repr(value)
    return str(value)


class FieldReader:
    """Reads the fields of one request in order.

    `request_id` is the id that `read_request_id` has met, or -1: whatever goes wrong later can be answered under it.
    """

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self._next = 0
        self.request_id = -1

    def text(self) -> str:
        """Read a text field.

        Raises:
            MalformedRequestError: no field is left; so do all the other reading methods.
        """
        if self._next >= len(self._fields):
            message = f"field {self._next + 1} is missing"
            raise MalformedRequestError(message)
        self._next += 1
        return self._fields[self._next - 1]

    def integer(self) -> int:
        """Read a whole number; an unset field is 0."""
        text = self.text()
        try:
            return int(text or 0)
        except ValueError as error:
            raise MalformedRequestError(self._complaint(text, "a whole number")) from error

    def number(self) -> float:
        """Read a number; an unset field is 0."""
        text = self.text()
        try:
            return float(text or 0)
        except ValueError as error:
            raise MalformedRequestError(self._complaint(text, "a number")) from error

    def flag(self) -> bool:
        """Read a flag: 1 or 0; unset is 0."""
        return self.integer() != 0

    def skip(self, count: int = 1) -> None:
        """Pass over `count` fields, a version of the message for instance."""
        for _ in range(count):
            self.text()

    def read_request_id(self) -> int:
        """Read the id under which the client wants its answer, and remember it as `request_id`."""
        self.request_id = self.integer()
        return self.request_id

    def _complaint(self, text: str, wanted: str) -> str:
        return f"field {self._next} should be {wanted}: {text!r}"
