"""Why a request to the gateway had no answer."""

from datetime import timedelta
from enum import Enum
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError

_LONGEST_TEXT: Final = 300


class FailureKind(Enum):
    """What a failure means, and so what can be done about it."""

    NO_DATA = "no data"
    """There are no bars in the window: an outcome, not a fault."""
    PACING = "pacing"
    """IB was asked too fast."""
    NO_PERMISSION = "no permission"
    """The account lacks a subscription."""
    COMPETING_SESSION = "competing session"
    """Another login of the account takes the data."""
    REFUSED = "refused"
    """The request is not valid and never will be."""
    INVALID_STEP = "invalid step"
    """The stretch is too long, too short or too old for bars of this size; a shorter one may be answered."""
    UNKNOWN_INSTRUMENT = "unknown instrument"
    """No contract fits; also said, wrongly, while IB's own services are down."""
    AMBIGUOUS_INSTRUMENT = "ambiguous instrument"
    """Several contracts fit."""
    SERVICE_TROUBLE = "service trouble"
    """IB's data service has a problem of its own; asking again may help."""
    QUERY_LOST = "query lost"
    """The gateway no longer knows the query; it must be sent again."""
    LINK_LOST = "link lost"
    """The gateway lost IB, and the request with it; it must be sent again."""
    DISCONNECTED = "disconnected"
    """The connection to the gateway is gone."""
    TIMEOUT = "timeout"
    """No answer came in time."""
    STREAM_BROKEN = "stream broken"
    """The answer could not be decoded."""


class GatewayFailure(Exception):
    """A request ended without an answer.

    Args:
        kind: what it means.
        text: the gateway's own words, or ours where it said nothing.
        code: IB's error code, 0 where there is none.
        request_id: that the gateway knows the request by; -1 where it has none.
        retry_after: when asking again makes sense, where that is known better than the kind tells.
    """

    def __init__(
        self,
        kind: FailureKind,
        text: str,
        *,
        code: int = 0,
        request_id: int = -1,
        retry_after: timedelta | None = None,
    ) -> None:
        self.kind = kind
        self.text = printable(text)
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        super().__init__(f"{kind.value}: {self.sentence}")

    @property
    def sentence(self) -> str:
        """The words for people."""
        return f"IB says: {self.text} (code {self.code})" if self.code else self.text


_REASONS: Final = {
    FailureKind.NO_DATA: ErrorReason.ERROR_REASON_GATEWAY_REFUSED,
    FailureKind.PACING: ErrorReason.ERROR_REASON_GATEWAY_PACING,
    FailureKind.NO_PERMISSION: ErrorReason.ERROR_REASON_GATEWAY_NO_PERMISSION,
    FailureKind.COMPETING_SESSION: ErrorReason.ERROR_REASON_GATEWAY_COMPETING_SESSION,
    FailureKind.REFUSED: ErrorReason.ERROR_REASON_GATEWAY_REFUSED,
    FailureKind.INVALID_STEP: ErrorReason.ERROR_REASON_GATEWAY_REFUSED,
    FailureKind.UNKNOWN_INSTRUMENT: ErrorReason.ERROR_REASON_INSTRUMENT_NOT_FOUND,
    FailureKind.AMBIGUOUS_INSTRUMENT: ErrorReason.ERROR_REASON_INSTRUMENT_AMBIGUOUS,
    FailureKind.SERVICE_TROUBLE: ErrorReason.ERROR_REASON_GATEWAY_SERVICE_TROUBLE,
    FailureKind.QUERY_LOST: ErrorReason.ERROR_REASON_GATEWAY_QUERY_LOST,
    FailureKind.LINK_LOST: ErrorReason.ERROR_REASON_GATEWAY_UNAVAILABLE,
    FailureKind.DISCONNECTED: ErrorReason.ERROR_REASON_GATEWAY_UNAVAILABLE,
    FailureKind.TIMEOUT: ErrorReason.ERROR_REASON_GATEWAY_TIMEOUT,
    FailureKind.STREAM_BROKEN: ErrorReason.ERROR_REASON_GATEWAY_STREAM_BROKEN,
}
_RETRY_AFTER: Final = {
    FailureKind.PACING: timedelta(minutes=10),
    FailureKind.COMPETING_SESSION: timedelta(minutes=1),
    FailureKind.SERVICE_TROUBLE: timedelta(seconds=30),
    FailureKind.QUERY_LOST: timedelta(seconds=1),
    FailureKind.LINK_LOST: timedelta(seconds=5),
    FailureKind.DISCONNECTED: timedelta(seconds=5),
    FailureKind.TIMEOUT: timedelta(seconds=5),
    FailureKind.STREAM_BROKEN: timedelta(seconds=5),
}
"""Where waiting helps."""


def as_service_error(failure: GatewayFailure, *, gateway: str, instrument: str = "") -> ServiceError:
    """Return the catalogue's error for a failure; IB's code and text and the request's id are in its metadata.

    Args:
        failure: what happened.
        gateway: HOST:PORT, for people.
        instrument: what was asked for, for people.
    """
    parameters: dict[str, str | float] = {"text": failure.text}
    parameters |= {"code": failure.code} if failure.code else {}
    parameters |= {"reqId": failure.request_id} if failure.request_id >= 0 else {}
    parameters |= {"instrument": instrument} if instrument else {}
    return ServiceError(
        _REASONS[failure.kind],
        fields=(),
        retry_after=failure.retry_after or _RETRY_AFTER.get(failure.kind),
        gateway=gateway,
        detail=failure.sentence,
        **parameters,
    )


def printable(text: str) -> str:
    """Return a gateway's text fit for a message: one line of printable characters, of bounded length."""
    words = "".join(character if character.isprintable() else " " for character in text).split()
    line = " ".join(words)
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 1] + "…"
