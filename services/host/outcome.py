"""Write down how a session's work ended: the last thing that its worker does."""

from google.protobuf import any_pb2, json_format
from google.protobuf.message import Message

from services.common.errors import ServiceError, reason_name
from services.common.files import write_atomically
from services.host.folder import SessionFolder
from services.host.records import ErrorRecord, FieldRecord, ResultRecord


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


def _write(session: SessionFolder, record: ResultRecord) -> None:
    """Write the record unless there is one: the first word on how the work ended is the one that counts."""
    if not session.result_record.exists():
        write_atomically(session.result_record, record.to_bytes())


def _to_json(result: Message) -> dict[str, object]:
    packed = any_pb2.Any()
    packed.Pack(result)
    content: dict[str, object] = json_format.MessageToDict(packed, preserving_proto_field_name=True)
    return content
