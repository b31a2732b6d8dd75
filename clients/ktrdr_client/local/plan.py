"""What a local system consists of, and how its services find each other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

REPLAY: Final = "replay"
GATEWAY_SERVICE: Final = "replay-gateway"
IB_HOST: Final = "ib-host"
TRAINING_HOST: Final = "training-host"
OPERATIONS: Final = "operations"


@dataclass(frozen=True)
class Ports:
    """Ports of the services on this machine; 0 lets the system choose."""

    gateway: int = 4102
    ib_host: int = 5001
    training_host: int = 5002
    operations: int = 5003

    @classmethod
    def shifted(cls, offset: int) -> "Ports":
        """Return the usual ports, each moved by an offset.

        Raises:
            ValueError: A port would be outside 1 … 65535.
        """
        ports = cls(*(port + offset for port in (cls.gateway, cls.ib_host, cls.training_host, cls.operations)))
        if not all(0 < port < 65536 for port in vars(ports).values()):
            message = f"an offset of {offset} leads to a port outside 1 … 65535"
            raise ValueError(message)
        return ports

    @classmethod
    def any_free(cls) -> "Ports":
        """Return ports that the system chooses."""
        return cls(0, 0, 0, 0)


@dataclass(frozen=True)
class LocalPlan:
    """What to start, and where everything is kept."""

    home: Path
    """Folder for everything; made if it is missing."""
    gateway: str = REPLAY
    """"replay" starts a replay gateway; HOST:PORT uses a real one."""
    ports: Ports = field(default_factory=Ports)
    on_exit: Literal["stop", "leave"] = "stop"
    """What the hosts do with running work when they are stopped."""
    config: Path | None = None
    """Configuration file for all services."""

    @property
    def is_replay(self) -> bool:
        """Bars are recorded history."""
        return self.gateway == REPLAY


@dataclass(frozen=True)
class ServicePlan:
    """One service: its words behind `ktrdr serve`, once the addresses that it needs are known."""

    name: str
    port: int
    needs: Sequence[str]
    """Services whose addresses have to be known before it starts."""
    arguments: Callable[[Mapping[str, str]], Sequence[str]]
    """Its own flags, from the addresses by service."""


def service_plans(plan: LocalPlan) -> list[ServicePlan]:
    """Return the services of a plan in the order in which they build on each other."""
    ports = plan.ports
    stop = ["--on-stop", plan.on_exit]
    plans = [
        ServicePlan(
            IB_HOST,
            ports.ib_host,
            [GATEWAY_SERVICE] if plan.is_replay else [],
            lambda known: ["--gateway", known.get(GATEWAY_SERVICE, plan.gateway), *stop],
        ),
        ServicePlan(TRAINING_HOST, ports.training_host, [IB_HOST], lambda known: ["--ib-host", known[IB_HOST], *stop]),
        ServicePlan(
            OPERATIONS,
            ports.operations,
            [TRAINING_HOST, IB_HOST],
            lambda known: [word for name in (TRAINING_HOST, IB_HOST) for word in ("--host", f"{name}={known[name]}")],
        ),
    ]
    if plan.is_replay:
        plans.insert(0, ServicePlan(GATEWAY_SERVICE, ports.gateway, [], lambda _known: []))
    return plans
