"""Finding the one instrument that a description means."""

from collections.abc import Callable

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2

from services.common.errors import ServiceError
from services.ib_host.contracts.instruments import difference, title_of, with_defaults
from services.ib_host.loading.persistence import Persistence
from services.ib_host.pacing.rules import Urgency
from services.ib_host.pacing.waiting import PacingWait
from services.ib_host.requests.answers import InstrumentDetails
from services.ib_host.requests.failures import GatewayFailure, as_service_error
from services.ib_host.requests.gateway_requests import GatewayRequests

_MOST_NAMED = 5


async def qualify(
    description: bars_pb2.Instrument,
    *,
    requests: GatewayRequests,
    persistence: Persistence,
    gateway: str,
    told: Callable[[str], None],
    paced: Callable[[PacingWait], None],
) -> InstrumentDetails:
    """Return the instrument with everything that the gateway knows of it.

    Args:
        description: as the user gave it.
        requests: to the gateway.
        persistence: how often they are sent.
        gateway: HOST:PORT, for people.
        told: called with what it waits for.
        paced: called while pacing holds it back.

    Raises:
        ServiceError: INSTRUMENT_NOT_FOUND, INSTRUMENT_AMBIGUOUS, or why the gateway can't tell.
    """
    wanted = with_defaults(description)
    try:
        found = await persistence.ask(
            lambda: requests.contracts(wanted, urgency=Urgency.LOAD, waiting=paced), farm="contracts", told=told
        )
    except GatewayFailure as failure:
        raise as_service_error(failure, gateway=gateway, instrument=title_of(wanted)) from failure
    if not found:
        raise ServiceError(ErrorReason.ERROR_REASON_INSTRUMENT_NOT_FOUND, instrument=title_of(wanted))
    if len(found) > 1:
        named = "; ".join(difference(details.instrument) for details in found[:_MOST_NAMED])
        more = f"; and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        reason = ErrorReason.ERROR_REASON_INSTRUMENT_AMBIGUOUS
        raise ServiceError(reason, instrument=title_of(wanted), detail=f"It may be: {named}{more}")
    return found[0]
