"""Write down how a session's work ended: the last thing that its worker does."""

import contextlib
import errno
import os
from typing import Final

from google.protobuf import any_pb2, json_format
from google.protobuf.message import Message

from services.common.errors import ServiceError, reason_name
from services.common.files import sync_folder, write_atomically
from services.host.folder import SessionFolder
from services.host.records import ErrorRecord, FieldRecord, ResultRecord

RESERVED_BYTES: Final = 64 * 1024


def write_completed(session: SessionFolder, result: Message) -> None:
    """Record that the work is done.

    Raises:
        OSError: The record cannot be written.
    """
    _write(session, ResultRecord(outcome="completed", result=_to_json(result)))


def write_cancelled(session: SessionFolder, partial: Message | None) -> None:
    """Record that the work stopped on request, with what it has produced until then.

    Raises:
        OSError: The record cannot be written.
    """
    _write(session, ResultRecord(outcome="cancelled", result=None if partial is None else _to_json(partial)))


def write_failed(session: SessionFolder, error: ServiceError, partial: Message | None) -> None:
    """Record why the work failed, with what it has produced until then.

    Raises:
        OSError: The record cannot be written.
    """
    record = ErrorRecord(
        reason=reason_name(error.reason),
        parameters=dict(error.parameters),
        fields=[FieldRecord(field=field, description=description) for field, description in error.fields],
    )
    _write(session, ResultRecord(outcome="failed", result=None if partial is None else _to_json(partial), error=record))


def reserve_outcome(session: SessionFolder) -> None:
    """Take space for the record while there is some: a disk that is full at the end of the work then hides nothing."""
    with contextlib.suppress(OSError):
        session.result_reserve.write_bytes(b" " * RESERVED_BYTES)


def _write(session: SessionFolder, record: ResultRecord) -> None:
    """Write the record unless there is one: the first word on how the work ended is the one that counts."""
    if session.result_record.exists():
        return
    content = record.to_bytes()
    try:
        write_atomically(session.result_record, content)
    except OSError as error:
        try:
            _write_into_reserve(session, content)
        except OSError:
            raise error from None
    else:
        with contextlib.suppress(OSError):
            session.result_reserve.unlink()


def _write_into_reserve(session: SessionFolder, content: bytes) -> None:
    if len(content) > RESERVED_BYTES:
        message = f"{len(content)} bytes are more than were reserved"
        raise OSError(errno.ENOSPC, message)
    with session.result_reserve.open("r+b") as file:
        file.write(content)  # what was reserved and is left behind it is white space, which JSON allows
        file.flush()
        os.fsync(file.fileno())
    session.result_reserve.replace(session.result_record)
    sync_folder(session.path)


def _to_json(result: Message) -> dict[str, object]:
    packed = any_pb2.Any()
    packed.Pack(result)
    content: dict[str, object] = json_format.MessageToDict(packed, preserving_proto_field_name=True)
    return content
