"""A session with a model, without a host."""

from dataclasses import dataclass

from ktrdr.host.v1.session_pb2 import Session

from services.host.folder import SessionFolder


@dataclass(frozen=True)
class ModelledSession:
    """What has to be known of a session to send its model."""

    folder: SessionFolder
    state: "Session.State.ValueType" = Session.STATE_COMPLETED
    settled: object | None = True
    attached: bool = False

    @property
    def id(self) -> str:
        """Its id."""
        return self.folder.id
