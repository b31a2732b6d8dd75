"""An IB host that watches its own event loop: `python -m benchmarks.decoding_stalls_host HOME READY_FILE GATEWAY`.

On SIGUSR1 it writes the longest times for which the loop did nothing else, beside the ready file, and begins anew.
"""

import asyncio
import heapq
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

from services.common.bootstrap import serve
from services.common.log import configure_logging
from services.ib_host.service import IbHostService
from services.ib_host.settings import IbHostSettings

STALLS: Final = "stalls.json"
_TICK_SECONDS: Final = 0.001
_KEPT: Final = 20
_SCHEDULING: Final = Path("/proc/thread-self/schedstat")


class LoopWatch:
    """Looks each millisecond how long the loop was away.

    By the clock, other processes count, too. Without the time in which the loop's thread could run and had no
    processor, what is left is its own work and waiting for other threads of the host; on the processor, only its work.
    """

    def __init__(self) -> None:
        self._longest: list[tuple[float, float, float]] = []

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            began, busy, queued = time.perf_counter(), time.thread_time(), _queued_seconds()
            await asyncio.sleep(_TICK_SECONDS)
            clock = time.perf_counter() - began - _TICK_SECONDS
            stall = (clock - (_queued_seconds() - queued), clock, time.thread_time() - busy)
            (heapq.heappush if len(self._longest) < _KEPT else heapq.heappushpop)(self._longest, stall)

    def write(self, path: Path) -> None:
        """Write the longest in milliseconds: without other processes, by the clock, on the processor. Begin anew."""
        longest, self._longest = sorted(self._longest, reverse=True), []
        part = path.with_suffix(".part")
        part.write_text(json.dumps([[1e3 * seconds for seconds in stall] for stall in longest]))
        part.replace(path)


def _queued_seconds() -> float:
    """Return how long this thread could have run so far and had no processor; 0 where the system does not tell."""
    try:
        return int(_SCHEDULING.read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


async def main(settings: IbHostSettings, ready: Path) -> int:
    """Serve until told to stop."""
    watch = LoopWatch()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, watch.write, ready.with_name(STALLS))
    watching = asyncio.create_task(watch.watch())
    try:
        return await serve(IbHostService(settings), settings)
    finally:
        watching.cancel()


if __name__ == "__main__":
    os.environ.pop("KTRDR_CONFIG", None)
    configured = IbHostSettings(
        home=Path(sys.argv[1]), port=0, ready_file=Path(sys.argv[2]), gateway=sys.argv[3], log_level="warning"
    )
    configure_logging(level=configured.log_level, form="console", service=IbHostService.name)
    sys.exit(asyncio.run(main(configured, Path(sys.argv[2]))))
