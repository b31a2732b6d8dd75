"""Describe the small JSON files of a session's folder."""

import errno
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from google.protobuf.message import DecodeError
from ktrdr.host.v1.session_pb2 import Session, SessionOptions
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError


def _decodable(kind: type[Session] | type[SessionOptions]) -> AfterValidator:
    """Refuse bytes that are no message of this kind."""

    def check(content: bytes) -> bytes:
        try:
            kind.FromString(content)
        except DecodeError as error:
            message = f"no {kind.DESCRIPTOR.full_name}"
            raise ValueError(message) from error
        return content

    return AfterValidator(check)


class Record(BaseModel):
    """A JSON file that is written whole and replaced atomically, never changed in place."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        return self.model_dump_json(indent=2).encode() + b"\n"

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read the file.

        Returns:
            The record, or None where there is no such file or it does not hold one: a reader of damaged files goes on
            with what is left.

        Raises:
            OSError: The file is there, and cannot be read now.
        """
        try:
            return cls.read(path)
        except RecordDamagedError:
            return None

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read the file.

        Returns:
            The record, or None where there is no such file.

        Raises:
            RecordDamagedError: There is something else.
            OSError: The file is there, and cannot be read now.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except IsADirectoryError:
            raise RecordDamagedError(path, "it is a folder") from None
        except ValidationError:
            raise RecordDamagedError(path, "its content is damaged") from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise RecordDamagedError(path, "it is a link that leads to itself") from None
            raise


class RecordDamagedError(Exception):
    """There is something where a record should be, and it is none, and never will be.

    Attributes:
        path: Where.
        cause: What is there, as the end of a sentence.
    """

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(f"{path}: {cause}")
        self.path = path
        self.cause = cause


class SessionRecord(Record):
    """session.json: what was accepted.

    Attributes:
        id: The session's id.
        number: Place among all sessions of the host, in the order they were accepted.
        kind: Kind of work, such as "training".
        attempt: Number of the attempt, from 1.
        labels: The starter's labels.
        request_id: What made the start idempotent; empty where the id alone does.
        body_sha256: Digest of all that was asked, to tell a repeated start from another one.
        create_time: When it was accepted, UTC.
        spec_type_url: Type of the spec, as in google.protobuf.Any.
        spec: The spec, serialized.
        options: What it gets to work with: a `ktrdr.host.v1.SessionOptions`, serialized; empty where nothing was said.
        display_name: Name for people; empty where it has none.
        attached: A process of the user's own opened it; the host did not start it.
    """

    id: str
    number: int
    kind: str
    attempt: int
    labels: dict[str, str]
    request_id: str
    body_sha256: str
    create_time: datetime
    spec_type_url: str
    spec: bytes
    options: Annotated[bytes, _decodable(SessionOptions)] = b""
    display_name: str = ""
    attached: bool = False


class StartRecord(Record):
    """started.json: that the session left the queue.

    Attributes:
        start_time: When it did, UTC.
        devices: Devices that it has for itself from then on, by name.
    """

    start_time: datetime
    devices: list[str] = []


class WorkerRecord(Record):
    """worker.json: which processes work on the session.

    Attributes:
        keeper_pid: The process that waits for the worker.
        keeper_start_ticks: When the keeper began, in the kernel's own count since boot; 0 where that is not told.
        worker_pid: The worker, which leads a process group of the same number; None until it was started.
        worker_start_ticks: When the worker began.
        boot_id: Which boot of the machine the ticks belong to; empty where that is not told.
    """

    keeper_pid: int
    keeper_start_ticks: int = 0
    worker_pid: int | None = None
    worker_start_ticks: int = 0
    boot_id: str = ""


class InterruptionRecord(Record):
    """interrupted.json: that the worker did not stop by itself when it was asked to.

    Attributes:
        interrupted_at: When it was sent SIGTERM, UTC.
    """

    interrupted_at: datetime


class ExitRecord(Record):
    """exit.json: how the worker's process ended.

    Attributes:
        code: Its exit code, or None where a signal ended it.
        signal: Number of that signal.
        max_rss_bytes: Most memory it held.
        ended_at: When, UTC.
        oom_kills: Processes that the kernel ended for want of memory while the worker ran.
        oom_scope: Where they were counted: "group", the worker's control group, or "machine".
        memory_limit_bytes: Most memory for data that each of its processes was allowed; 0 for no limit.
    """

    code: int | None
    signal: int | None
    max_rss_bytes: int
    ended_at: datetime
    oom_kills: int = 0
    oom_scope: str = ""
    memory_limit_bytes: int = 0


class FieldRecord(Record):
    """A field of the spec that the worker found wrong."""

    field: str
    description: str


class ErrorRecord(Record):
    """Why the work failed, in the terms of the error catalogue.

    Attributes:
        reason: Name of the reason, without its prefix.
        parameters: What the catalogue's text is filled with.
        fields: Fields of the spec at fault.
    """

    reason: str
    parameters: dict[str, str | int | float] = {}
    fields: list[FieldRecord] = []


class ResultRecord(Record):
    """result.json: how the work ended, in the worker's own words.

    Attributes:
        outcome: What became of it.
        result: The typed result as protobuf JSON with "@type".
        error: Why it failed.
    """

    outcome: Literal["completed", "cancelled", "failed"]
    result: dict[str, object] | None = None
    error: ErrorRecord | None = None


class InputRecord(Record):
    """A dataset, as it was when the session read it.

    Attributes:
        fingerprint: Digest of all of it.
        name: Its name for people.
        bars: Bars that were read of it.
    """

    fingerprint: str
    name: str
    bars: int


class InputsRecord(Record):
    """inputs.json: the datasets that the session reads."""

    inputs: list[InputRecord]


class SettledRecord(Record):
    """settled.json: the final state of the session.

    Attributes:
        state: Name of the state, for people.
        end_time: When the work ended, UTC.
        finish_number: Place among the host's finished sessions.
        incarnation: The journal's id; empty where none was written.
        rows: Where the journal ends: the number of its rows.
        session: The final `ktrdr.host.v1.Session`, serialized, without points.
    """

    state: str
    end_time: datetime
    finish_number: int
    incarnation: str
    rows: int
    session: Annotated[bytes, _decodable(Session)]
