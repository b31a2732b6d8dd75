"""The checkpoints of one session."""

import shutil
from pathlib import Path

import structlog

from services.training_host.artifacts.folder import appearing_folder
from services.training_host.checkpoints.checkpoint import Checkpoint, read_checkpoint
from services.training_host.checkpoints.files import MANIFEST, CheckpointDamaged, Manifest
from services.training_host.checkpoints.places import ORIGIN, OriginRecord, checkpoint_folders, next_checkpoint_folder

_LOG = structlog.get_logger(__name__)
_UNFINISHED = ".*.new"
_REMOVED = ".removed-"


class CheckpointStore:
    """Writes checkpoints so that each is there whole or not at all, and reads the newest that is what was written.

    One process uses it at a time: the session's worker.

    Args:
        folder: The session's folder of checkpoints.
        keep: How many of the newest are kept.
    """

    def __init__(self, folder: Path, *, keep: int) -> None:
        self._folder = folder
        self._keep = keep
        self._damaged: set[Path] = set()

    @property
    def folder(self) -> Path:
        """The session's folder of checkpoints."""
        return self._folder

    def origin(self) -> str:
        """Return the session that this one goes on from; an empty text if it begins anew.

        Raises:
            RecordDamagedError: It cannot be told any more.
            OSError: It cannot be read.
        """
        record = OriginRecord.read(self._folder / ORIGIN)
        return "" if record is None else record.session_id

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint that is what was written. Damaged ones are told in the log, and removed later.

        Returns:
            None, if there is none, or all are damaged.

        Raises:
            OSError: The folder cannot be read.
        """
        for folder in checkpoint_folders(self._folder):
            try:
                return read_checkpoint(folder)
            except CheckpointDamaged as damage:
                self._damaged.add(folder)
                _LOG.warning("checkpoint_damaged", path=str(folder), cause=damage.cause)
        return None

    def write(self, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint durably, and remove those that are more than are kept.

        Returns:
            Its folder.

        Raises:
            OSError: It cannot be written; nothing is left of it, and the others are as they were.
        """
        contents = checkpoint.to_files()
        contents[MANIFEST] = Manifest.of(contents).to_bytes()
        folder = next_checkpoint_folder(self._folder)
        with appearing_folder(folder) as unfinished:
            for name, content in contents.items():
                (unfinished / name).write_bytes(content)
        self._prune()
        return folder

    def clear(self) -> None:
        """Remove all checkpoints: the training has its result. What cannot be removed stays, which does no harm."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _prune(self) -> None:
        """Remove what is beyond the newest, what is damaged, and what a kill has left half written."""
        folders = checkpoint_folders(self._folder)
        good = [folder for folder in folders if folder not in self._damaged]
        surplus = set(folders) - set(good[: self._keep])
        for folder in surplus:
            # First out of sight: whoever takes checkpoints over finds each of them whole or not at all.
            hidden = self._folder / f"{_REMOVED}{folder.name}"
            try:
                folder.rename(hidden)
            except OSError as error:
                _LOG.warning("checkpoint_not_removed", path=str(folder), error=str(error))
        for pattern in (f"{_REMOVED}*", _UNFINISHED):
            for path in self._folder.glob(pattern):
                shutil.rmtree(path, ignore_errors=True)
