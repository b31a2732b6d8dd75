"""Open a session from any script or notebook: the host on this machine serves it like its own."""

import contextlib
import json
import os
import re
import shlex
import shutil
import sys
import uuid
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from ktrdr_bridge.alive import boot_id, hold_alive_lock, start_ticks
from ktrdr_bridge.bridge import DEFAULT_LIMIT_BYTES, Bridge
from ktrdr_bridge.session_bridge import RaisingSessionBridge, SessionBridge
from ktrdr_bridge.session_end import SessionEnd
from ktrdr_bridge.session_home import home_folder
from ktrdr_bridge.session_unrecorded import UnrecordedSession

# The same as for the ids that hosts are given: they become names of folders.
_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAME_CHARACTERS = 200
_COMMAND_CHARACTERS = 1_000
_LABEL_LIMIT = 64
_LABEL_CHARACTERS = 256


class SessionNotRecorded(RuntimeWarning):
    """A session can't be recorded, and its loop runs on without."""


class SessionExists(FileExistsError):
    """A session of this id was opened before."""


def open_session(
    name: str,
    kind: str = "training",
    total_epochs: int | None = None,
    *,
    labels: Mapping[str, object] | None = None,
    home: Path | str | None = None,
    session_id: str | None = None,
    raise_on_cancel: bool = False,
    synchronized: bool = False,
    limit_bytes: int = DEFAULT_LIMIT_BYTES,
) -> SessionBridge:
    """Open a session for the loop of this process.

    The host of that kind on this machine serves it as one of its sessions: it shows in the registry, and can be asked
    to stop. It runs nothing and signals nothing: the loop stays this process's own. No host has to run: one that is
    started later finds the session, also when it has ended by then.

    As a context manager the session is completed, cancelled (`Cancelled` or KeyboardInterrupt leaves the block, or the
    loop has seen `cancelled` before it ended) or failed (any other exception); exceptions go on. Without a block,
    `close()` ends it, or the end of the process does.

    Where it can't be recorded (no folder can be written, the disk is full), a `SessionNotRecorded` warning says why,
    and what is returned drops all reports: `recording` is False.

    Args:
        name: For people; any text.
        kind: Kind of the work, which is the kind of the host that serves it.
        total_epochs: How many epochs there will be, if known.
        labels: Labels to find the session by, at most 64; values that are not texts are written as such.
        home: Folder of KTRDR's data; None for KTRDR_HOME, or the user's data folder.
        session_id: Id of the session, never used before: up to 64 letters, digits, "-", "_" and ".", beginning with a
            letter or digit. None for a new one.
        raise_on_cancel: Raise `Cancelled` from the first report after somebody has asked the session to stop.
        synchronized: Allow reports from several threads at a time.
        limit_bytes: Bound of what is recorded; see `Bridge`.

    Returns:
        The session's bridge.

    Raises:
        ValueError: An id, kind or label can't be used.
        SessionExists: There is a session of this id.
    """
    session_id = _checked("session_id", session_id or str(uuid.uuid4()))
    kind = _checked("kind", kind)
    known = {
        "id": session_id,
        "display_name": _one_line(name),
        "kind": kind,
        "labels": _texts(labels or {}),
        "create_time": datetime.now(UTC).isoformat(),
        "pid": os.getpid(),
        "start_ticks": start_ticks(os.getpid()),
        "boot_id": boot_id(),
        "command": _one_line(shlex.join(sys.orig_argv), _COMMAND_CHARACTERS),
    }
    bridge_class = RaisingSessionBridge if raise_on_cancel else SessionBridge
    try:
        root = (Path(home).expanduser().absolute() if home else home_folder(os.environ)) / "local" / kind
        end = _make_folder(root, session_id, known, limit_bytes)
        try:
            bridge = bridge_class.resume(
                end.folder / "journal",
                control=end.folder / "control",
                limit_bytes=limit_bytes,
                synchronized=synchronized,
            )
        except OSError:
            end.abandon()
            shutil.rmtree(end.folder, ignore_errors=True)
            raise
    except SessionExists:
        raise
    except (OSError, RuntimeError) as error:
        message = f"the session {name!r} is not recorded, its loop runs on without: {error}"
        warnings.warn(message, SessionNotRecorded, stacklevel=2)
        return UnrecordedSession(session_id, name)
    bridge.take(session_id, name, end)
    if kind == "training" or total_epochs is not None:
        bridge.set_phase("train", total=total_epochs, unit="epochs")
    return bridge


def _make_folder(root: Path, session_id: str, known: Mapping[str, object], limit_bytes: int) -> SessionEnd:
    """Make a session's folder in one step: a host finds it whole, with all that the session needs, or not at all.

    Raises:
        SessionExists: There is a session of this id.
        OSError: It can't be made; nothing is left of it.
    """
    root.mkdir(parents=True, exist_ok=True)
    unfinished, folder = root / f".new-{uuid.uuid4().hex}", root / session_id
    if folder.exists():
        raise SessionExists(f"there is a session {session_id!r} already: give another session_id, or none")
    unfinished.mkdir()
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, unfinished, ignore_errors=True)
        lock = hold_alive_lock(unfinished / "alive.lock")
        undo.callback(lock.release)
        end = SessionEnd(unfinished, lock)
        # Made here and opened again in its place, so that a disk without room for it shows before anybody sees it.
        Bridge.create(unfinished / "journal", control=unfinished / "control", limit_bytes=limit_bytes).close()
        (unfinished / "attached.json").write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
        unfinished.rename(folder)
        undo.pop_all()
    end.folder = folder
    return end


def _checked(field: str, text: str) -> str:
    if _ID_PATTERN.fullmatch(text) is None:
        message = f'{field} must be up to 64 letters, digits, "-", "_" and ".", beginning with a letter or digit'
        raise ValueError(f"{message}; not {text!r}")
    return text


def _texts(labels: Mapping[str, object]) -> dict[str, str]:
    """Return labels as texts.

    Raises:
        ValueError: There are more, or longer ones, than hosts keep.
    """
    texts = {_encodable(str(name)): _encodable(str(value)) for name, value in labels.items()}
    if len(texts) > _LABEL_LIMIT:
        message = f"{len(texts)} labels; a session has at most {_LABEL_LIMIT}"
        raise ValueError(message)
    for name, value in texts.items():
        if not name or len(name) > _LABEL_CHARACTERS or len(value) > _LABEL_CHARACTERS:
            message = f"label {name[:40]!r}: name and value have at most {_LABEL_CHARACTERS} characters"
            raise ValueError(message)
    return texts


def _one_line(text: str, most: int = _NAME_CHARACTERS) -> str:
    line = _encodable(" ".join(str(text).split()))
    return line if len(line) <= most else line[: most - 1] + "…"


def _encodable(text: str) -> str:
    """Return a text that UTF-8 can hold: file names and arguments may have come with what it can't."""
    return text.encode("utf-8", "replace").decode()
