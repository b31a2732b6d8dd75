"""What the gateway has received."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """One frame from a client.

    Attributes:
        time: when it came in, by the real clock, UTC.
        client_id: None until the client has said which it is.
        fields: as received; the first is the message id.
    """

    time: datetime
    client_id: int | None
    fields: tuple[str, ...]


class Journal:
    """The frames received last, oldest first.

    Args:
        limit: how many are kept.
    """

    def __init__(self, limit: int) -> None:
        self._frames: deque[ReceivedFrame] = deque(maxlen=limit)

    def record(self, client_id: int | None, fields: tuple[str, ...]) -> None:
        """Note a frame that has just come in."""
        self._frames.append(ReceivedFrame(datetime.now(UTC), client_id, fields))

    def of(self, message_id: int) -> list[ReceivedFrame]:
        """Return the frames with this message id."""
        return [frame for frame in self._frames if frame.fields[0] == str(int(message_id))]

    def __iter__(self) -> Iterator[ReceivedFrame]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)
