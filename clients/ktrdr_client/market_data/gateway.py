"""Calls about the gateway."""

from typing import Final

from ktrdr.ib.v1 import ib_pb2
from ktrdr.ib.v1.bars_pb2 import Instrument

from ktrdr_client.calls import call_unary
from ktrdr_client.instruments import as_instrument
from ktrdr_client.market_data.connection import IbHostConnection
from ktrdr_client.states import parse_security_type

_DIAGNOSIS_SECONDS: Final = 120.0
"""A gateway that hangs is waited for, step by step, before that is said."""


class GatewayCalls(IbHostConnection):
    """Finds instruments, and tells how the gateway stands."""

    async def find(
        self, pattern: str, *, security_type: str | None = None, host: str = ""
    ) -> ib_pb2.FindInstrumentsResponse:
        """Find instruments at the gateway by the beginning of their symbol or name; the answer tells the source too.

        Args:
            pattern: Beginning of a symbol, or of a word of the name.
            security_type: Only this kind: "stock", "forex", "future" or "index".
            host: IB host to ask; empty for the only one.

        Raises:
            Unavailable: The gateway is not connected.
            FailedPrecondition: There is no IB host.
        """
        kind = parse_security_type(security_type or "")
        stub, endpoint = await self._host(host)
        request = ib_pb2.FindInstrumentsRequest(pattern=pattern, security_type=kind)
        return await call_unary(stub.FindInstruments, request, endpoint=endpoint, timeout_seconds=self.timeout_seconds)

    async def gateway(self, *, host: str = "") -> ib_pb2.GetGatewayResponse:
        """Tell how an IB host stands with its gateway; the gateway itself is not asked.

        Args:
            host: IB host to ask; empty for the only one.

        Raises:
            NotFound: There is no IB host of this name.
            FailedPrecondition: There is no IB host at all.
        """
        stub, endpoint = await self._host(host)
        request = ib_pb2.GetGatewayRequest()
        return await call_unary(stub.GetGateway, request, endpoint=endpoint, timeout_seconds=self.timeout_seconds)

    async def diagnose(
        self, instrument: str | Instrument | None = None, *, host: str = ""
    ) -> ib_pb2.DiagnoseGatewayResponse:
        """Try everything that a load needs of the gateway, and tell of each thing how it stands and what to do.

        A gateway that is away is a finding, not an error.

        Args:
            instrument: Its history is asked for on trial, which shows whether the account may have it; None for none.
            host: IB host to ask; empty for the only one.

        Raises:
            NotFound: There is no IB host of this name.
            FailedPrecondition: There is no IB host at all.
        """
        stub, endpoint = await self._host(host)
        tried = None if instrument is None else as_instrument(instrument)
        request = ib_pb2.DiagnoseGatewayRequest(instrument=tried)
        return await call_unary(
            stub.DiagnoseGateway,
            request,
            endpoint=endpoint,
            timeout_seconds=max(_DIAGNOSIS_SECONDS, self.timeout_seconds),
        )
