"""Wait for the end of a process, whoever started it, without looking at it again and again."""

import asyncio
import os
from typing import Final

from services.host import process_table

LOOK_SECONDS: Final = 0.5
"""How often a process is looked at where the system does not tell of its end."""


async def process_ended(pid: int, start_ticks: int, boot_id: str) -> None:
    """Return when a process is gone, or has ended and only waits to be reaped.

    Linux tells of it through a descriptor of the process (pidfd_open(2)), which need not be a child: nothing is done
    until it ends. Elsewhere the process is looked at twice a second.

    Args:
        pid: Its number.
        start_ticks: When it began, in clock ticks since boot; 0 where that is not known, and the number alone has to be
            believed.
        boot_id: The boot that these belong to; empty where that is not known.
    """
    if boot_id and boot_id != process_table.boot_id():
        return
    descriptor = _open(pid)
    if descriptor is None:
        while _runs(pid, start_ticks):  # noqa: ASYNC110 - nobody could set an event
            await asyncio.sleep(LOOK_SECONDS)
        return
    try:
        # Looked at after the descriptor was taken: the number cannot come to mean another process any more.
        if _runs(pid, start_ticks):
            await _readable(descriptor)
    finally:
        os.close(descriptor)


def _open(pid: int) -> int | None:
    """Return a descriptor of a process; None where there is no such process, or the system has no such thing."""
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):
        return None


def _runs(pid: int, ticks: int) -> bool:
    if ticks:
        return process_table.start_ticks(pid) == ticks
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
