"""Setting damaged files of a dataset aside, so that its bars can be loaded again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from services.common.errors import ServiceError
from services.common.files import sync_folder
from services.ib_host.store.manifest import NAME, Part
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
    try:
        manifest = writer.manifest()
    except ServiceError:
        for path in [*folder.glob("*.parquet"), folder / NAME]:
            path.replace(path.with_name(path.name + SUFFIX))
        sync_folder(folder)
        return [LostSpan(f"{public_path}/{NAME}", *_EVER)]
    if manifest is None:
        return []
    sound = [part for part in manifest.parts if _is_sound(folder, part)]
    damaged = [part for part in manifest.parts if part not in sound]
    if not damaged:
        return []
    for part in damaged:
        if (folder / part.file).exists():
            (folder / part.file).replace(folder / (part.file + SUFFIX))
    if sound:
        writer.switch(manifest, sound)
    else:
        (folder / NAME).replace(folder / (NAME + SUFFIX))
        sync_folder(folder)
    return [LostSpan(f"{public_path}/{part.file}", *_period_of(part, manifest.parts)) for part in damaged]


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
