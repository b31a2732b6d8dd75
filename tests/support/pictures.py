"""Pictures of a gateway, to be changed in what matters."""

from dataclasses import replace
from typing import Any

from ktrdr.ib.v1 import bars_pb2

from services.ib_host.connection.notices import Link
from services.ib_host.connection.picture import GatewayPicture

_WELL = GatewayPicture(
    address="127.0.0.1:4002",
    link=Link.UP,
    source=bars_pb2.SOURCE_IB,
    server_version=176,
    client_id=17,
    first_client_id=17,
    farms=(),
    failures=0,
    retry_in=None,
    problem="",
    clock=None,
    open_requests=0,
    connected_for=None,
)


def picture(**changes: Any) -> GatewayPicture:
    """Return the picture of a gateway that is well, with changes."""
    return replace(_WELL, **changes)
