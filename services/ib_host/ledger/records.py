"""What is written down about a stretch of time that was asked for."""

from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator


class SpanOutcome(StrEnum):
    """What came of asking."""

    DONE = "done"
    """The gateway sent bars, and they are stored."""
    EMPTY = "empty"
    """The gateway said that it has none."""
    FAILED = "failed"
    """There was no answer; the reason says why."""


class SpanRecord(BaseModel):
    """A stretch of time that was asked for.

    Attributes:
        start, end: [start, end), UTC: bars that start in it are meant.
        outcome: what came of it.
        received: bars that came for it.
        new: of these, bars that were not stored before.
        reason: why it failed, for people; empty where it did not.
        time: when it was over.
        request: what was asked, for people: "2013-03-01 05:00 UTC, 1 Y, 1 day TRADES rth".
        session: id of the session that asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: AwareDatetime
    end: AwareDatetime
    outcome: SpanOutcome
    received: int = Field(default=0, ge=0)
    new: int = Field(default=0, ge=0)
    reason: str = ""
    time: AwareDatetime
    request: str
    session: str

    @property
    def known(self) -> bool:
        """Whether there is nothing more to ask: bars came, or there are none."""
        return self.outcome is not SpanOutcome.FAILED

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.start >= self.end:
            message = "a record needs a start before its end"
            raise ValueError(message)
        return self


class Invalidation(BaseModel):
    """From here on nothing is known of a stretch of time, whatever was written before.

    Attributes:
        start, end: [start, end), UTC.
        invalid: why, for people; the field that tells these lines from records.
        time: when it was written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: AwareDatetime
    end: AwareDatetime
    invalid: str
    time: AwareDatetime

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.start >= self.end:
            message = "an invalidation needs a start before its end"
            raise ValueError(message)
        return self


Entry = SpanRecord | Invalidation
"""A line of the ledger."""
