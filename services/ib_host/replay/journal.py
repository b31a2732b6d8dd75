"""What the gateway has received, and what it did wrong on purpose."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from services.common.clock import Clock, SystemClock


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


@dataclass(frozen=True, slots=True)
class FiredRule:
    """One fault that happened.

    Attributes:
        time: when, by the real clock, UTC.
        client_id: to whom; None until the client has said which it is.
        rule: name of the rule.
        action: what the rule does.
        fields: the message that it happened to; none for a greeting.
    """

    time: datetime
    client_id: int | None
    rule: str
    action: str
    fields: tuple[str, ...]


class Journal:
    """The frames received last, and the faults that happened last, oldest first.

    Args:
        limit: how many of each are kept.
        clock: for the times.
    """

    def __init__(self, limit: int, *, clock: Clock | None = None) -> None:
        self._frames: deque[ReceivedFrame] = deque(maxlen=limit)
        self._fired: deque[FiredRule] = deque(maxlen=limit)
        self._clock = clock or SystemClock()

    @property
    def fired(self) -> list[FiredRule]:
        """The faults that happened."""
        return list(self._fired)

    def record(self, client_id: int | None, fields: tuple[str, ...]) -> None:
        """Note a frame that has just come in."""
        self._frames.append(ReceivedFrame(self._clock.now(), client_id, fields))

    def record_fault(self, client_id: int | None, *, rule: str, action: str, fields: tuple[str, ...]) -> None:
        """Note a fault that has just happened."""
        self._fired.append(FiredRule(self._clock.now(), client_id, rule, action, fields))

    def of(self, message_id: int) -> list[ReceivedFrame]:
        """Return the frames with this message id."""
        return [frame for frame in self._frames if frame.fields[0] == str(int(message_id))]

    def __iter__(self) -> Iterator[ReceivedFrame]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)
