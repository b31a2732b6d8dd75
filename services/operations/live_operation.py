"""An operation in memory, while it is worked on and shortly after."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from google.rpc import status_pb2
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.new_points import JournalPositions, NewPoints
from services.operations.operation_state import OperationState

Change = Callable[[OperationState], None]
"""Changes a state in place. It may be applied to several copies, so it must not look at anything else that changes."""


class ShownPoints(NamedTuple):
    """Points of one journal, packed, and the revision at which they are shown."""

    revision: int
    incarnation: str
    first_seq: int
    last_seq: int
    values: int
    data: bytes

    @classmethod
    def of(cls, points: NewPoints, revision: int) -> Self:
        """Return points as they are kept."""
        return cls(revision, points.incarnation, points.first_seq, points.last_seq, points.count, points.packed())


@dataclass(eq=False)
class LiveOperation:
    """An operation in memory.

    Attributes:
        id: Id of the operation.
        attempt: Number of its attempt.
        state: What is shown.
        positions: How far the journals of the latest attempt have been taken in.
        stored_points: Points of the latest attempt that have been taken in.
        shown_points: Those of them that the store does not have yet, in order.
        hidden: Its creator has not been answered yet, and may still be refused: it is stored, and shown to nobody.
        seen_at: Monotonic time at which its host last told something about it; None in a new life of the registry.
        accepted_at: Monotonic time at which its host was first known to have the session; None before.
        first_answer: What the creator waits for: the host's refusal, or None once it is clear that there is none. No
            future once the creator was answered.
        lost_until: Monotonic time at which the grace of its loss is over; None while there is no evidence of any.
        withdrawn: It is an attempt that was taken back: its host refused it while its creator waited. Nothing of it is
            stored any more.
        staged: Changes on their way into the store, in order. They are shown when they are stored.
    """

    id: str = field(init=False)
    attempt: int = field(init=False)
    state: OperationState
    positions: JournalPositions = field(default_factory=JournalPositions)
    stored_points: int = 0
    shown_points: list[ShownPoints] = field(default_factory=list)
    hidden: bool = False
    seen_at: float | None = None
    accepted_at: float | None = None
    first_answer: asyncio.Future[status_pb2.Status | None] | None = None
    lost_until: float | None = None
    withdrawn: bool = False
    staged: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Take out of the message what never changes: it is asked for all the time."""
        record = self.state.record
        self.id, self.attempt = record.id, record.attempt

    @property
    def record(self) -> pb.Operation:
        """The operation as it is told."""
        return self.state.record

    def take_points(self, points: NewPoints) -> None:
        """Count points, so that they are known when they come again."""
        self.positions.next_seq[points.incarnation] = points.last_seq + 1
        self.stored_points += points.count

    def points_stored(self, revision: int) -> None:
        """Take note that points that are shown up to `revision` are in the store."""
        self.shown_points = [shown for shown in self.shown_points if shown.revision > revision]

    def answer_creator(self, refusal: status_pb2.Status | None) -> bool:
        """Tell the waiting creator how the host answered; return False if nobody waits any more."""
        if self.first_answer is None or self.first_answer.done():
            return False
        self.first_answer.set_result(refusal)
        return True

    @property
    def refused(self) -> bool:
        """A host refused it while its creator waited; it is about to be forgotten."""
        answer = self.first_answer
        return answer is not None and answer.done() and answer.result() is not None

    def image(self, revision: int | None) -> OperationState:
        """Return the state with all staged changes, as it is to be stored.

        Args:
            revision: Revision of the staged changes; None if there are none to be told of.
        """
        image = self.state.copy()
        for change in self.staged:
            if not image.ended:
                change(image)
        if revision is not None:
            image.record.revision = revision
        return image
