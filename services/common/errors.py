"""Errors that are meant for clients. Everything else becomes INTERNAL without its text (interceptors/errors.py)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

import grpc
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.catalogue import CATALOGUE

DOMAIN: Final = "ktrdr"
PREFIX: Final = "ERROR_REASON_"

# A status travels in HTTP/2 trailers, which clients limit to 8 KiB by default: over it, they see another error instead.
# It is there twice: its message as percent-encoded text, and the whole in base64. The limits are in bytes of such text.
MESSAGE_LIMIT: Final = 1_000
PARAMETER_LIMIT: Final = 300
METADATA_LIMIT: Final = 1_000
VIOLATIONS_LIMIT: Final = 2_000
_ELLIPSIS_SIZE: Final = 9


class FieldViolation(NamedTuple):
    """One field of a request that is missing or wrong."""

    field: str
    """Path of the field in the request, such as "spec.instruments[0].symbol", or of a key in a strategy."""
    description: str
    """What is wrong and what is allowed."""


class StatusError(Exception):
    """An error with a status that is fit for clients."""

    def status(self) -> status_pb2.Status:
        """Return the status, details included."""
        raise NotImplementedError


class ServiceError(StatusError):
    """An error of the catalogue.

    Args:
        reason: Why; decides status and message.
        fields: Fields that are wrong, for reasons about input.
        retry_after: When trying again makes sense, for reasons where waiting helps.
        **parameters: What the message names (see the template in the catalogue), and `detail`, a public sentence.
    """

    def __init__(
        self,
        reason: "ErrorReason.ValueType",
        *,
        fields: Sequence[FieldViolation] = (),
        retry_after: timedelta | None = None,
        **parameters: str | float,
    ) -> None:
        self.reason = reason
        self.fields = tuple(fields)
        self.retry_after = retry_after
        self.parameters: Mapping[str, str | float] = {
            name: shorten(value, PARAMETER_LIMIT) if isinstance(value, str) and name != "detail" else value
            for name, value in parameters.items()
        }
        named = {"detail": _named(self.fields)} if self.fields and "detail" not in parameters else {}
        said = {"detail": shorten(str(parameters["detail"]), MESSAGE_LIMIT // 2)} if "detail" in parameters else named
        text = CATALOGUE[reason].render({**self.parameters, **said})
        self.message = shorten(text, MESSAGE_LIMIT)
        super().__init__(self.message)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by what it was made of: errors cross process borders too."""
        return _rebuild, (self.reason, self.fields, self.retry_after, dict(self.parameters))

    def status(self) -> status_pb2.Status:
        """Return code, message, ErrorInfo and, where they apply, BadRequest and RetryInfo."""
        details: list[message.Message] = [_error_info(self.reason, self.parameters)]
        if self.fields:
            details.append(_bad_request(self.fields))
        if self.retry_after is not None:
            delay = duration_pb2.Duration()
            delay.FromTimedelta(self.retry_after)
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        code: int = CATALOGUE[self.reason].status.value[0]
        return status_pb2.Status(code=code, message=self.message, details=[_packed(detail) for detail in details])


class PassedOnError(StatusError):
    """A refusal of another KTRDR server that is given to the client as it is, details included."""

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self._status = status

    def status(self) -> status_pb2.Status:
        """Return the other server's status."""
        return self._status


def reason_name(reason: "ErrorReason.ValueType") -> str:
    """Return the reason as it travels in ErrorInfo: without the prefix of the enum."""
    return ErrorReason.Name(reason).removeprefix(PREFIX)


def reason_from_name(name: str) -> "ErrorReason.ValueType | None":
    """Return the reason that `name` (with or without the enum's prefix) stands for, None if it is none of ours."""
    full = name if name.startswith(PREFIX) else PREFIX + name
    if full not in ErrorReason.keys():  # noqa: SIM118 - the enum's wrapper is no mapping
        return None
    reason = ErrorReason.Value(full)
    return reason if reason in CATALOGUE else None


def error_info(status: status_pb2.Status) -> error_details_pb2.ErrorInfo | None:
    """Return the ErrorInfo of our domain in a status, None if it has none."""
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Is(info.DESCRIPTOR) and detail.Unpack(info) and info.domain == DOMAIN:
            return info
    return None


def reason_of(status: status_pb2.Status) -> "ErrorReason.ValueType | None":
    """Return the reason that a status gives, None if it gives none of ours."""
    info = error_info(status)
    return None if info is None else reason_from_name(info.reason)


def status_of_call(error: grpc.RpcError) -> status_pb2.Status | None:
    """Return the rich status of a failed call, None if the server (or the transport) sent none."""
    if not isinstance(error, grpc.aio.AioRpcError):
        return None
    try:
        # The annotation of from_call knows the synchronous call only; an AioRpcError has the same three methods.
        status: status_pb2.Status | None = rpc_status.from_call(error)  # type: ignore[arg-type]
    except (ValueError, message.DecodeError):
        return None  # the details contradict the call's own code or message, or are no status
    return status


def error_from_status(status: status_pb2.Status) -> PassedOnError:
    """Return an exception that passes a status of another KTRDR server on, with its code and details."""
    return PassedOnError(status)


def _named(fields: Sequence[FieldViolation]) -> str:
    """Name the fields in a sentence, for people who see the message only."""
    named = "; ".join(f"{field}: {description.rstrip('.')}" for field, description in fields[:3])
    more = f"; and {len(fields) - 3} more" if len(fields) > 3 else ""
    return shorten(named, MESSAGE_LIMIT // 2) + more


def _rebuild(
    reason: "ErrorReason.ValueType",
    fields: Sequence[FieldViolation],
    retry_after: timedelta | None,
    parameters: dict[str, str | float],
) -> ServiceError:
    return ServiceError(reason, fields=fields, retry_after=retry_after, **parameters)


def _error_info(reason: "ErrorReason.ValueType", parameters: Mapping[str, str | float]) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo(reason=reason_name(reason), domain=DOMAIN)
    for name, value in parameters.items():
        text = shorten(str(value), PARAMETER_LIMIT)
        # The detail is a sentence of the message already.
        if name != "detail" and info.ByteSize() + len(text.encode()) <= METADATA_LIMIT:
            info.metadata[name] = text
    return info


def _bad_request(fields: Sequence[FieldViolation]) -> error_details_pb2.BadRequest:
    bad_request = error_details_pb2.BadRequest()
    for position, (field, description) in enumerate(fields):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=shorten(field, PARAMETER_LIMIT), description=shorten(description, PARAMETER_LIMIT)
        )
        if bad_request.ByteSize() + violation.ByteSize() > VIOLATIONS_LIMIT:
            left = len(fields) - position
            bad_request.field_violations.add(field="", description=f"and {left} more; correct these first")
            break
        bad_request.field_violations.append(violation)
    return bad_request


def _packed(detail: message.Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def shorten(text: str, limit: int) -> str:
    """Cut a text so that it takes at most `limit` bytes percent-encoded; one that was cut ends with an ellipsis."""
    # Names of files can have characters that no encoding knows; they would make the whole status impossible to send.
    text = text[: limit + 1].encode(errors="replace").decode()
    size = 0
    kept = 0
    for position, character in enumerate(text):
        size += 1 if " " <= character <= "~" and character != "%" else 3 * len(character.encode())
        if size > limit:
            return text[:kept] + "…"
        if size <= limit - _ELLIPSIS_SIZE:
            kept = position + 1
    return text
