"""The bridge of a session that a process opened for itself."""

import atexit
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from ktrdr_bridge.bridge import Bridge
from ktrdr_bridge.session_end import Outcome, SessionEnd


class SessionBridge(Bridge):
    """A bridge whose session the host on this machine serves; made by `ktrdr_bridge.open_session`.

    Reports like any `Bridge`, at the same speed. Ends as a context manager, by `close()`, or with its process.

    Attributes:
        session_id: Id of the session.
        name: Its name for people.
        folder: Where it is kept; None where nothing is recorded.
    """

    session_id: str = ""
    name: str = ""
    folder: Path | None = None
    _end: SessionEnd | None = None

    def take(self, session_id: str, name: str, end: SessionEnd) -> None:
        """Become the bridge of a session. For `open_session` alone."""
        self.session_id, self.name, self.folder = session_id, name, end.folder
        self._end = end
        _open_sessions.add(self)

    @property
    def cancelled(self) -> bool:
        """True once somebody asked the session to stop.

        A loop that has seen it and then ends is CANCELLED, and not COMPLETED.
        """
        asked = super().cancelled
        if asked and self._end is not None:
            self._end.stop_seen = True
        return asked

    def raise_if_cancelled(self) -> None:
        """Do nothing, or raise `Cancelled` with the reason once somebody asked the session to stop.

        Raises:
            Cancelled: The session was asked to stop.
        """
        if self.cancelled:
            super().raise_if_cancelled()

    def close(self, outcome: Outcome | None = None, *, exception: str = "") -> None:
        """End the session; idempotent. A forked child only lets go of its parent's journal.

        Args:
            outcome: How it ended; None for completed, or cancelled where the loop has seen that it was asked to stop.
            exception: What it failed with, for the outcome "failed".
        """
        _open_sessions.discard(self)
        try:
            super().close()
        finally:
            if self._end is not None:
                self._end.write(outcome or self._end.of_block(None)[0], exception)

    def close_after(self, error: BaseException | None) -> None:
        """End the session as a block that this exception left would: cancelled, failed, or (None) completed."""
        if self._end is not None:
            outcome, exception = self._end.of_block(error)
            self.close(outcome, exception=exception)

    def close_unclosed(self) -> None:
        """End the session that nobody closed, as its process ends or nothing in it can report any more."""
        if self._end is not None and not self._end.is_over:
            outcome, exception = self._end.of_process()
            self.close(outcome, exception=exception)

    def __del__(self) -> None:
        """End the session: nothing can report to it any more."""
        self.close_unclosed()

    def fail_unless_closed(self, exception: str) -> None:
        """Let the session be failed, with this text, if it is never closed; by itself it is completed then."""
        if self._end is not None:
            self._end.unclosed = exception

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close_after(error)


class RaisingSessionBridge(SessionBridge):
    """Raises `Cancelled` from the first report after a request to stop; what is reported is recorded before."""

    def set_phase(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        """See `Bridge`."""
        super().set_phase(name, total=total, unit=unit)
        self.raise_if_cancelled()

    def advance(self, completed: int, *, step: str = "") -> None:
        """See `Bridge`."""
        super().advance(completed, step=step)
        self.raise_if_cancelled()

    def expect(self, total: int, *, rest_seconds: float | None = None) -> None:
        """See `Bridge`."""
        super().expect(total, rest_seconds=rest_seconds)
        self.raise_if_cancelled()

    def wait_reason(self, text: str) -> None:
        """See `Bridge`."""
        super().wait_reason(text)
        self.raise_if_cancelled()

    def on_batch(self, batch: int, total: int, metrics: Mapping[str, float]) -> None:
        """See `Bridge`."""
        super().on_batch(batch, total, metrics)
        self.raise_if_cancelled()

    def on_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """See `Bridge`."""
        super().on_epoch(epoch, metrics)
        self.raise_if_cancelled()

    def on_rows(self, completed: int, *, rows: int, step: str = "", metrics: Mapping[str, float] | None = None) -> None:
        """See `Bridge`."""
        super().on_rows(completed, rows=rows, step=step, metrics=metrics)
        self.raise_if_cancelled()

    def _use(self, method: str, writer: Any) -> None:
        """Take over a compiled writer, with a look at the request after each event."""
        asked = self._stop_number

        def on_batch(self: RaisingSessionBridge, batch: int, total: int, metrics: Mapping[str, float]) -> None:
            writer(self, batch, total, metrics)
            if asked[0]:
                self.raise_if_cancelled()

        def on_epoch(self: RaisingSessionBridge, epoch: int, metrics: Mapping[str, float]) -> None:
            writer(self, epoch, metrics)
            if asked[0]:
                self.raise_if_cancelled()

        super()._use(method, on_batch if method == "on_batch" else on_epoch)


_open_sessions: "weakref.WeakSet[SessionBridge]" = weakref.WeakSet()


def _end_with_process() -> None:
    for bridge in list(_open_sessions):
        bridge.close_unclosed()


atexit.register(_end_with_process)
