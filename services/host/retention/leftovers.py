"""Go on, at the start of a host, with removals that a crash has cut off."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from services.host.folder import SessionFolder
from services.host.records import SessionRecord
from services.host.retention.hidden_folders import hidden_names, hidden_path, hide_folders, visible_names
from services.host.retention.tombstones import Tombstones


@dataclass(frozen=True)
class Leftovers:
    """What a crash has left of removed sessions.

    Attributes:
        hidden: Folders to delete.
        unhidden: Folders that could not be hidden; nothing may be shown of them.
    """

    hidden: list[Path] = field(default_factory=list)
    unhidden: list[Path] = field(default_factory=list)


async def hide_leftovers(tombstones: Tombstones, own: Path, others: Sequence[Path]) -> Leftovers:
    """Hide the folders of all sessions that have a tombstone.

    Args:
        tombstones: What was removed.
        own: Folder of the host's own sessions: whatever is hidden there is the host's to delete.
        others: Folders of sessions that others have made, where the host deletes only what it has removed itself.
    """
    found = Leftovers()
    for root in (own, *others):
        visible, hidden = await asyncio.to_thread(visible_names, root), await asyncio.to_thread(hidden_names, root)
        candidates = await tombstones.of_folders(root / name for name in visible)
        removed = await asyncio.to_thread(_removed, candidates)
        put_away, failed = await asyncio.to_thread(hide_folders, removed)
        for path, error in failed.items():
            structlog.get_logger().warning("folder_not_removed", path=str(path), error=error)
        ours = (
            hidden
            if root == own
            else [path.name for path in await tombstones.of_folders(root / name for name in hidden)]
        )
        found.hidden.extend([*put_away, *(hidden_path(root, name) for name in ours)])
        found.unhidden.extend(failed)
    return found


def _removed(candidates: Mapping[Path, tuple[str, int]]) -> list[Path]:
    """Return the folders that are still those of the removed sessions, and not of later ones with the same name."""
    removed = []
    for path, session in candidates.items():
        record = SessionRecord.load(SessionFolder(path).session_record)
        if record is not None and (record.id, record.number) == session:
            removed.append(path)
    return removed
