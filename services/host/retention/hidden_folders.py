"""Take folders of removed sessions out of sight, and delete them."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from services.common.files import sync_folder

_HIDDEN: Final = ".removed-"


def hide_folders(paths: Sequence[Path]) -> tuple[list[Path], dict[Path, str]]:
    """Give folders hidden names, durably. Blocks: call it in a thread.

    Args:
        paths: Folders of removed sessions; one that is not there counts as hidden.

    Returns:
        The hidden names, and why the others could not be given one.
    """
    hidden, failed = [], {}
    for path in paths:
        name = hidden_path(path.parent, path.name)
        try:
            if os.path.lexists(name):
                _delete(name)
            path.rename(name)
        except FileNotFoundError:
            continue
        except OSError as error:
            failed[path] = str(error)
        else:
            hidden.append(name)
    for root in {path.parent for path in hidden}:
        try:
            sync_folder(root)
        except OSError:
            continue  # the tombstone decides, whatever name the folder has after a crash
    return hidden, failed


def delete_folder(path: Path) -> str | None:
    """Delete a folder with everything in it. Blocks: call it in a thread.

    Returns:
        Why that was not possible; None where it is gone.
    """
    try:
        _delete(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return str(error)
    return None


def visible_names(root: Path) -> list[str]:
    """Return the ids of all sessions that have a folder below `root`. Blocks: call it in a thread."""
    return _names(root, hidden=False)


def hidden_names(root: Path) -> list[str]:
    """Return the ids of removed sessions whose folders below `root` are still to be deleted. Blocks, as above."""
    return [name.removeprefix(_HIDDEN) for name in _names(root, hidden=True)]


def hidden_path(root: Path, session_id: str) -> Path:
    """Return where the folder of a removed session is until it is deleted."""
    return root / f"{_HIDDEN}{session_id}"


def _names(root: Path, *, hidden: bool) -> list[str]:
    try:
        names = [path.name for path in root.iterdir()]
    except FileNotFoundError:
        return []
    return [name for name in names if (name.startswith(_HIDDEN) if hidden else not name.startswith("."))]


def _delete(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path)
