"""Start a worker before there is a session for it, and become the keeper of the session that it is given.

Run as a script by the host: `python -I -S spare_keeper.py FOLDER HOST_FD COMMAND…`. FOLDER is the host's, for people
who look at the list of processes; HOST_FD is a socket to the host (`handover` has what goes over it); the worker is
started as COMMAND with the number of its socket to the keeper added.

Until a session comes, both end as soon as the host does. From then on nothing differs from `keeper.py`.
"""

import contextlib
import os
import select
import signal
import socket
import sys

# With -I and -S nothing but the standard library is found; behind it nothing of it can be hidden.
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))))  # noqa: PTH100, PTH120 - as in keeper

from services.host import keeper
from services.host.spare.handover import READY, TAKEN, Handover, receive
from services.host.spare.output import print_to


def main() -> None:
    """Wait for a session, and run its worker to its end."""
    host_descriptor, command = int(sys.argv[2]), sys.argv[3:]
    os.set_inheritable(host_descriptor, False)
    for ignored in keeper.POLITE_SIGNALS:
        signal.signal(ignored, signal.SIG_IGN)
    with socket.socket(fileno=host_descriptor) as host:
        own, others = socket.socketpair()
        with others:
            others.set_inheritable(True)
            worker = keeper.start([*command, str(others.fileno())])
        line, lock = _wait(host, own)
        if not line or _has_ended(worker):
            _give_up(worker)
            return
        with contextlib.suppress(OSError):  # a host that was killed since has given the session away all the same
            host.sendall(TAKEN)
    _work(line, lock, worker, own)


def _wait(host: socket.socket, worker: socket.socket) -> tuple[bytes, int]:
    """Wait for a session.

    Returns:
        The host's line and the locked descriptor; an empty line where host or worker have ended.
    """
    while True:
        readable, _, _ = select.select([host, worker], [], [])
        if worker in readable:
            if not worker.recv(1):
                return b"", -1
            with contextlib.suppress(OSError):  # the host has ended, which is noticed next
                host.sendall(READY)
        if host in readable:
            line, descriptors = receive(host)
            return (line, descriptors[0]) if line else (b"", -1)


def _has_ended(worker: int) -> bool:
    return os.waitid(os.P_PID, worker, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _give_up(worker: int) -> None:
    """End a worker that nobody needs; a lock that had come is let go of with this process."""
    keeper.end_group(worker)
    os.waitpid(worker, 0)


def _work(line: bytes, lock: int, worker: int, to_worker: socket.socket) -> None:
    handover = Handover.from_line(line)
    os.set_inheritable(lock, False)
    print_to(handover.log)
    # Before the worker hears of the session: where this file is missing and the lock is free, nobody works on it.
    keeper.write(handover.session, "worker.json", keeper.record_of(worker))
    oom_kills_before = keeper.oom_kills()
    with to_worker, contextlib.suppress(OSError):  # one that was killed is seen below
        to_worker.sendall(line)
    keeper.reserve(handover.session)
    end = keeper.follow(worker)
    keeper.write_end(handover.session, end, memory_bytes=0, oom_kills_before=oom_kills_before)


if __name__ == "__main__":
    main()
