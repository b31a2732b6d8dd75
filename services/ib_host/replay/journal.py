"""What the gateway has received, and what it did about it."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.common.clock import Clock, SystemClock
from services.ib_host.replay.journal_summary import JournalSummary

QueryChange = Literal["opened", "answered", "cancelled", "resumed", "dropped"]
"""How a query for history begins and ends.

`resumed`: it was held back, and is about to be opened anew; `dropped`: its client has left.
"""


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
        client_id: to whom; None until the client has said which it is, and where it happened to none alone.
        rule: name of the rule.
        action: what the rule does.
        fields: the message that it happened to; none for a greeting, or where the time alone made it happen.
    """

    time: datetime
    client_id: int | None
    rule: str
    action: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PacingViolation:
    """One message that came too fast, and was refused for it.

    Attributes:
        time: when, by the real clock, UTC.
        client_id: whose; None until the client has said which it is.
        rule: the limit that it broke: identical, contract, all, open or messages.
        fields: of the message.
    """

    time: datetime
    client_id: int | None
    rule: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueryEvent:
    """A query for history began or ended.

    Attributes:
        time: when, by the real clock, UTC.
        client_id: whose.
        request_id: its id.
        change: what happened.
    """

    time: datetime
    client_id: int | None
    request_id: int
    change: QueryChange


Event = ReceivedFrame | FiredRule | PacingViolation | QueryEvent
"""Anything that the journal notes."""


class Journal:
    """The frames, faults, violations and changes of queries that came last, oldest first, and a summary of all.

    Args:
        limit: how many of each are kept.
        clock: for the times.
        also: is given each event, too.

    Attributes:
        summary: over everything, also what is no longer kept.
    """

    def __init__(self, limit: int, *, clock: Clock | None = None, also: Callable[[Event], None] | None = None) -> None:
        self._frames: deque[ReceivedFrame] = deque(maxlen=limit)
        self._fired: deque[FiredRule] = deque(maxlen=limit)
        self._violations: deque[PacingViolation] = deque(maxlen=limit)
        self._queries: deque[QueryEvent] = deque(maxlen=limit)
        self._clock = clock or SystemClock()
        self._also = also
        self.summary = JournalSummary()

    @property
    def fired(self) -> list[FiredRule]:
        """The faults that happened."""
        return list(self._fired)

    @property
    def violations(self) -> list[PacingViolation]:
        """The messages that came too fast."""
        return list(self._violations)

    @property
    def queries(self) -> list[QueryEvent]:
        """How queries for history began and ended."""
        return list(self._queries)

    def record(self, client_id: int | None, fields: tuple[str, ...]) -> None:
        """Note a frame that has just come in."""
        frame = ReceivedFrame(self._clock.now(), client_id, fields)
        self._frames.append(frame)
        self.summary.frame(fields)
        self._pass_on(frame)

    def record_fault(self, client_id: int | None, *, rule: str, action: str, fields: tuple[str, ...]) -> None:
        """Note a fault that has just happened."""
        fired = FiredRule(self._clock.now(), client_id, rule, action, fields)
        self._fired.append(fired)
        self.summary.faults[action] += 1
        self._pass_on(fired)

    def record_violation(self, client_id: int | None, *, rule: str, fields: tuple[str, ...]) -> None:
        """Note a message that has just come too fast."""
        violation = PacingViolation(self._clock.now(), client_id, rule, fields)
        self._violations.append(violation)
        self.summary.violations[rule] += 1
        self._pass_on(violation)

    def record_query(self, client_id: int | None, request_id: int, change: QueryChange) -> None:
        """Note that a query has just begun or ended."""
        event = QueryEvent(self._clock.now(), client_id, request_id, change)
        self._queries.append(event)
        self.summary.query(change)
        self._pass_on(event)

    def of(self, message_id: int) -> list[ReceivedFrame]:
        """Return the frames with this message id."""
        return [frame for frame in self._frames if frame.fields[0] == str(int(message_id))]

    def _pass_on(self, event: Event) -> None:
        if self._also is not None:
            self._also(event)

    def __iter__(self) -> Iterator[ReceivedFrame]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)
