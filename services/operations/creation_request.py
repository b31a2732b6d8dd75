"""What a request to create an operation may carry."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1.trends_pb2 import VerdictKind

from services.common.errors import FieldViolation, ServiceError
from services.common.identity import checked_request_id
from services.common.timestamps import to_timedelta

_LONGEST_NAME: Final = 200
MOST_LABELS: Final = 64
_LABEL_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")
_LONGEST_LABEL: Final = 255
_MOST_NICENESS: Final = 19


def checked_request(request: pb.CreateOperationRequest) -> None:
    """Check everything that needs no host.

    Raises:
        ServiceError: INVALID_REQUEST with all fields that are wrong.
    """
    checked_request_id(request.request_id)
    violations = [
        *name_violations(request.display_name),
        *label_violations(request.labels, "labels"),
        *_option_violations(request),
    ]
    if request.WhichOneof("spec") is None:
        violations.append(FieldViolation("spec", "set training or data_load"))
    violations += _stop_violations(request)
    if violations:
        detail = " ".join(f"{field}: {description}." for field, description in violations)
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=violations, detail=detail)


def name_violations(name: str) -> list[FieldViolation]:
    """Tell what is wrong with a name for people."""
    if len(name) <= _LONGEST_NAME and name.isprintable():
        return []
    return [FieldViolation("display_name", f"at most {_LONGEST_NAME} printable characters")]


def label_violations(labels: Mapping[str, str], field: str) -> list[FieldViolation]:
    """Tell what is wrong with labels.

    Args:
        labels: The labels.
        field: Name of the field that has them.
    """
    if len(labels) > MOST_LABELS:
        return [FieldViolation(field, f"at most {MOST_LABELS} labels")]
    violations = []
    for key, value in sorted(labels.items()):
        if not _LABEL_KEY.fullmatch(key):
            rule = 'a key has up to 63 letters, digits, ".", "_", "/" and "-", and begins with a letter or digit'
            violations.append(FieldViolation(f"{field}[{key[:63]!r}]", rule))
        elif len(value) > _LONGEST_LABEL or not value.isprintable():
            violations.append(FieldViolation(f"{field}[{key!r}]", f"at most {_LONGEST_LABEL} printable characters"))
    return violations


def _option_violations(request: pb.CreateOperationRequest) -> list[FieldViolation]:
    """Tell what no host would take. What a host has to give is its own to say."""
    options, violations = request.options, []
    if options.niceness > _MOST_NICENESS:
        violations.append(FieldViolation("options.niceness", f"0 to {_MOST_NICENESS}"))
    if options.HasField("timeout") and to_timedelta(options.timeout) <= timedelta(0):
        violations.append(FieldViolation("options.timeout", "more than zero; leave it out for no limit"))
    return violations


def _stop_violations(request: pb.CreateOperationRequest) -> list[FieldViolation]:
    known = set(VerdictKind.values()) - {VerdictKind.VERDICT_KIND_UNSPECIFIED}
    every = VerdictKind.VERDICT_KIND_BEST_EPOCH
    found_in_all = "is found in every training; VERDICT_KIND_PLATEAU stops one that gets no better"
    return [
        FieldViolation(
            f"stop_on[{place}]", found_in_all if kind == every else "is no kind of verdict that is known here"
        )
        for place, kind in enumerate(request.stop_on)
        if kind not in known or kind == every
    ]
