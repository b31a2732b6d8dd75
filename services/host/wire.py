"""Join serialized messages: the bytes of a message are the bytes of its fields, in any order and in parts."""

from typing import Final

from google.protobuf.message import Message

_DELIMITED: Final = 2
"""Wire type of messages, texts, bytes and packed numbers."""


class FieldStart:
    """What stands before the bytes of a field: the number of the field with its wire type, and their length.

    Args:
        message: Type of the message that has the field.
        field: Name of a field of messages, texts, bytes or packed numbers.
    """

    def __init__(self, message: type[Message], field: str) -> None:
        self._tag = _varint(message.DESCRIPTOR.fields_by_name[field].number << 3 | _DELIMITED)

    def of(self, size: int) -> bytes:
        """Return what stands before so many bytes."""
        return self._tag + _varint(size)


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    return bytes((number & 0x7F | 0x80,)) + _varint(number >> 7)
