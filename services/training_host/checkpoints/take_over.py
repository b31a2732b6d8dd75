"""Bring the checkpoints of one session into the folder of another one that goes on from them."""

import errno
import os
import shutil
from pathlib import Path
from typing import Final

import structlog

from services.common.files import sync_folder, write_atomically
from services.training_host.checkpoints.files import MANIFEST, PARTS, CheckpointDamaged, CheckpointHead, read_head
from services.training_host.checkpoints.fit import misfit
from services.training_host.checkpoints.places import ORIGIN, OriginRecord, checkpoint_folders
from services.training_host.checkpoints.refusal import checkpoint_not_found
from services.training_host.strategy.strategy import Strategy

_LOG = structlog.get_logger(__name__)
_TRIES: Final = 5
"""A session at work removes its older checkpoints while they are linked; then the newer ones are looked for."""
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS})


def take_over(source: Path | None, target: Path, *, session_id: str, strategy: Strategy) -> None:
    """Give a new session the checkpoints of another one. Blocks: call it in a thread.

    Files are linked, and copied where that is not possible: the other session can be removed at any moment. A
    checkpoint never changes once it is there.

    Args:
        source: Folder of the other session's checkpoints; None where the session is not known.
        target: Folder of the new session's checkpoints; must not exist.
        session_id: The other session.
        strategy: What the new session trains.

    Raises:
        ServiceError: CHECKPOINT_NOT_FOUND, with the reason.
        OSError: They cannot be written.
    """
    if source is None:
        raise checkpoint_not_found(session_id, "This host has no such session.")
    target.mkdir()
    head, damaged = _newest(source, target)
    if head is None:
        none = "It wrote none before it ended, or has removed them as it completed."
        detail = f"All that it has are damaged: {damaged[0]}." if damaged else none
        raise checkpoint_not_found(session_id, detail)
    if reason := misfit(head.strategy, strategy, fold=head.fold):
        raise checkpoint_not_found(session_id, reason)
    write_atomically(target / ORIGIN, OriginRecord(session_id=session_id).to_bytes())


def _newest(source: Path, target: Path) -> tuple[CheckpointHead | None, list[str]]:
    """Link the newest good checkpoint and all older ones.

    Returns:
        Its head, None where no checkpoint is good; and what is wrong with newer ones.
    """
    for _ in range(_TRIES):
        head: CheckpointHead | None = None
        damaged: list[str] = []
        vanished = False
        for folder in checkpoint_folders(source):
            copy = target / folder.name
            try:
                _link(folder, copy)
                head = head or read_head(copy)
            except (CheckpointDamaged, FileNotFoundError) as error:
                shutil.rmtree(copy, ignore_errors=True)
                if not folder.exists():
                    vanished = True
                    continue
                cause = error.cause if isinstance(error, CheckpointDamaged) else "a file is missing"
                damaged.append(f"{folder.name}: {cause}")
                _LOG.warning("checkpoint_damaged", path=str(folder), cause=cause)
        if head is not None or not vanished:
            break
    return head, damaged


def _link(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for name in (MANIFEST, *PARTS):
        try:
            os.link(source / name, target / name)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _copy(source / name, target / name)
    sync_folder(target)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reading, target.open("xb") as writing:
        shutil.copyfileobj(reading, writing)
        writing.flush()
        os.fsync(writing.fileno())
