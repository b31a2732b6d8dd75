"""How much of the disk the sessions of a host take."""

import asyncio
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from services.common.clock import Clock
from services.host.session import HostedSession

_BLOCK_BYTES: Final = 512
"""The unit of `st_blocks`, whatever the file system's own blocks are."""
_COUNT_SECONDS: Final = 10.0
"""Shortest time between two counts."""


class DiskUse:
    """Counts, in a thread and now and then, what the folders of sessions take.

    A folder of a session that has ended is looked at once: nothing changes there any more.

    Args:
        sessions: All sessions of the host.
        clock: Time.
    """

    def __init__(self, sessions: Iterable[HostedSession], clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._finished: dict[str, int] = {}
        self._counted_at: float | None = None
        self.bytes = 0
        """What was counted last."""

    async def count(self) -> None:
        """Count, unless that was done a moment ago."""
        now = self._clock.monotonic()
        if self._counted_at is not None and now - self._counted_at < _COUNT_SECONDS:
            return
        self._counted_at = now
        sessions = list(self._sessions)
        known = self._finished
        open_ones = [each for each in sessions if each.id not in known]
        ended = {each.id for each in sessions if each.settled is not None}
        sizes = await asyncio.to_thread(_sizes, [each.folder.path for each in open_ones])
        counted = dict(zip([each.id for each in open_ones], sizes, strict=True))
        self.bytes = sum(counted.values()) + sum(known.get(each.id, 0) for each in sessions)
        self._finished = {name: size for name, size in {**known, **counted}.items() if name in ended}


def folder_bytes(path: Path) -> int:
    """Return what a folder takes on the disk, in bytes. What vanishes meanwhile, or cannot be read, counts nothing."""
    total = 0
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES
                if entry.is_dir(follow_symlinks=False):
                    total += folder_bytes(Path(entry.path))
    except OSError:
        return total
    return total


def _sizes(paths: Sequence[Path]) -> list[int]:
    return [folder_bytes(path) for path in paths]
