"""The operations service on one core, and a look into it.

`python -m benchmarks.registry_scale_server HOME HOSTS_FILE CORE`.
The service is the real one. Beside its own methods it has one of raw bytes, `Take`, which tells as JSON what happened
since it was called last: how old points were when they could be seen, how long the event loop was held up, where its
time went (`Take` with the argument "profile" begins to look), and what the process has taken of processor and memory.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import grpc

from benchmarks.loop_profile import LoopProfile, processor_seconds, resident_bytes
from benchmarks.status_latency import percentile
from services.common.bootstrap import ServiceContext, serve
from services.common.log import configure_logging
from services.operations.host_address import HostAddress
from services.operations.live_operation import LiveOperation
from services.operations.new_points import NewPoints
from services.operations.registry import Registry
from services.operations.service import OperationsService
from services.operations.settings import OperationsSettings

SERVICE: Final = "ktrdr.benchmark.Registry"
_TICK_SECONDS: Final = 0.005


class Gauge:
    """What happened since it was read last."""

    def __init__(self) -> None:
        self.profile = LoopProfile()
        self._ages: list[int] = []
        self._updates = 0
        self._points = 0
        self._stalls: list[float] = []
        self._since = time.monotonic()
        self._processor = processor_seconds()

    def points(self, _operation: LiveOperation, points: NewPoints, _revision: int) -> None:
        """Take note of points that can be seen from now on: of the age of the oldest of them."""
        self._updates += 1
        self._points += points.count
        self._ages.append(time.time_ns() - points.series[0].times[0])

    async def watch_loop(self) -> None:
        """Measure how late the event loop comes back, until cancelled."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_TICK_SECONDS)
            self._stalls.append(time.perf_counter() - began - _TICK_SECONDS)

    def take(self, registry: Registry) -> dict[str, Any]:
        """Return everything, and begin anew."""
        ages_ms = [age / 1e6 for age in self._ages] or [0.0]
        stalls_ms = [stall * 1000 for stall in self._stalls] or [0.0]
        processor = processor_seconds()
        taken = {
            "seconds": time.monotonic() - self._since,
            "live": len(registry.live),
            "updates": self._updates,
            "points": self._points,
            "stored": sum(operation.stored_points for operation in registry.live.values()),
            "staleness_ms": {name: percentile(ages_ms, share) for name, share in _SHARES.items()},
            "stall_ms": {name: percentile(stalls_ms, share) for name, share in _SHARES.items()},
            "processor_seconds": {name: used - self._processor.get(name, 0.0) for name, used in processor.items()},
            "resident_bytes": resident_bytes(),
            "profile": self.profile.take(),
        }
        self._ages, self._stalls, self._updates, self._points = [], [], 0, 0
        self._processor, self._since = processor_seconds(), time.monotonic()
        return taken


class MeasuredService(OperationsService):
    """The operations service with a gauge."""

    async def start(self, server: grpc.aio.Server, context: ServiceContext) -> Sequence[str]:
        """Start it, and look at it."""
        names = await super().start(server, context)
        registry = self._registry
        if registry is None:
            raise SystemExit("the service has no registry")
        gauge = Gauge()
        registry.on_points(gauge.points)
        self._watch = asyncio.create_task(gauge.watch_loop())

        async def take(request: bytes, _context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
            taken = gauge.take(registry)
            if request == b"profile":
                gauge.profile.start()
            return json.dumps(taken).encode()

        methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {"Take": grpc.unary_unary_rpc_method_handler(take)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
        return names

    async def stop(self) -> None:
        """Look no more, and stop it."""
        self._watch.cancel()
        await super().stop()


_SHARES: Final = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}


def main() -> int:
    """Serve."""
    home, hosts_file, core = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    os.sched_setaffinity(0, {core})
    addresses = json.loads(hosts_file.read_text())
    settings = OperationsSettings(
        home=home,
        port=0,
        ready_file=home / "ready.json",
        log_level="error",
        hosts=tuple(
            HostAddress(f"host-{number:04}", address)
            for number, address in enumerate([*addresses["hosts"], *addresses["others"]])
        ),
    )
    configure_logging(level=settings.log_level, form="console", service="operations")
    return asyncio.run(serve(MeasuredService(settings, seed=1), settings))


if __name__ == "__main__":
    sys.exit(main())
