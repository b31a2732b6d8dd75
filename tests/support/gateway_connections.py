"""Connections of an IB host's own, without the host."""

from services.common.clock import SystemClock
from services.ib_host.connection.address import GatewayAddress
from services.ib_host.connection.backoff import Backoff
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.requests.open_requests import OpenRequests


def connection_to(port: int, *, retry_seconds: float = 0.02) -> GatewayConnection:
    """Return a connection, not yet started, to a gateway on this machine, which may take all the time of a test.

    Args:
        port: of the gateway.
        retry_seconds: until the second try; the next ones come later, after a minute at most or, if longer, after this.
    """
    return GatewayConnection(
        GatewayAddress("127.0.0.1", port),
        client_id=1,
        open_requests=OpenRequests(),
        clock=SystemClock(),
        backoff=Backoff(first_seconds=retry_seconds, longest_seconds=max(60.0, retry_seconds)),
        connect_timeout_seconds=600.0,
    )
