"""What is asked of a host when a session is started, and whether it was asked before."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from google.protobuf import json_format
from google.protobuf.message import Message
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import SessionOptions

from services.common.errors import FieldViolation, ServiceError
from services.common.identity import checked_id, checked_request_id
from services.host.records import SessionRecord
from services.host.session_options import check_options

REQUEST_ID_LIFETIME: Final = timedelta(hours=24)
_LABEL_LIMIT: Final = 64
_LABEL_LENGTH_LIMIT: Final = 256
_ATTEMPT_LIMIT: Final = 2**31


@dataclass(frozen=True)
class StartRequest:
    """A request to start a session.

    Attributes:
        kind: Kind of work.
        spec: What to do.
        session_id: Id that the starter chose; empty to let the host choose.
        request_id: Makes the request idempotent for 24 hours; empty if the session id alone does.
        attempt: Number of the attempt, 0 for 1.
        labels: Labels to keep with the session.
        options: What it should get to work with; None where nothing is said.
        continues: Session whose work it goes on with; empty where it begins anew.
    """

    kind: str
    spec: Message
    session_id: str = ""
    request_id: str = ""
    attempt: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    options: SessionOptions | None = None
    continues: str = ""

    def check(self) -> None:
        """Check what every kind of start has in common.

        Raises:
            ServiceError: INVALID_REQUEST, with the fields at fault.
        """
        if self.session_id:
            checked_id(self.session_id, field="session_id")
        checked_request_id(self.request_id)
        check_options(self.options or SessionOptions())
        faults = []
        if self.attempt >= _ATTEMPT_LIMIT:
            faults.append(FieldViolation("attempt", f"{self.attempt} is not below {_ATTEMPT_LIMIT}"))
        if len(self.labels) > _LABEL_LIMIT:
            faults.append(FieldViolation("labels", f"more than {_LABEL_LIMIT} labels"))
        for name, value in self.labels.items():
            if not name or len(name) > _LABEL_LENGTH_LIMIT or len(value) > _LABEL_LENGTH_LIMIT:
                faults.append(
                    FieldViolation(
                        f"labels[{name[:40]!r}]", f"name and value have at most {_LABEL_LENGTH_LIMIT} characters"
                    )
                )
        if faults:
            raise ServiceError(
                ErrorReason.ERROR_REASON_INVALID_REQUEST,
                fields=faults,
                detail=f"{faults[0].field}: {faults[0].description}",
            )

    def body_sha256(self) -> str:
        """Return a digest of all that is asked, to tell a repeated request from another one."""
        body: dict[str, object] = {
            "kind": self.kind,
            "session_id": self.session_id,
            "attempt": max(1, self.attempt),
            "labels": dict(self.labels),
            # JSON and not the wire format, whose bytes may differ between versions of the library.
            "spec": json_format.MessageToDict(self.spec),
        }
        if self.options is not None and self.options.ListFields():
            # Not there at all otherwise: what was started before there were options keeps its digest.
            body["options"] = json_format.MessageToDict(self.options)
        if self.continues:
            body["continues"] = self.continues
        return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


class AcceptedStarts:
    """Remembers what was accepted, to answer a repeated start with its session."""

    def __init__(self) -> None:
        self._by_session: dict[str, SessionRecord] = {}
        self._by_request: dict[str, SessionRecord] = {}

    def add(self, record: SessionRecord) -> None:
        """Remember a start."""
        self._by_session[record.id] = record
        if record.request_id:
            newest = self._by_request.get(record.request_id)
            if newest is None or newest.number < record.number:
                self._by_request[record.request_id] = record

    def remove(self, record: SessionRecord) -> None:
        """Forget a start that failed after all."""
        self._by_session.pop(record.id, None)
        if self._by_request.get(record.request_id) is record:
            del self._by_request[record.request_id]

    def find(self, request: StartRequest, now: datetime) -> SessionRecord | None:
        """Return what the same request was answered with before.

        Raises:
            ServiceError: REQUEST_ID_REUSED or SESSION_EXISTS, where the id was used with another body.
        """
        body = request.body_sha256()
        by_request = self._by_request.get(request.request_id) if request.request_id else None
        if by_request is not None and now - by_request.create_time < REQUEST_ID_LIFETIME:
            if by_request.body_sha256 != body:
                raise ServiceError(ErrorReason.ERROR_REASON_REQUEST_ID_REUSED, request_id=request.request_id)
            return by_request
        by_session = self._by_session.get(request.session_id) if request.session_id else None
        if by_session is not None and by_session.body_sha256 != body:
            raise ServiceError(ErrorReason.ERROR_REASON_SESSION_EXISTS, session_id=request.session_id)
        return by_session
