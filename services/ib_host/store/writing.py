"""Making the next version of a dataset. Its lock is held meanwhile."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2

from services.common.files import sync_folder
from services.ib_host.store.columns import SCHEMA, merge
from services.ib_host.store.commands import recovery
from services.ib_host.store.identity import bar_length
from services.ib_host.store.manifest import NAME, Manifest, Part, corrupt, key_as_json
from services.ib_host.store.parts import WHOLE, by_period, open_part, whole_part, write_part


class Written(NamedTuple):
    """What became of a dataset.

    Attributes:
        manifest: of its version now.
        new_rows: bars that were not there before.
    """

    manifest: Manifest
    new_rows: int


class VersionWriter:
    """Writes versions of one dataset.

    Args:
        folder: of the dataset; there already.
        key: complete.
        public_path: how to name the folder in errors.
    """

    def __init__(self, folder: Path, key: bars_pb2.DatasetKey, *, public_path: str) -> None:
        self._folder = folder
        self._key = key
        self._public_path = public_path

    def write(self, bars: pa.Table, *, keep: bool) -> Written:
        """Store bars, and remove the files that no version needs any more.

        Args:
            bars: ascending, one for each time, at least one.
            keep: the bars of other times stay.

        Raises:
            ServiceError: STORE_CORRUPT.
            OSError: the files can't be written; the old version stays.
        """
        old = self.manifest()
        version = old.version + 1 if old else 1
        before = {part.period: part for part in old.parts} if old else {}
        whole = self._stored(before.pop(WHOLE, None))
        bar = bar_length(self._key)
        in_whole = dict(by_period(whole, bar))
        if keep and in_whole:
            bars = merge(whole, bars).table
        parts = dict(before) if keep else {}
        new_rows = 0
        for period, table in by_period(bars, bar):
            known = before.get(period)
            stored = in_whole[period] if period in in_whole else self._stored(known)
            merged = merge(stored, table)
            new_rows += merged.new_rows
            content = merged.table if keep else table
            if known is None or not content.equals(stored):
                parts[period] = write_part(self._folder, period, version, content, about=self._about())
            else:
                parts[period] = known
        return Written(self.switch(old, parts.values()), new_rows)

    def manifest(self) -> Manifest | None:
        """Return that of the current version; None where there is none.

        Raises:
            ServiceError: STORE_CORRUPT.
        """
        return Manifest.load(self._folder, public_path=self._public_path, advice=recovery(self._key))

    def switch(self, old: Manifest | None, parts: Iterable[Part]) -> Manifest:
        """Make a version of some parts the one that readers see; the same parts make no new version.

        Args:
            old: the current version.
            parts: whose files are written; at least one.

        Raises:
            OSError: the manifest can't be written; the old version stays.
        """
        kept = tuple(sorted(parts, key=lambda part: part.period))
        if old is not None and kept == old.parts:
            return old
        current = {part.file for part in kept}
        manifest = Manifest(
            version=old.version + 1 if old else 1,
            key=key_as_json(self._key),
            time_zone=self._key.instrument.time_zone,
            parts=kept,
            retired=tuple(part.file for part in old.parts if part.file not in current) if old else (),
            update_time=datetime.now(UTC),
        )
        sync_folder(self._folder)
        manifest.save(self._folder)
        _remove_unused(self._folder, current.union(manifest.retired))
        return manifest

    def _stored(self, part: Part | None) -> pa.Table:
        if part is None:
            return SCHEMA.empty_table()
        path = f"{self._public_path}/{part.file}"
        advice = recovery(self._key, (part.first, part.last))
        try:
            file = open_part(self._folder / part.file)
        except FileNotFoundError as error:
            raise corrupt(path, f"It is missing. {advice}") from error
        with file:
            return whole_part(file, part, public_path=path, advice=advice)

    def _about(self) -> Mapping[str, str]:
        """Return what a file says of its dataset to readers that have nothing but the file."""
        return {
            "ktrdr.dataset": json.dumps(key_as_json(self._key)),
            "ktrdr.time_zone": self._key.instrument.time_zone,
        }


def _remove_unused(folder: Path, used: set[str]) -> None:
    """Remove what no version needs: retired files of older versions, and what a crash left behind."""
    for path in folder.iterdir():
        half_written = path.suffix == ".new" and (".parquet" in path.name or path.name.startswith(f".{NAME}."))
        if path.name not in used and (path.suffix == ".parquet" or half_written):
            path.unlink(missing_ok=True)
