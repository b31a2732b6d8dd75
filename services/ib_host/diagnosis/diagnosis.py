"""The diagnosis: everything that a load needs, in the order in which things depend on each other."""

from ktrdr.ib.v1 import ib_pb2

from services.common.errors import FieldViolation
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.diagnosis.connection_findings import look_at_connection, look_at_language
from services.ib_host.diagnosis.pacing_finding import look_at_pacing
from services.ib_host.diagnosis.trials import TrialLimits, Trials
from services.ib_host.loading.spec import check_instrument, invalid_request
from services.ib_host.pacing.budget import RequestBudget
from services.ib_host.requests.gateway_requests import GatewayRequests


class Diagnosis:
    """Looks, and asks the gateway three small things at most. Never fails because of the gateway, and is over soon.

    Args:
        connection: to the gateway.
        requests: over it.
        budget: for them.
        limits: of patience with the gateway; a diagnosis takes no longer than their sum, and a second.
    """

    def __init__(
        self,
        connection: GatewayConnection,
        requests: GatewayRequests,
        budget: RequestBudget,
        *,
        limits: TrialLimits | None = None,
    ) -> None:
        self._connection = connection
        self._budget = budget
        self._trials = Trials(connection, requests, limits or TrialLimits())

    async def make(self, request: ib_pb2.DiagnoseGatewayRequest) -> ib_pb2.DiagnoseGatewayResponse:
        """Return all findings.

        Raises:
            ServiceError: INVALID_REQUEST, the instrument is not described well.
        """
        described = request.instrument if request.HasField("instrument") else None
        if described is not None:
            faults = [FieldViolation(f"instrument.{field}", text) for field, text in check_instrument(described)]
            if faults:
                raise invalid_request(faults)
        await self._connection.try_now()  # the gateway may have been started a moment ago
        clock = await self._trials.clock()
        contracts, instrument = await self._trials.contracts(described)
        permissions = await self._trials.permissions(instrument, described=described)
        # The rest comes after them: what was asked may be what tells of a broken farm, or of the language.
        picture = self._connection.picture
        findings = [*look_at_connection(picture), clock, look_at_language(picture), contracts, permissions]
        findings.append(look_at_pacing(self._budget.picture()))
        return ib_pb2.DiagnoseGatewayResponse(findings=findings, source=self._connection.source)
