"""Create a session's folder in one step that a crash cannot halve."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from google.protobuf import json_format
from google.protobuf.message import Message

from services.common.files import sync_folder
from services.host.folder import SessionFolder
from services.host.records import SessionRecord

Furnish = Callable[[SessionFolder], None]
"""Puts further files into a new session's folder, durably, before the session exists; it may block."""

_UNFINISHED: Final = ".new-"


def unfurnished(_: SessionFolder) -> None:
    """Leave a new folder with what every session has."""


def create_session_folder(
    root: Path, record: SessionRecord, spec: Message, furnish: Furnish = unfurnished
) -> SessionFolder:
    """Write a session's folder durably: after a crash it is there whole, or not at all. Blocks: call it in a thread.

    Args:
        root: The folder of all sessions of the host.
        record: What was accepted.
        spec: What was asked.
        furnish: Puts further files into it. What it raises is raised here; nothing is left of the folder then.

    Raises:
        OSError: It cannot be written; nothing is left of it. FileExistsError where the session exists.
    """
    path = root / record.id
    if path.exists():
        raise FileExistsError(path)
    unfinished = SessionFolder(root / f"{_UNFINISHED}{record.id}")
    try:
        unfinished.artifacts.mkdir(parents=True)
        _write(unfinished.spec, json_format.MessageToJson(spec, preserving_proto_field_name=True).encode() + b"\n")
        _write(unfinished.session_record, record.to_bytes())
        furnish(unfinished)
        sync_folder(unfinished.path)
        unfinished.path.rename(path)
    except BaseException:
        shutil.rmtree(unfinished.path, ignore_errors=True)
        raise
    sync_folder(root)
    return SessionFolder(path)


def remove_unfinished(root: Path) -> None:
    """Remove what a crash left of folders that were never whole. Nobody was told of these sessions."""
    for path in root.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
