"""How the host stands with its gateway, as the contract tells it."""

from typing import Final

from ktrdr.host.v1 import host_pb2
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.timestamps import to_duration, to_timestamp
from services.ib_host.connection.picture import GatewayPicture, Link

_LINKS: Final = {
    Link.DISCONNECTED: ib_pb2.GetGatewayResponse.LINK_DISCONNECTED,
    Link.CONNECTING: ib_pb2.GetGatewayResponse.LINK_CONNECTING,
    Link.UP: ib_pb2.GetGatewayResponse.LINK_UP,
    Link.IB_DOWN: ib_pb2.GetGatewayResponse.LINK_IB_DOWN,
}


def gateway_response(picture: GatewayPicture) -> ib_pb2.GetGatewayResponse:
    """Return everything that is known."""
    response = ib_pb2.GetGatewayResponse(
        address=picture.address,
        link=_LINKS[picture.link],
        source=picture.source,
        server_version=picture.server_version,
        client_id=picture.client_id,
        farms=[ib_pb2.Farm(name=farm.name, ok=farm.ok, message=farm.message) for farm in picture.farms],
        consecutive_failures=picture.failures,
        problem=picture.problem,
        open_requests=picture.open_requests,
    )
    if picture.retry_in is not None:
        response.retry_in.CopyFrom(to_duration(picture.retry_in))
    if picture.gateway_time is not None:
        response.gateway_time.CopyFrom(to_timestamp(picture.gateway_time))
    if picture.connected_for is not None:
        response.connected_for.CopyFrom(to_duration(picture.connected_for))
    return response


def gateway_summary(picture: GatewayPicture) -> host_pb2.GatewaySummary:
    """Return it in short, for the host's description."""
    replay = picture.source == bars_pb2.SOURCE_REPLAY
    words = [picture.waiting_text or picture.link.value]
    words += ["(REPLAY)"] if replay else []
    return host_pb2.GatewaySummary(
        address=picture.address, connected=picture.link is Link.UP, replay=replay, state=" ".join(words)
    )
