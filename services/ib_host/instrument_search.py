"""Finding instruments at the gateway."""

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.errors import FieldViolation, ServiceError
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.connection.notices import Link
from services.ib_host.loading.spec import invalid_request
from services.ib_host.requests.failures import GatewayFailure, as_service_error
from services.ib_host.requests.gateway_requests import GatewayRequests

_LONGEST_PATTERN = 64


class InstrumentSearch:
    """Searches at the gateway.

    Args:
        connection: to the gateway.
        requests: over it.
    """

    def __init__(self, connection: GatewayConnection, requests: GatewayRequests) -> None:
        self._connection = connection
        self._requests = requests

    async def find(self, request: ib_pb2.FindInstrumentsRequest) -> ib_pb2.FindInstrumentsResponse:
        """Return what fits, best first.

        Raises:
            ServiceError: INVALID_REQUEST, GATEWAY_UNAVAILABLE, GATEWAY_TIMEOUT, or what the gateway says.
        """
        pattern = request.pattern.strip()
        if not pattern or len(pattern) > _LONGEST_PATTERN or not pattern.isprintable():
            text = f"is the beginning of a symbol or name: 1 to {_LONGEST_PATTERN} printable characters"
            raise invalid_request([FieldViolation("pattern", text)])
        if request.security_type not in bars_pb2.SecurityType.values():
            raise invalid_request([FieldViolation("security_type", "is none of the security types")])
        self._require_gateway()
        try:
            found = await self._requests.matching_symbols(pattern)
        except GatewayFailure as failure:
            raise as_service_error(failure, gateway=self._connection.address, instrument=pattern) from failure
        wanted = request.security_type
        fitting = [instrument for instrument in found if not wanted or instrument.security_type == wanted]
        return ib_pb2.FindInstrumentsResponse(instruments=fitting, source=self._connection.source)

    def _require_gateway(self) -> None:
        picture = self._connection.picture
        if picture.link is not Link.UP:
            raise ServiceError(
                ErrorReason.ERROR_REASON_GATEWAY_UNAVAILABLE,
                retry_after=picture.retry_in,
                gateway=picture.address,
                detail=picture.problem or picture.waiting_text,
            )
