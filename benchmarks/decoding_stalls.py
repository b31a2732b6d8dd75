"""GetStatus of an IB host that loads minute bars at full speed, beside the same host idle.

`python -m benchmarks.decoding_stalls`. The gateway (a replay), the host and the client that asks are processes of their
own. The client asks again and again over its socket; the host's own loop is watched from within.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import grpc
from ktrdr.host.v1 import host_pb2, host_pb2_grpc
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.ib.v1 import bars_pb2, ib_pb2, ib_pb2_grpc

from benchmarks.decoding_stalls_host import STALLS
from benchmarks.findings import Findings, add_json_flag

if TYPE_CHECKING:  # the asynchronous stubs exist for type checkers only
    from ktrdr.host.v1.host_pb2_grpc import HostServiceAsyncStub
    from ktrdr.ib.v1.ib_pb2_grpc import IbHostServiceAsyncStub

_LIMIT_MS: Final = 50.0
_POLL_SECONDS: Final = 0.005
_START: Final = datetime(2023, 1, 3, tzinfo=UTC)
_FINAL: Final = {Session.STATE_COMPLETED, Session.STATE_FAILED, Session.STATE_CANCELLED}


@contextmanager
def process(folder: Path, name: str, *command: str) -> Iterator[tuple[int, str]]:
    """Run a service and yield its process id and address once it answers.

    Raises:
        RuntimeError: It ended before that.
    """
    ready = folder / f"{name}.json"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [part.replace("READY", str(ready)) for part in command]
    with subprocess.Popen([sys.executable, "-m", *arguments], env=environment) as server:
        try:
            while not ready.exists():
                if server.poll() is not None:
                    message = f"{name} ended with {server.returncode}"
                    raise RuntimeError(message)
                time.sleep(0.05)
            yield server.pid, json.loads(ready.read_text())["address"]
        finally:
            server.terminate()
            server.wait(timeout=30)


async def poll(host: "HostServiceAsyncStub", until: "asyncio.Event") -> list[float]:
    """Ask for the status until told to stop; return how long each answer took, in milliseconds."""
    cursor, taken = b"", []
    while not until.is_set():
        began = time.perf_counter()
        answer = await host.GetStatus(host_pb2.GetStatusRequest(cursor=cursor), timeout=10)
        taken.append(1e3 * (time.perf_counter() - began))
        cursor = answer.next_cursor
        await asyncio.sleep(_POLL_SECONDS)
    return taken[1:]  # the first answer is a snapshot


async def stalls(pid: int, folder: Path) -> "Stall":
    """Return the longest stalls of the host's loop since the last time."""
    path = folder / STALLS
    path.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    while not path.exists():  # noqa: ASYNC110 -- of another process
        await asyncio.sleep(0.02)
    return Stall(*(max(kind) for kind in zip(*json.loads(path.read_text()), strict=True)))


class Stall(NamedTuple):
    """The longest of each, in milliseconds.

    Attributes:
        own: Without the time in which other processes had the processor.
        clock: By the clock.
        processor: On the processor, by the loop alone.
    """

    own: float
    clock: float
    processor: float


def wanted(days: int, *, use_rth: bool) -> ib_pb2.StartDataLoadRequest:
    """Return the request for minute bars."""
    spec = ib_pb2.DataLoadSpec(
        instruments=[bars_pb2.Instrument(symbol="AAPL")],
        bar_size=bars_pb2.BAR_SIZE_1_MINUTE,
        use_rth=use_rth,
        mode=ib_pb2.DataLoadSpec.MODE_RANGE,
    )
    spec.start_time.FromDatetime(_START)
    spec.end_time.FromDatetime(_START + timedelta(days=days))
    return ib_pb2.StartDataLoadRequest(spec=spec)


async def load(bars: "IbHostServiceAsyncStub", host: "HostServiceAsyncStub", days: int, *, use_rth: bool) -> Session:
    """Load, and return the session once it has ended."""
    started = await bars.StartDataLoad(wanted(days, use_rth=use_rth), timeout=30)
    while True:
        session = await host.GetSession(host_pb2.GetSessionRequest(session_id=started.session.id), timeout=30)
        if session.state in _FINAL:
            return session
        await asyncio.sleep(0.2)


