"""What a session's log costs: an entry in the worker, a whole log over the wire, and following one that is silent.

`python -m benchmarks.session_logs [--json FILE]`. Entries are compared with what a plain `logging.FileHandler` takes
for the same ones, in turns. The log is read over loopback from a server in this process: its times are
those of both ends.
"""

import argparse
import asyncio
import json
import logging
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import grpc
from ktrdr.host.v1 import host_pb2, host_pb2_grpc

from services.common.channel import open_channel, server_options
from services.common.clock import SystemClock
from services.host.folder import SessionFolder
from services.host.session_log.handler import DEFAULT_LOG_BYTES, SessionLogHandler
from services.host.session_log.log_feed import LogFeed, LogQuery

ENTRIES = 2_000
TURNS = 9
FOLLOWERS = 10
SILENT_SECONDS = 5.0


@dataclass(frozen=True)
class Logged:
    """A session at work, as far as its log is concerned."""

    folder: SessionFolder
    settled: None = None
    attached: bool = False


class Servicer(host_pb2_grpc.HostServiceServicer):
    """Serves nothing but logs."""

    def __init__(self, feed: LogFeed) -> None:
        self._feed = feed

    async def ReadLog(  # noqa: N802 - the contract's name
        self, request: host_pb2.ReadLogRequest, _context: Any
    ) -> AsyncIterator[host_pb2.ReadLogResponse]:
        """Stream a log."""
        query = LogQuery(request.session_id, request.offset, request.follow, request.min_level, request.tail_lines)
        async with aclosing(self._feed.read(query)) as parts:
            async for part in parts:
                yield part


def entry_microseconds(handler: logging.Handler) -> float:
    """Return what one entry takes with a handler."""
    logger = logging.getLogger("benchmark")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    began = time.perf_counter()
    for number in range(ENTRIES):
        logger.info("epoch_ended", extra={"epoch": number, "train_loss": 0.5, "val_loss": 0.75})
    seconds = time.perf_counter() - began
    logger.removeHandler(handler)
    handler.close()
    return seconds / ENTRIES * 1e6


def write_cost(folder: Path) -> tuple[float, float]:
    """Return the microseconds of an entry, and those of a plain line: medians of turns."""
    makers: list[Callable[[], logging.Handler]] = [
        lambda: SessionLogHandler(folder / "cost.jsonl", DEFAULT_LOG_BYTES),
        lambda: logging.FileHandler(folder / "cost.log"),
    ]
    taken: list[list[float]] = [[], []]
    for _ in range(TURNS):
        for times, make in zip(taken, makers, strict=True):
            times.append(entry_microseconds(make()))
    return median(taken[0]), median(taken[1])


def fill(path: Path) -> int:
    """Write a log of the default size; return the number of its lines."""
    line = {
        "time": "2026-03-01T12:00:00.123456Z",
        "level": "info",
        "event": "epoch_ended",
        "epoch": 1,
        "val_loss": 0.75,
    }
    text = json.dumps(line) + "\n"
    count = DEFAULT_LOG_BYTES // len(text)
    path.write_text(text * count)
    return count


@asynccontextmanager
async def served(session: Logged) -> AsyncIterator[Any]:
    """Serve a session's log; yields a stub."""
    server = grpc.aio.server(options=server_options())
    feed = LogFeed(lambda _: session, threading.Lock(), SystemClock())
    host_pb2_grpc.add_HostServiceServicer_to_server(Servicer(feed), server)  # type: ignore[abstract]  # the rest stays UNIMPLEMENTED
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with open_channel(f"127.0.0.1:{port}") as channel:
        yield host_pb2_grpc.HostServiceStub(channel)
    feed.begin_stop()
    await server.stop(None)


async def read_whole(stub: Any, **fields: Any) -> tuple[float, int]:
    """Return the seconds that a read takes, and how many lines came."""
    began, lines = time.perf_counter(), 0
    async for message in stub.ReadLog(host_pb2.ReadLogRequest(session_id="s", **fields)):
        lines += len(message.lines)
    return time.perf_counter() - began, lines


async def follow_cost(stub: Any) -> float:
    """Return the share of a core that following a silent log takes, for each follower."""
    calls = [stub.ReadLog(host_pb2.ReadLogRequest(session_id="s", follow=True, tail_lines=1)) for _ in range(FOLLOWERS)]
    for call in calls:
        await call.read()
    began = time.process_time()
    await asyncio.sleep(SILENT_SECONDS)
    share = (time.process_time() - began) / SILENT_SECONDS / FOLLOWERS
    for call in calls:
        call.cancel()
    return share


async def news_delay(stub: Any, path: Path) -> float:
    """Return the median of the milliseconds from writing an entry to its reader."""
    call, delays = stub.ReadLog(host_pb2.ReadLogRequest(session_id="s", follow=True, tail_lines=1)), []
    await call.read()
    for _ in range(20):
        await asyncio.sleep(0.137)
        with path.open("a") as file:
            file.write('{"event": "news"}\n')
        began = time.perf_counter()
        while not (await call.read()).lines:
            pass
        delays.append((time.perf_counter() - began) * 1e3)
    call.cancel()
    return median(delays)


async def measure(folder: Path) -> dict[str, float]:
    """Measure everything."""
    entry, plain = write_cost(folder)
    session = Logged(SessionFolder(folder))
    count = fill(session.folder.structured_log)
    async with served(session) as stub:
        whole, lines = await read_whole(stub)
        assert lines == count
        tail, _ = await read_whole(stub, tail_lines=50)
        share = await follow_cost(stub)
        delay = await news_delay(stub, session.folder.structured_log)
    return {
        "entry_us": entry,
        "plain_line_us": plain,
        "entry_ratio": entry / plain,
        "whole_log_seconds": whole,
        "whole_log_lines": lines,
        "tail_50_ms": tail * 1e3,
        "silent_follower_percent_of_a_core": share * 100,
        "news_ms": delay,
    }


def main() -> None:
    """Measure, print a table, and write JSON where asked to."""
    parser = argparse.ArgumentParser(description="What a session's log costs.")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        numbers = asyncio.run(measure(Path(folder)))
    for name, value in numbers.items():
        print(f"{name:36} {value:12,.3f}")
    if options.json is not None:
        options.json.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
