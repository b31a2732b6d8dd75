"""Sessions as a host has accepted them."""

from datetime import UTC, datetime
from typing import Any, Final

from services.host.records import SessionRecord

_ORDINARY: Final[dict[str, Any]] = {
    "id": "one",
    "number": 1,
    "kind": "training",
    "attempt": 1,
    "labels": {},
    "request_id": "",
    "body_sha256": "",
    "create_time": datetime(2024, 1, 2, tzinfo=UTC),
    "spec_type_url": "",
    "spec": b"",
}


def session_record(**different: Any) -> SessionRecord:
    """Return the record of a session about which nothing is special but what is named."""
    return SessionRecord(**_ORDINARY | different)
