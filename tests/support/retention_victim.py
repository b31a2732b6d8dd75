"""Runs a host that removes everything it may, again and again, and kills it each time: a program of its own.

Each line of stdin is a word and a number of seconds. A copy of this process starts a host on the folder and is killed
so long after its start ("start") or after the first sign of a removal ("sign"); then "killed" is printed. Copies,
because to import everything anew takes longer than what is to be killed.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from tests.support.host_service import ProbeHostSettings, make_host
from tests.support.scripted_work import ScriptedWork


async def _serve(home: Path) -> None:
    host = make_host(ProbeHostSettings(home=home, keep_sessions=0), ScriptedWork().runner())
    await host.start()
    await asyncio.Event().wait()


def _await_sign(root: Path) -> None:
    before = len(os.listdir(root))  # noqa: PTH208 - asked a thousand times a second
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        names = os.listdir(root)  # noqa: PTH208 - as above
        if len(names) < before or any(name.startswith(".removed-") for name in names):
            return
        time.sleep(0.0005)


def main() -> None:
    """Kill a host for each line of stdin."""
    home = Path(sys.argv[1])
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # its log is of no interest
            with contextlib.suppress(BaseException):
                asyncio.run(_serve(home))
            os._exit(1)
        moment, seconds = line.split()
        if moment == "sign":
            _await_sign(home / "training-host" / "sessions")
        time.sleep(float(seconds))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        sys.stdout.write("killed\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
