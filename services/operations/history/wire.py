"""Numbers as protobuf has them on the wire, whole columns at once.

To hand a column to a message number by number costs more than everything else about an answer. So the bytes of its
fields are put together here, and the parser takes them in as they are.
"""

from typing import Final

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from services.operations.history.tables import Integers

Part = bytes | memoryview
"""Bytes, or the memory of an array of numbers, which are little-endian and next to each other."""

_DELIMITED: Final = 2
"""Wire type of messages, texts, bytes and packed numbers."""
_VARINT_BYTES: Final = 10
"""Most bytes of a number of 64 bits with seven of them in each."""


class FieldStart:
    """What stands before the bytes of a field: the number of the field with its wire type, and their length.

    Args:
        message: Type of the message that has the field.
        field: Name of a field of messages, texts, bytes or packed numbers.
    """

    def __init__(self, message: type[Message], field: str) -> None:
        self._tag = varint(message.DESCRIPTOR.fields_by_name[field].number << 3 | _DELIMITED)

    def before(self, size: int) -> bytes:
        """Return what stands before a content of so many bytes."""
        return self._tag + varint(size)

    def of(self, content: bytes) -> bytes:
        """Return the field with this content; nothing where there is none, as protobuf has it for packed numbers."""
        return self.before(len(content)) + content if content else b""


class Parts:
    """Bytes of a message in parts: large ones are copied once only, when everything is put together.

    Args:
        *parts: The first ones.

    Attributes:
        parts: All of them.
        size: Bytes of all of them.
    """

    def __init__(self, *parts: Part) -> None:
        self.size = 0
        self.parts: list[Part] = []
        for part in parts:
            self.add(part)

    def add(self, part: Part) -> None:
        """Append bytes."""
        self.size += part.nbytes if isinstance(part, memoryview) else len(part)
        self.parts.append(part)

    def add_all(self, other: "Parts") -> None:
        """Append the parts of another message."""
        self.size += other.size
        self.parts += other.parts

    def add_field(self, field: FieldStart, other: "Parts") -> None:
        """Append a message, or a column, as a field."""
        self.add(field.before(other.size))
        self.add_all(other)

    def add_column(self, field: FieldStart, column: Part) -> None:
        """Append a packed column of numbers; nothing where it is empty."""
        if len(column):
            self.add_field(field, Parts(column))

    def joined(self) -> bytes:
        """Return the bytes."""
        return b"".join(self.parts)


def varint(number: int) -> bytes:
    """Return a number, at least 0, as a varint."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def zigzag(numbers: Integers) -> NDArray[np.uint64]:
    """Return signed numbers as protobuf's `sint64` has them: 0, -1, 1, -2 … become 0, 1, 2, 3 …."""
    return ((numbers << 1) ^ (numbers >> 63)).astype(np.uint64)


def varints(numbers: NDArray[np.uint64]) -> bytes:
    """Return numbers as varints, one after the other."""
    if not len(numbers):
        return b""
    most = varint_bytes(int(numbers.max()))
    if most == 1:
        return numbers.astype(np.uint8).tobytes()
    septets = np.empty((len(numbers), most), np.uint8)
    present = np.empty((len(numbers), most), np.bool_)
    rest = numbers
    for place in range(most):
        later = rest >> np.uint64(7)
        septets[:, place] = (rest & np.uint64(0x7F)) | ((later != 0).astype(np.uint64) << np.uint64(7))
        present[:, place] = rest != 0
        rest = later
    present[:, 0] = True
    return septets[present].tobytes()


def varint_bytes(number: int) -> int:
    """Return how many bytes a number, at least 0, takes as a varint."""
    return min(_VARINT_BYTES, max(1, -(-number.bit_length() // 7)))
