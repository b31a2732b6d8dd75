"""Know how much space the disk has, without asking it for each answer."""

import shutil
from pathlib import Path
from typing import Final

from ktrdr.host.v1 import host_pb2

from services.common.clock import Clock

_KEPT_SECONDS: Final = 1.0


class DiskSpace:
    """Total and free space of the disk that a folder is on, asked at most once a second.

    Args:
        folder: The folder.
        clock: Time.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._asked_at: float | None = None
        self._disk = host_pb2.Disk()

    def tell(self, disk: host_pb2.Disk) -> None:
        """Put the space into a message.

        Raises:
            OSError: The disk does not answer.
        """
        now = self._clock.monotonic()
        if self._asked_at is None or now >= self._asked_at + _KEPT_SECONDS:
            usage = shutil.disk_usage(self._folder)
            self._disk = host_pb2.Disk(total_bytes=usage.total, free_bytes=usage.free)
            self._asked_at = now
        disk.MergeFrom(self._disk)
