"""Describe the files that a process writes into the folder of the session that it opened."""

from datetime import datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field

from services.host.records import Record, ResultRecord

NO_PROCESS: Final = 0


def _tellable(time: datetime) -> datetime:
    """Refuse times that no message can carry."""
    if not 1970 <= time.year <= 9_998:
        message = "the year is out of range"
        raise ValueError(message)
    return time


Time = Annotated[AwareDatetime, AfterValidator(_tellable)]
"""A time with a zone, written by a process that may do as it likes."""


_EXCEPTION_CHARACTERS: Final = 300


class AttachedRecord(Record):
    """attached.json: who opened the session, and what it is called.

    Attributes:
        id: The session's id, which is the folder's name.
        display_name: Name for people.
        labels: The opener's labels.
        create_time: When it was opened.
        pid: The process that opened it.
        start_ticks: When that began, in clock ticks since boot; 0 where the system does not tell.
        boot_id: The boot that these belong to; empty where the system does not tell.
        command: Its command line.
    """

    id: str
    display_name: str = Field(default="", max_length=256)
    labels: dict[str, str] = Field(default={}, max_length=64)
    create_time: Time
    pid: int = Field(ge=NO_PROCESS, lt=2**31)
    start_ticks: int = 0
    boot_id: str = ""
    command: str = ""


class AttachedResult(ResultRecord):
    """result.json of such a session.

    Attributes:
        ended_at: When it ended, by the clock of the process.
    """

    ended_at: Time | None = None

    @property
    def exception(self) -> str:
        """What the work failed with, as far as it is told."""
        told = self.error.parameters.get("exception", "") if self.error is not None else ""
        return str(told)[:_EXCEPTION_CHARACTERS] or "an exception"
