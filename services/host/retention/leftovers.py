"""Go on, at the start of a host, with removals that a crash has cut off."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

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
        removed = await tombstones.among(visible)
        put_away, failed = await asyncio.to_thread(hide_folders, [root / name for name in sorted(removed)])
        for path, error in failed.items():
            structlog.get_logger().warning("folder_not_removed", path=str(path), error=error)
        ours = set(hidden) if root == own else await tombstones.among(hidden)
        found.hidden.extend([*put_away, *(hidden_path(root, name) for name in sorted(ours))])
        found.unhidden.extend(failed)
    return found
