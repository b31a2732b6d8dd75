"""Many hosts in one process, each a gRPC server of its own: `python -m benchmarks.simulated_hosts --ready FILE`.

They answer GetStatus as hosts do: everything to an empty cursor, what changed to any other, and nothing new is waited
for. Beside them one that takes calls and never answers, and one that answers late. They have no sessions until a line
comes on standard input; a line comes back when they have. The process ends with its input.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import grpc
from ktrdr.host.v1 import host_pb2

from benchmarks.simulated_sessions import Load, SimulatedSessions
from services.common.channel import server_options

SERVICE: Final = "ktrdr.host.v1.HostService"
_SHARE_OF_DEADLINE: Final = 0.8

Context = grpc.aio.ServicerContext[Any, Any]


class SimulatedHost:
    """One host.

    Args:
        number: Its number.
        late_seconds: How late each answer comes; infinity for never.
    """

    def __init__(self, number: int, late_seconds: float = 0.0) -> None:
        self._number = number
        self._late_seconds = late_seconds
        self._sessions = SimulatedSessions(number, Load(0, 1, 10**9, 0))
        self._begun = asyncio.Event()
        self._server = grpc.aio.server(options=server_options())
        get_status: grpc.RpcMethodHandler[host_pb2.GetStatusRequest, bytes] = grpc.unary_unary_rpc_method_handler(
            self._get_status, request_deserializer=host_pb2.GetStatusRequest.FromString
        )
        handler = grpc.method_handlers_generic_handler(SERVICE, {"GetStatus": get_status})
        self._server.add_generic_rpc_handlers((handler,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    async def start(self) -> None:
        """Begin to answer."""
        await self._server.start()

    async def stop(self) -> None:
        """Answer no more."""
        await self._server.stop(0)

    def begin(self, load: Load) -> None:
        """Let the sessions begin."""
        self._sessions = SimulatedSessions(self._number, load)
        self._begun.set()

    async def _get_status(self, request: host_pb2.GetStatusRequest, context: Context) -> bytes:
        if self._late_seconds:
            await asyncio.sleep(min(self._late_seconds, 3600.0))
        longest = min(request.wait.ToNanoseconds() / 1e9, context.time_remaining() * _SHARE_OF_DEADLINE)
        until_ns = time.time_ns() + round(longest * 1e9)
        answer, count = self._answer(request.cursor)
        while not count and request.cursor and (now_ns := time.time_ns()) < until_ns:
            if self._begun.is_set():
                await asyncio.sleep((min(self._sessions.next_row_ns(now_ns), until_ns) - now_ns) / 1e9 + 0.0005)
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._begun.wait(), (until_ns - now_ns) / 1e9)
            answer, count = self._answer(request.cursor)
        return answer

    def _answer(self, cursor: bytes) -> tuple[bytes, int]:
        return self._sessions.answer(cursor, time.time_ns())


async def run(options: argparse.Namespace) -> None:
    """Serve until the input ends."""
    hosts = [SimulatedHost(number) for number in range(options.hosts)]
    others = [SimulatedHost(options.hosts, float("inf"))] * options.hung
    others += [SimulatedHost(options.hosts + 1, 10.0)] * options.late
    for host in hosts + others:
        await host.start()
    addresses = {
        "hosts": [host.address for host in hosts],
        "others": [host.address for host in others],
    }
    options.ready.with_suffix(".tmp").write_text(json.dumps(addresses))
    options.ready.with_suffix(".tmp").rename(options.ready)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    if await lines.readline():
        load = Load(options.sessions, options.series, round(options.period * 1e9), time.time_ns(), options.spread)
        for host in hosts:
            host.begin(load)
        print("begun", flush=True)
        await lines.read()
    await asyncio.gather(*(host.stop() for host in hosts + others))


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, required=True)
    parser.add_argument("--sessions", type=int, required=True, help="of each host")
    parser.add_argument("--series", type=int, default=1, help="metrics of a row")
    parser.add_argument("--period", type=float, default=1.0, help="seconds between two rows of a session")
    parser.add_argument("--spread", type=int, default=0, help="periods until the last session begins")
    parser.add_argument("--hung", type=int, default=0, choices=(0, 1), help="one that never answers")
    parser.add_argument("--late", type=int, default=0, choices=(0, 1), help="one that answers 10 s late")
    parser.add_argument("--ready", type=Path, required=True, help="file for the addresses")
    parser.add_argument("--core", type=int, help="processor core to stay on")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
