"""What a host announces of itself, checked."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import FieldViolation, ServiceError
from services.common.timestamps import to_timedelta
from services.operations.host_address import is_address, is_host_name

DEFAULT_LEASE: Final = timedelta(seconds=60)
SHORTEST_LEASE: Final = timedelta(seconds=1)
LONGEST_LEASE: Final = timedelta(hours=24)

_UID: Final = re.compile(r"[A-Za-z0-9._:-]{0,128}")


@dataclass(frozen=True)
class AnnouncedHost:
    """An announcement.

    Attributes:
        name: Name to follow the host under.
        address: HOST:PORT.
        host_uid: Its identity; empty if whatever answers there is taken.
        lease: How long to follow it without another announcement.
    """

    name: str
    address: str
    host_uid: str
    lease: timedelta

    def __str__(self) -> str:
        """As messages name it."""
        return f"the one at {self.address}{f' ({self.host_uid})' if self.host_uid else ''}"


def checked_announcement(request: pb.RegisterHostRequest) -> AnnouncedHost:
    """Return what a request announces.

    Raises:
        ServiceError: INVALID_REQUEST, with each wrong field.
    """
    lease = to_timedelta(request.lease) if request.HasField("lease") else DEFAULT_LEASE
    checks = {
        "name": (is_host_name(request.name), "letters, digits, '.', '_' and '-', at most 64, such as gpu-1"),
        "address": (is_address(request.address), "HOST:PORT, such as 10.0.0.7:5002"),
        "host_uid": (_UID.fullmatch(request.host_uid) is not None, "the host's own identity (Host.host_uid), or empty"),
        "lease": (SHORTEST_LEASE <= lease <= LONGEST_LEASE, "from 1 s to 24 h"),
    }
    wrong = [FieldViolation(field, description) for field, (good, description) in checks.items() if not good]
    if wrong:
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=wrong)
    return AnnouncedHost(request.name, request.address, request.host_uid, lease)
