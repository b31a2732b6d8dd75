"""Let sessions wait for a slot and for devices, strictly in the order they were accepted."""

from bisect import insort

from services.host.device_pool import DevicePool
from services.host.session import HostedSession


class WaitingLine:
    """Sessions that have not begun. Nobody overtakes: what is behind the head waits until the head has begun.

    Args:
        slots: Sessions at work at the same time.
        limit: Sessions that may wait.
        devices: The host's devices.
    """

    def __init__(self, slots: int, limit: int, devices: DevicePool) -> None:
        self._slots = slots
        self._limit = limit
        self._devices = devices
        self._line: list[HostedSession] = []

    def __len__(self) -> int:
        return len(self._line)

    def has_room(self, *, running: int, coming: int) -> bool:
        """Tell whether one more session can be accepted.

        Args:
            running: Sessions at work.
            coming: Sessions that were accepted and will soon be in line.
        """
        # While somebody waits, the next one waits too, whatever slots are free.
        free = 0 if self._line else max(0, self._slots - running)
        return len(self._line) + coming < free + self._limit

    def add(self, session: HostedSession) -> None:
        """Put a session in its place: the folders of two that were accepted together may be ready in any order."""
        insort(self._line, session, key=lambda each: each.record.number)

    def remove(self, session: HostedSession) -> bool:
        """Take a session out. Returns whether it was there."""
        if session not in self._line:
            return False
        self._line.remove(session)
        return True

    def next(self, running: int) -> tuple[HostedSession, tuple[str, ...]] | None:
        """Take the head out of the line if it can begin now.

        Args:
            running: Sessions at work.

        Returns:
            The session, and the devices that it has for itself now.
        """
        if not self._line or running >= self._slots:
            return None
        head = self._line[0]
        devices = self._devices.take(head.id, head.options.gpus)
        if devices is None:
            return None
        return self._line.pop(0), devices

    def impossible(self) -> HostedSession | None:
        """Take the head out of the line if the host does not even have the devices that it asks for."""
        if self._line and self._devices.is_known and self._line[0].options.gpus > self._devices.total:
            return self._line.pop(0)
        return None

    def tell_places(self, running: int) -> None:
        """Tell all sessions their places, and the head what it waits for beside a slot."""
        for position, session in enumerate(self._line, start=1):
            waits_for = self._lacking(session) if position == 1 and running < self._slots else ""
            session.wait_in_line(position, waits_for)

    def _lacking(self, session: HostedSession) -> str:
        if not self._devices.is_known:
            return "waits until the host has found its GPUs"
        asked, free = session.options.gpus, len(self._devices.free)
        if free >= asked:
            return ""  # the host stops, and begins nothing any more
        gpus = "1 GPU" if asked == 1 else f"{asked} GPUs"
        return f"waits for {gpus}, {free or 'none'} {'are' if free > 1 else 'is'} free"
