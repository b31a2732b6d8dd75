"""Give sessions devices that they have for themselves."""

import asyncio
from collections.abc import Callable, Sequence


class DevicePool:
    """The devices of a host, and which session has which. Used on the event loop only.

    Args:
        names: The devices, by name; None while they are still looked for.
    """

    def __init__(self, names: Sequence[str] | None = ()) -> None:
        self._names = None if names is None else tuple(names)
        self._holders: dict[str, str] = {}
        self._found = asyncio.Event()
        self._callbacks: list[Callable[[], None]] = []
        if names is not None:
            self._found.set()

    @property
    def is_known(self) -> bool:
        """It is known which devices there are."""
        return self._names is not None

    @property
    def total(self) -> int:
        """Number of devices, as far as they are known."""
        return len(self._names or ())

    @property
    def free(self) -> list[str]:
        """Devices that no session has."""
        return [name for name in self._names or () if name not in self._holders]

    def find(self, names: Sequence[str]) -> None:
        """These are the devices. Sessions keep what they have."""
        self._names = tuple(names)
        self._found.set()
        for callback in self._callbacks:
            callback()

    def when_found(self, callback: Callable[[], None]) -> None:
        """Call `callback` when it turns out which devices there are."""
        self._callbacks.append(callback)

    async def known(self) -> None:
        """Wait until it is known which devices there are."""
        await self._found.wait()

    def take(self, session_id: str, count: int) -> tuple[str, ...] | None:
        """Give a session devices.

        Returns:
            Their names; None where fewer are free, and the session gets none.
        """
        free = self.free
        if len(free) < count:
            return None
        names = tuple(free[:count])
        self.hold(session_id, names)
        return names

    def hold(self, session_id: str, names: Sequence[str]) -> None:
        """A session has these devices already, from an earlier life of the host."""
        self._holders.update(dict.fromkeys(names, session_id))

    def release(self, session_id: str) -> None:
        """A session has ended: its devices are free."""
        self._holders = {name: holder for name, holder in self._holders.items() if holder != session_id}

    def holder(self, name: str) -> str:
        """Return the session that has a device; empty while it is free."""
        return self._holders.get(name, "")
