"""Folders of sessions that have ended, as a host would have left them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from google.protobuf import any_pb2
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1.session_pb2 import HOST_KIND_TRAINING, Session

from services.host.folder import SessionFolder
from services.host.records import SessionRecord, SettledRecord
from services.host.start_request import StartRequest
from tests.support.host_service import KIND


def write_finished_session(
    root: Path, session_id: str, number: int, end_time: datetime, *, request_id: str = ""
) -> SessionFolder:
    """Write the folder of a session that has completed.

    Args:
        root: Folder of all sessions of the host.
        session_id: Its id.
        number: Its place among all sessions, and among the finished ones.
        end_time: When it ended.
        request_id: What made its start idempotent.
    """
    folder = SessionFolder(root / session_id)
    folder.artifacts.mkdir(parents=True)
    (folder.artifacts / "model.bin").write_bytes(bytes(10_000))
    request = StartRequest(KIND, Struct(), session_id, request_id)
    spec = any_pb2.Any()
    spec.Pack(request.spec)
    create_time = end_time - timedelta(hours=1)
    record = SessionRecord(
        id=session_id,
        number=number,
        kind=KIND,
        attempt=1,
        labels={"made": "by hand"},
        request_id=request_id,
        body_sha256=request.body_sha256(),
        create_time=create_time,
        spec_type_url=spec.type_url,
        spec=spec.value,
    )
    message = Session(
        id=session_id, kind=HOST_KIND_TRAINING, state=Session.STATE_COMPLETED, attempt=1, labels=record.labels
    )
    message.create_time.FromDatetime(create_time)
    message.end_time.FromDatetime(end_time)
    result = Struct()
    result["number"] = number
    message.result.Pack(result)
    settled = SettledRecord(
        state="STATE_COMPLETED",
        end_time=end_time,
        finish_number=number,
        incarnation="",
        rows=0,
        session=message.SerializeToString(deterministic=True),
    )
    folder.session_record.write_bytes(record.to_bytes())
    folder.settled_record.write_bytes(settled.to_bytes())
    return folder


def days_ago(days: float) -> datetime:
    """Return the time that was so many days ago."""
    return datetime.now(UTC) - timedelta(days=days)