async def measure(pid: int, address: str, folder: Path, options: argparse.Namespace, findings: Findings) -> None:
    """Ask an idle host, then one that loads, and tell both."""
    async with grpc.aio.insecure_channel(address) as channel:
        host = cast("HostServiceAsyncStub", host_pb2_grpc.HostServiceStub(channel))
        bars = cast("IbHostServiceAsyncStub", ib_pb2_grpc.IbHostServiceStub(channel))
        up = ib_pb2.GetGatewayResponse.LINK_UP
        while (await bars.GetGateway(ib_pb2.GetGatewayRequest(), timeout=10)).link != up:  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0.1)
        columns = ("answers", "p50 ms", "p99 ms", "worst ms", "stall, clock", "own", "processor")
        print(" " * 30 + "".join(f"{column:>13}" for column in columns))
        for name, use_rth in (("regular hours", True), ("all hours", False)):
            await stalls(pid, folder)
            stop = asyncio.Event()
            asyncio.get_running_loop().call_later(options.seconds, stop.set)
            taken, idle_longest = await poll(host, stop), await stalls(pid, folder)
            idle = _told("idle host", taken, idle_longest, findings)
            stop = asyncio.Event()
            asking = asyncio.create_task(poll(host, stop))
            session = await load(bars, host, options.days, use_rth=use_rth)
            stop.set()
            taken, longest = await asking, await stalls(pid, folder)
            worst = _told(f"minute bars, {name}", taken, longest, findings)
            result = ib_pb2.DataLoadResult()
            if session.state != Session.STATE_COMPLETED or not session.result.Unpack(result):
                findings.check(f"load of {name}", None, session.error.message, "completed", passed=False)
                continue
            rows, chunks = result.loads[0].received_rows, result.loads[0].done_chunks
            print(f"{'':30}{rows:,} bars in {chunks} chunks")
            findings.keep(f"load, {name}", rows=rows, chunks=chunks)
            findings.check(
                f"longest stall of the loop, {name}", longest.own, f"{longest.own:.1f} ms",
                f"<= {_LIMIT_MS:g} ms", passed=longest.own <= max(_LIMIT_MS, idle_longest.own),
            )  # fmt: skip
            findings.check(
                f"worst GetStatus, {name}", worst - idle, f"{worst:.1f} ms, {worst - idle:.1f} ms above idle",
                f"<= {_LIMIT_MS:g} ms above", passed=worst - idle <= _LIMIT_MS,
            )  # fmt: skip


def _told(name: str, taken: list[float], longest: Stall, findings: Findings) -> float:
    ordered = sorted(taken)
    half, most, worst = ordered[len(ordered) // 2], ordered[int(0.99 * len(ordered))], ordered[-1]
    own, clock, processor = longest
    figures = (half, most, worst, clock, own, processor)
    print(f"{name:30}{len(taken):>13}" + "".join(f"{figure:>13.2f}" for figure in figures))
    findings.keep(name, answers=len(taken), p50_ms=half, p99_ms=most, worst_ms=worst, stall_ms=longest._asdict())
    return worst


def main() -> int:
    """Run the benchmark and print its table; the exit code says whether the targets were met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=180, help="days of the calendar to load (default 180)")
    parser.add_argument("--seconds", type=float, default=10.0, help="for which the idle host is asked (default 10)")
    add_json_flag(parser)
    options = parser.parse_args()
    findings = Findings("decoding_stalls")
    with tempfile.TemporaryDirectory(prefix="ktrdr-bench-") as name:
        folder = Path(name)
        data = f"generated:AAPL?start={_START:%Y-%m-%d}&days={options.days}"
        gateway = ("services.ib_host.replay", "--data", data, "--port", "0", "--ready-file", "READY", "--home", name)
        with process(folder, "gateway", *gateway, "--log-level", "warning") as (_, gateway_address):
            host = ("benchmarks.decoding_stalls_host", str(folder / "home"), "READY", gateway_address)
            with process(folder, "host", *host) as (pid, address):
                findings.head()
                asyncio.run(measure(pid, address, folder, options, findings))
    return findings.write(options.json)


if __name__ == "__main__":
    sys.exit(main())
