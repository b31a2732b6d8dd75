"""The session that a callback reports to: one that it was given, or a new one for each training."""

from collections.abc import Mapping
from pathlib import Path

from ktrdr_bridge.bridge import Bridge
from ktrdr_bridge.session import open_session
from ktrdr_bridge.session_bridge import SessionBridge


class TrainingSession:
    """Where the trainings of one callback are recorded.

    Args:
        session: A bridge that the caller opened and will close, or the name of the sessions to open.
        labels: Labels of sessions that are opened.
        home: Folder of KTRDR's data, for sessions that are opened; None for the usual one.
    """

    def __init__(self, session: Bridge | str, labels: Mapping[str, object] | None, home: Path | str | None) -> None:
        self._given = session if isinstance(session, Bridge) else None
        self._name = session if isinstance(session, str) else ""
        self._labels = dict(labels or {})
        self._home = home
        self._own: SessionBridge | None = None
        self._begun = False

    @property
    def bridge(self) -> Bridge | None:
        """The bridge of the training that runs in this process; None where none does."""
        return (self._given or self._own) if self._begun else None

    @property
    def asked_to_stop(self) -> bool:
        """Whether somebody asked the session to stop."""
        bridge = self.bridge
        return bridge is not None and bridge.cancelled

    def begin(self, total_epochs: int | None, done_epochs: int) -> None:
        """A training begins.

        Args:
            total_epochs: How many epochs it has, if known.
            done_epochs: Epochs that are done already, of a training that is resumed.
        """
        if self._own is not None:
            self._own.close("failed", exception=_CUT_OFF)  # the last one never came to its end
        if self._given is None:
            self._own = open_session(self._name, labels=self._labels, home=self._home)
            self._own.fail_unless_closed(_CUT_OFF)
        self._begun = True
        bridge = self.bridge
        assert bridge is not None
        bridge.set_phase("train", total=total_epochs, unit="epochs")
        if done_epochs:
            bridge.advance(done_epochs)

    def end(self, error: BaseException | None = None) -> None:
        """The training has ended, by itself or with an exception. A bridge that was given stays open."""
        self._begun = False
        own, self._own = self._own, None
        if own is not None:
            own.close_after(error)


_CUT_OFF = "the training was cut off before its end"
