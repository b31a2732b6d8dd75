"""Setting damaged files of a dataset aside, so that its bars can be loaded again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from services.common.errors import ServiceError
from services.common.files import sync_folder
from services.ib_host.store.manifest import NAME, Manifest, Part
from services.ib_host.store.parts import open_part, read_part
from services.ib_host.store.writing import VersionWriter

SUFFIX: Final = ".damaged"
_EVER: Final = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


class LostSpan(NamedTuple):
    """A stretch of time whose stored bars can't be read any more.

    Attributes:
        file: that was set aside, relative to the home.
        start: first instant, UTC.
        end: UTC, exclusive.
    """

    file: str
    start: datetime
    end: datetime


class Damage(NamedTuple):
    """What of a dataset can't be read.

    Attributes:
        manifest: of the current version; None where it is damaged, or there is none.
        parts: those of its files that are damaged, ascending.
        lost: what is lost by that, ascending; a damaged manifest loses all bars.
    """

    manifest: Manifest | None
    parts: Sequence[Part]
    lost: Sequence[LostSpan]


def find_damage(folder: Path, writer: VersionWriter, *, public_path: str) -> Damage:
    """Check all files of a dataset.

    Args:
        folder: of the dataset, locked.
        writer: of its versions.
        public_path: name of the folder for people.
    """
    try:
        manifest = writer.manifest()
    except ServiceError:
        return Damage(None, (), [LostSpan(f"{public_path}/{NAME}", *_EVER)])
    parts = manifest.parts if manifest is not None else ()
    damaged = [part for part in parts if not _is_sound(folder, part)]
    lost = [LostSpan(f"{public_path}/{part.file}", *_period_of(part, parts)) for part in damaged]
    return Damage(manifest, damaged, lost)


def set_aside(folder: Path, writer: VersionWriter, *, public_path: str) -> Sequence[LostSpan]:
    """Check all files of a dataset, and go on without those that are damaged; they are renamed to *.damaged.

    Args:
        folder: of the dataset, locked.
        writer: of its versions.
        public_path: name of the folder for people.

    Returns:
        What is lost, ascending; nothing where all is sound. A damaged manifest loses all bars.

    Raises:
        OSError: the files can't be renamed, or the manifest can't be written.
    """
    manifest, damaged, lost = find_damage(folder, writer, public_path=public_path)
    if not lost:
        return []
    if manifest is None:
        for path in [*folder.glob("*.parquet"), folder / NAME]:
            path.replace(path.with_name(path.name + SUFFIX))
        sync_folder(folder)
        return lost
    for part in damaged:
        if (folder / part.file).exists():
            (folder / part.file).replace(folder / (part.file + SUFFIX))
    if sound := [part for part in manifest.parts if part not in damaged]:
        writer.switch(manifest, sound)
    else:
        (folder / NAME).replace(folder / (NAME + SUFFIX))
        sync_folder(folder)
    return lost


def _is_sound(folder: Path, part: Part) -> bool:
    try:
        with open_part(folder / part.file) as file:
            for _ in read_part(file, part, public_path=""):
                pass
    except (ServiceError, FileNotFoundError):
        return False
    return True


def _period_of(part: Part, parts: Sequence[Part]) -> tuple[datetime, datetime]:
    """Return the time that a part stands for: between the bars of the parts around it, as its own are not all there is.

    What was asked for there, and is known to be empty, is asked for once more.
    """
    number = parts.index(part)
    start = parts[number - 1].last if number else _EVER[0]
    end = parts[number + 1].first if number + 1 < len(parts) else _EVER[1]
    return start, end
