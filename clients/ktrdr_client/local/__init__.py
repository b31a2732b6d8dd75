"""A whole KTRDR system on this machine: all services as child processes that end with their parent."""

from ktrdr_client.local.plan import LocalPlan, Ports
from ktrdr_client.local.service_process import PortTaken, ServiceDied, ServiceNotStarted
from ktrdr_client.local.system import LocalSystem, RunningService

__all__ = ["LocalPlan", "LocalSystem", "PortTaken", "Ports", "RunningService", "ServiceDied", "ServiceNotStarted"]
