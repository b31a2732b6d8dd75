"""See whether ports are free before anything is started."""

import socket
from collections.abc import Iterable

from ktrdr_client.local.plan import ServicePlan


def taken_ports(plans: Iterable[ServicePlan]) -> dict[str, int]:
    """Return the ports of services that somebody else listens on, by service."""
    return {plan.name: plan.port for plan in plans if plan.port and not _is_free(plan.port)}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Without it a port counts as taken for a minute after its last owner has ended.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
