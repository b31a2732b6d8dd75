"""How the host stands with its gateway, as the contract tells it."""

from datetime import timedelta
from typing import Final

from ktrdr.host.v1 import host_pb2
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.timestamps import to_duration, to_timestamp
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.connection.library import library_name
from services.ib_host.connection.notices import Link
from services.ib_host.connection.picture import GatewayPicture
from services.ib_host.pacing.budget import RequestBudget
from services.ib_host.pacing.picture import PacingPicture, WindowPicture

_LINKS: Final = {
    Link.DISCONNECTED: ib_pb2.GetGatewayResponse.LINK_DISCONNECTED,
    Link.CONNECTING: ib_pb2.GetGatewayResponse.LINK_CONNECTING,
    Link.UP: ib_pb2.GetGatewayResponse.LINK_UP,
    Link.IB_DOWN: ib_pb2.GetGatewayResponse.LINK_IB_DOWN,
}


class GatewayView:
    """What there is to see of the gateway.

    Args:
        connection: to the gateway.
        budget: for what is sent over it.
    """

    def __init__(self, connection: GatewayConnection, budget: RequestBudget) -> None:
        self._connection = connection
        self._budget = budget

    def response(self) -> ib_pb2.GetGatewayResponse:
        """Return everything that is known, without asking the gateway."""
        picture, pacing = self._connection.picture, self._budget.picture()
        return gateway_response(picture, pacing=pacing, library=library_name())


def gateway_response(picture: GatewayPicture, *, pacing: PacingPicture, library: str) -> ib_pb2.GetGatewayResponse:
    """Return everything that is known.

    Args:
        picture: how the connection stands.
        pacing: how the budget for it stands.
        library: name and version of the client library.
    """
    response = ib_pb2.GetGatewayResponse(
        address=picture.address,
        link=_LINKS[picture.link],
        source=picture.source,
        server_version=picture.server_version,
        client_id=picture.client_id,
        farms=[ib_pb2.Farm(name=farm.name, ok=farm.ok, message=farm.message, kind=farm.kind) for farm in picture.farms],
        consecutive_failures=picture.failures,
        problem=picture.problem,
        open_requests=picture.open_requests,
        socket_open=picture.socket_open,
        reset=picture.reset,
        library=library,
        pacing=_pacing(pacing),
    )
    if picture.retry_in is not None:
        response.retry_in.CopyFrom(to_duration(picture.retry_in))
    if picture.clock is not None:
        response.gateway_time.CopyFrom(to_timestamp(picture.clock.gateway_time))
        response.clock_check_time.CopyFrom(to_timestamp(picture.clock.checked))
        response.clock_difference.CopyFrom(to_duration(picture.clock.difference))
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


def _pacing(picture: PacingPicture) -> ib_pb2.Pacing:
    pacing = ib_pb2.Pacing(
        windows=[_window(window) for window in picture.windows],
        slowdown=picture.slowdown,
        waiting=picture.waiting,
        violations=picture.violations,
    )
    if picture.pause_seconds > 0:
        pacing.pause.CopyFrom(to_duration(timedelta(seconds=picture.pause_seconds)))
    return pacing


def _window(picture: WindowPicture) -> ib_pb2.Pacing.Window:
    window = ib_pb2.Pacing.Window(name=picture.name, used=picture.used, limit=picture.limit)
    if picture.length_seconds is not None:
        window.length.CopyFrom(to_duration(timedelta(seconds=picture.length_seconds)))
    return window
