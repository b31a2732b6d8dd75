"""Which sessions have a model, and what to say of those that have none."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session

from services.common.errors import ServiceError
from services.host.folder import SessionFolder

MODEL_FOLDER: Final = "model"
"""Name of a model's folder among a session's artifacts."""
_PREFIX: Final = "STATE_"


class TrainingSession(Protocol):
    """What has to be known of a session to find its model."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def folder(self) -> SessionFolder:
        """Its files."""

    @property
    def state(self) -> "Session.State.ValueType":
        """Where it stands."""

    @property
    def settled(self) -> object | None:
        """Something, once it has ended."""

    @property
    def attached(self) -> bool:
        """A process of the user's own opened it."""


FindSession = Callable[[str], TrainingSession]
"""Returns a session by its id; raises SESSION_NOT_FOUND."""


def model_folder(session: TrainingSession) -> Path:
    """Return where the model of a session is, if it has one.

    Raises:
        ServiceError: ARTIFACT_NOT_FOUND, if no training of this host's has ended in the session.
    """
    if session.attached:
        raise no_model(session, "A process of its own opened the session; this host trained nothing in it.")
    if session.settled is None:
        raise no_model(session, "The training has not ended; its model is there when it is COMPLETED.")
    return session.folder.artifacts / MODEL_FOLDER


def no_model(session: TrainingSession, detail: str = "") -> ServiceError:
    """Return the error for a session without a model.

    Args:
        session: The session.
        detail: Why it has none; empty where only its end tells.
    """
    state = Session.State.Name(session.state).removeprefix(_PREFIX)
    return _not_found(session, "model", detail or f"The training has ended {state} and left none.")


def no_file(session: TrainingSession, name: str) -> ServiceError:
    """Return the error for a model without a file of this name."""
    return _not_found(session, f"file {name!r} in a model", "ListArtifacts tells the files that there are.")


def _not_found(session: TrainingSession, artifact: str, detail: str) -> ServiceError:
    reason = ErrorReason.ERROR_REASON_ARTIFACT_NOT_FOUND
    return ServiceError(reason, session_id=session.id, artifact=artifact, detail=detail)
