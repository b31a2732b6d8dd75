"""How long a million bars take from the files of an IB host to a table in a client.

`python -m benchmarks.stream_bars [--json FILE]`. Ten years of minutes lie in a store; each server is a process of its
own, the client is this one, and what is between them is the loopback. StreamBars is taken with the product's client
code, in messages of some sizes; it reads its Parquet files each time. Beside it, in turns: Arrow Flight over a table in
memory (the floor: it reads no file), and one protobuf message for each bar (once, it takes long). What arrives is
compared with what is stored.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import grpc
import numpy as np
import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2, ib_pb2, ib_pb2_grpc
from ktrdr_client.bars import BarsDecoder
from ktrdr_client.channel import open_channel
from pyarrow import flight

from benchmarks.bar_messages import METHOD, SERVICE, Bars
from benchmarks.findings import Findings, add_json_flag
from services.common.channel import client_options
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.columns import SCHEMA

ROWS: Final = 1_000_000
TURNS: Final = 9
BATCH_ROWS: Final = (8_192, 16_384, 32_768)
DEFAULT_BATCH_ROWS: Final = 16_384
TARGET_SECONDS: Final = 0.150
BUSY: Final = 1.0
"""Load of the machine above which times say little about the product."""
KEY: Final = bars_pb2.DatasetKey(
    source=bars_pb2.SOURCE_REPLAY,
    instrument=bars_pb2.Instrument(symbol="TEST", contract_id=1, time_zone="America/New_York"),
    what_to_show=bars_pb2.WHAT_TO_SHOW_TRADES,
    use_rth=True,
    bar_size=bars_pb2.BAR_SIZE_1_MINUTE,
)


class Taken(NamedTuple):
    """What one turn took, in seconds."""

    wall: float
    client: float
    """Of the processor, in this process."""
    server: float
    """Of the processor, in the server."""


def minute_bars(count: int) -> pa.Table:
    """Return minutes of sessions of 6.5 hours on five days a week: a random walk in cents, the same each time."""
    random = np.random.default_rng(7)
    session, minute = np.divmod(np.arange(count), 390)
    times = 1_325_514_600_000_000 + ((session + session // 5 * 2) * 1_440 + minute) * 60_000_000
    close = np.round(100 + np.cumsum(random.normal(0, 0.02, count)), 2)
    opening = np.round(close + random.normal(0, 0.02, count), 2)
    high, low = np.maximum(opening, close) + 0.01, np.minimum(opening, close) - 0.01
    volume = np.round(random.lognormal(7, 1, count))
    columns = [times, opening, high, low, close, volume, np.round((high + low) / 2, 4), (volume // 50).astype("<i8")]
    arrays = [pa.array(values).cast(field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


@contextmanager
def server(way: str, home: Path) -> Iterator[tuple[str, int]]:
    """Run a server; yields its address and process id."""
    ready = home / f"ready-{way}.json"
    command = [sys.executable, "-m", "benchmarks.stream_bars_server", way, str(home)]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}) as process:
        try:
            while not ready.exists() or not ready.read_text().strip():
                if process.poll() is not None:
                    raise SystemExit(f"the server {way} has ended with {process.returncode}")
                time.sleep(0.05)
            yield str(json.loads(ready.read_text())["address"]), process.pid
        finally:
            process.terminate()
            process.wait(timeout=30)


async def stream_bars(channel: grpc.aio.Channel, batch_rows: int) -> pa.Table:
    """Take the bars as the client library does."""
    decoder = BarsDecoder()
    request = ib_pb2.StreamBarsRequest(key=KEY, batch_rows=batch_rows)
    stub: Any = ib_pb2_grpc.IbHostServiceStub(channel)
    async for message in stub.StreamBars(request):
        decoder.feed(message)
    return decoder.finish().table


def repeated_messages(address: str) -> pa.Table:
    """Take the bars as one message each."""
    columns: dict[str, list[float]] = {field.name: [] for field in SCHEMA}
    with grpc.insecure_channel(address, options=client_options()) as channel:
        stream: Any = channel.unary_stream(f"/{SERVICE}/{METHOD}", response_deserializer=Bars.FromString)
        for message in stream(b""):
            for name, values in columns.items():
                values.extend(getattr(bar, name) for bar in message.bars)
    return pa.Table.from_arrays([pa.array(columns[field.name]).cast(field.type) for field in SCHEMA], schema=SCHEMA)


class Clocks:
    """Measures turns.

    Args:
        pid: Of the server, whose use of the processor counts too.
    """

    def __init__(self, pid: int) -> None:
        self._server = ~pid << 3 | 2  # the clock of another process, as Linux computes it
        self.start()

    def start(self) -> None:
        """Begin a turn."""
        self._began = (time.perf_counter(), time.process_time(), time.clock_gettime(self._server))

    def taken(self) -> Taken:
        """Return what the turn took."""
        now = (time.perf_counter(), time.process_time(), time.clock_gettime(self._server))
        return Taken(*(after - before for after, before in zip(now, self._began, strict=True)))


async def measure(home: Path, rows: int, turns: int) -> dict[str, list[Taken]]:
    """Return what each way took in each turn; the first turn of each warms up and does not count."""
    expected = minute_bars(rows)
    found: dict[str, list[Taken]] = {}
    with server("ib-host", home) as (address, pid), server("flight", home) as (flight_address, flight_pid):
        async with open_channel(address) as channel:
            with flight.connect(f"grpc://{flight_address}") as floor:
                for turn in range(turns + 1):
                    for batch_rows in BATCH_ROWS:
                        clocks = Clocks(pid)
                        table = await stream_bars(channel, batch_rows)
                        found.setdefault(f"StreamBars, {batch_rows:,} bars a message", []).append(clocks.taken())
                        assert turn or table.equals(expected)
                        del table
                    clocks = Clocks(flight_pid)
                    table = floor.do_get(flight.Ticket(b"")).read_all()
                    found.setdefault("Arrow Flight from memory", []).append(clocks.taken())
                    assert turn or table.equals(expected)
    found = {way: taken[1:] for way, taken in found.items()}
    with server("messages", home) as (address, pid):
        clocks = Clocks(pid)
        table = await asyncio.to_thread(repeated_messages, address)
        found["one message a bar (once)"] = [clocks.taken()]
        assert table.equals(expected)
    return found


def main() -> int:
    """Run the benchmark and print its table; the exit code says whether the target was met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS, help=f"how many bars ({ROWS:,})")
    parser.add_argument("--turns", type=int, default=TURNS, help=f"how often each way is taken ({TURNS})")
    add_json_flag(parser)
    options = parser.parse_args()
    findings = Findings("stream_bars")
    findings.head()
    if os.getloadavg()[0] > BUSY:
        print(f"the machine is busy (load {os.getloadavg()[0]:.1f}): look at the processor's time, not at the clock's")
    with tempfile.TemporaryDirectory(prefix="ktrdr-bench-") as folder:
        BarStore(Path(folder)).merge(KEY, minute_bars(options.rows))
        found = asyncio.run(measure(Path(folder), options.rows, options.turns))
    title = f"ms for {options.rows:,} bars"
    print(f"{title:36}{'median':>8}{'best':>8}{'client CPU':>12}{'server CPU':>12}")
    for way, taken in found.items():
        wall, client, used = (median(each) * 1e3 for each in zip(*taken, strict=True))
        best = min(each.wall for each in taken) * 1e3
        print(f"{way:36}{wall:8.0f}{best:8.0f}{client:12.0f}{used:12.0f}")
        findings.keep(way, median_ms=wall, best_ms=best, client_cpu_ms=client, server_cpu_ms=used)
    ours = found[f"StreamBars, {DEFAULT_BATCH_ROWS:,} bars a message"]
    seconds = median(each.wall for each in ours)
    floor = median(each.wall for each in found["Arrow Flight from memory"])
    findings.check(
        f"{options.rows:,} bars from the files to a table",
        seconds,
        f"{seconds * 1e3:.0f} ms (best {min(each.wall for each in ours) * 1e3:.0f}), {seconds / floor:.1f} x Flight",
        f"<= {TARGET_SECONDS * 1e3:.0f} ms",
        passed=seconds <= TARGET_SECONDS,
    )
    return findings.write(options.json)


if __name__ == "__main__":
    sys.exit(main())
