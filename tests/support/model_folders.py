"""Trained models made by hand: sessions that have ended with small files, as a training host would have left them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ktrdr.training.v1.training_pb2 import Artifact

from services.host.folder import SessionFolder
from services.training_host.artifacts.listing import list_artifacts
from services.training_host.artifacts.version import model_version
from services.training_host.model_files.sessions import MODEL_FOLDER
from services.training_host.settings import TrainingHostSettings
from tests.support.finished_sessions import days_ago, write_finished_session

CARD: Final = "# swing\n\nA model of **AAPL**.\n"
FILES: Final[dict[str, bytes]] = {
    "metadata.json": b'{"format_version": 2}\n',
    "model.safetensors": bytes(range(256)) * 8_192,
    "model_card.md": CARD.encode(),
    "strategy.yaml": b"name: swing\n",
    "training.json": b"{}\n",
}
"""Files of a model; the weights have 2 MiB."""


def write_model(
    home: Path, session_id: str, files: Mapping[str, bytes] = FILES, *, number: int = 1, with_model: bool = True
) -> SessionFolder:
    """Write the folder of a completed training below the home of a training host that does not run.

    Args:
        home: The host's home.
        session_id: Id of the session.
        files: Files of its model.
        number: Its place among the host's sessions.
        with_model: There is a model.
    """
    root = TrainingHostSettings(home=home).folder / "sessions"
    session = write_finished_session(root, session_id, number, days_ago(1))
    if with_model:
        put_model(session, files)
    return session


def put_model(session: SessionFolder, files: Mapping[str, bytes] = FILES) -> Path:
    """Write a model into a session's folder, and return where it is."""
    folder = session.artifacts / MODEL_FOLDER
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def version_of(session: SessionFolder) -> str:
    """Return what the model of a session is known by."""
    return model_version(list_artifacts(session.artifacts / MODEL_FOLDER))


def artifacts_of(files: Mapping[str, bytes] = FILES) -> list[Artifact]:
    """Return what a host should tell of files."""
    return [
        Artifact(name=name, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in sorted(files.items())
    ]
