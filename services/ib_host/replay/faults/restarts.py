"""A gateway that is gone for a while."""

from typing import Literal

from pydantic import Field

from services.ib_host.replay.faults.links import break_farm, lose_link
from services.ib_host.replay.faults.outages import Outage
from services.ib_host.replay.faults.rule import GatewayFault, Seconds
from services.ib_host.replay.faults.world import World


class RestartRule(GatewayFault):
    """The gateway restarts: all connections are closed, and new ones refused for a while."""

    action: Literal["restart"] = "restart"
    seconds: Seconds
    """How long connections are refused."""
    reset: bool = False
    """Whether connections end with a reset."""
    zombie_seconds: Seconds = 0.0
    """How long the ids of the clients stay taken."""

    def happen(self, world: World) -> None:
        """Go away, and come back later."""
        restart(world, seconds=self.seconds, reset=self.reset, zombie_seconds=self.zombie_seconds)


class NightlyResetRule(GatewayFault):
    """What a night brings: IB is away, the gateway restarts, and the farms are the last to be well again.

    All clients are told 1100 and that the farms are broken; open requests are lost. After `seconds` the gateway
    restarts, where it does; in the end they are told 1101, and later that the farms are OK.
    """

    action: Literal["nightly_reset"] = "nightly_reset"
    seconds: Seconds
    """How long IB is away."""
    restart_seconds: float | None = Field(default=None, ge=0, le=86_400)
    """How long the gateway refuses connections when IB is back; without it, it does not restart."""
    farm_seconds: Seconds = 0.0
    """How much longer the farms are broken."""

    def happen(self, world: World) -> Outage:
        """Begin the night."""
        for farm in ("market", "hmds", "secdef"):
            break_farm(world, farm, seconds=self.seconds + (self.restart_seconds or 0.0) + self.farm_seconds)
        # The link is lost last: what is asked meanwhile meets this before the broken farms.
        outage = lose_link(world, seconds=self.seconds, back=1101)
        refused = self.restart_seconds
        if refused is not None:
            world.background.later(self.seconds, lambda: restart(world, seconds=refused))
        return outage


def restart(world: World, *, seconds: float, reset: bool = False, zombie_seconds: float = 0.0) -> None:
    """Close all connections, and refuse new ones for a while."""
    world.refuse_connections(seconds)
    if zombie_seconds:
        world.keep_client_ids(zombie_seconds)
    world.drop_all(reset)
