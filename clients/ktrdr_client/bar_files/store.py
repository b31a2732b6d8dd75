"""A store of bars, by the URL of its folder."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, cast
from urllib.parse import quote

from ktrdr.ib.v1.bars_pb2 import Dataset, Instrument

from ktrdr_client.bar_files.choice import choose
from ktrdr_client.bar_files.manifest import NAME, Manifest, Part, parse_manifest
from ktrdr_client.bar_files.part_file import bars_of, import_optional
from ktrdr_client.bars import Bars, import_pyarrow
from ktrdr_client.errors import DataLoss, InvalidArgument, MissingLibrary, NotFound
from ktrdr_client.specs import Moment, dataset_key, end_timestamp, start_timestamp

COLUMNS: Final = ("time", "open", "high", "low", "close", "volume", "wap", "count")
_AT_ONCE: Final = 8
"""Files that are fetched together: a store far away answers several as fast as one."""


def open_store(url: str, **storage_options: Any) -> "BarFiles":
    """Open a store of bars for reading.

    Args:
        url: Of the folder data/bars of an IB host's home, or of a copy of it: a path, "file:///…", "s3://bucket/bars",
            "gs://bucket/bars", or any other that fsspec knows.
        **storage_options: For the file system, such as `anon=True` or `endpoint_url="…"`: those of fsspec's driver.

    Raises:
        MissingLibrary: pyarrow, fsspec or the driver for this kind of URL is not installed.
        InvalidArgument: fsspec knows no such kind of URL.
    """
    import_pyarrow()
    fsspec = import_optional("fsspec.core", "reading bars by URL needs fsspec: pip install fsspec")
    try:
        files, root = fsspec.url_to_fs(url, **storage_options)
    except ImportError as error:
        message = f"fsspec needs a driver for {url} (s3fs for s3://, gcsfs for gs://): {error}"
        raise MissingLibrary(message) from error
    except ValueError as error:
        message = f"{url} is no URL that fsspec can read: {error}"
        raise InvalidArgument(message) from error
    return BarFiles(files, str(root).rstrip("/"), url)


class BarFiles:
    """Stored bars, read where they are. Every method blocks.

    Args:
        files: File system of fsspec.
        root: Path of the folder in it.
        url: Of the folder, for errors.
    """

    def __init__(self, files: Any, root: str, url: str) -> None:
        self._files = files
        self._root = root
        self._url = url

    def datasets(self) -> Sequence[Dataset]:
        """Return all datasets by symbol, bar size, prices and source, but for those that `damaged` tells of."""
        return sorted((manifest.dataset for manifest in self._look("*").manifests), key=_place_of)

    def damaged(self) -> Sequence[DataLoss]:
        """Return what is wrong with datasets whose manifest cannot be read."""
        return self._look("*").damaged

    def bars(
        self,
        symbol: str | Instrument,
        bar_size: str,
        *,
        source: str | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        what_to_show: str = "",
        use_rth: bool = True,
        columns: Sequence[str] = (),
    ) -> Bars:
        """Return stored bars, in time order; files of other years are not read.

        Args:
            symbol: Symbol of a US stock or currency pair ("EUR.USD"), or an instrument.
            bar_size: "1d", "1h", "5min", …
            source: "ib", "replay" or "imported", where several are stored.
            start: First day or instant, UTC; None from the beginning.
            end: Last day (counted in full) or end instant (exclusive), UTC; None to the end.
            what_to_show: "trades", "midpoint", "bid", "ask" or "adjusted_last"; empty: midpoint for forex, else trades.
            use_rth: Regular trading hours only.
            columns: Only these, in this order; time always comes first. Empty: all.

        Raises:
            NotFound: There are no such bars.
            InvalidArgument: Several datasets fit, or there is no such column.
            DataLoss: The manifest or a file is damaged.
            ValueError: A text cannot be understood.
        """
        wanted = dataset_key(symbol, bar_size, source=source, what_to_show=what_to_show, use_rth=use_rth)
        if unknown := [name for name in columns if name not in COLUMNS]:
            message = f"there is no column {unknown[0]!r}; there are {', '.join(COLUMNS)}"
            raise InvalidArgument(message, reason="INVALID_REQUEST")
        names = list(dict.fromkeys(["time", *columns])) if columns else list(COLUMNS)
        low = None if start is None else start_timestamp(start).ToDatetime(UTC)
        high = None if end is None else end_timestamp(end).ToDatetime(UTC)
        name = quote(wanted.instrument.symbol.upper(), safe=" ").replace(".", "%2E")
        found = self._look(f"{name}-*" if name else "*")
        if name and not found.manifests and not found.damaged:
            found = self._look("*")  # its local symbol may be meant
        try:
            chosen = choose(wanted, found.manifests, self._url)
        except NotFound:
            if found.damaged:
                raise found.damaged[0] from None
            raise
        read: dict[Part, Any] = {}
        while True:
            try:
                return Bars(chosen.dataset, self._table(chosen, names, low, high, read))
            except FileNotFoundError:
                # Two versions were stored since the manifest was read, so its files are going: look again.
                before, chosen = chosen, self._manifest(chosen.path)
            if chosen == before:
                message = f"{chosen.path} names files that are not there"
                raise DataLoss(message, reason="STORE_CORRUPT", metadata={"path": chosen.path})

    def _look(self, instruments: str) -> "_Found":
        found = _Found([], [])
        self._files.invalidate_cache()
        for path in self._files.glob(f"{self._root}/*/{instruments}/*/{NAME}"):
            try:
                found.manifests.append(self._manifest(path))
            except DataLoss as error:
                found.damaged.append(error)
        return found

    def _manifest(self, path: str) -> Manifest:
        return parse_manifest(self._files.cat_file(path), path)

    def _table(
        self,
        manifest: Manifest,
        columns: list[str],
        start: datetime | None,
        end: datetime | None,
        read: dict[Part, Any],
    ) -> Any:
        """Return the bars of a version. Those of its files that are in `read` are not fetched again."""
        pyarrow = import_pyarrow()
        parts = [
            part
            for part in manifest.parts
            if (start is None or part.last >= start) and (end is None or part.first < end)
        ]
        missing = [part for part in parts if part not in read]
        for first in range(0, len(missing), _AT_ONCE):
            group = missing[first : first + _AT_ONCE]
            contents = cast("Mapping[str, bytes]", self._files.cat([part.path for part in group]))
            read.update((part, bars_of(part, contents, columns, start, end)) for part in group)
        tables = [read[part] for part in parts]
        if not tables:  # the schema of bars, without one
            part = manifest.parts[0]
            nothing = bars_of(part, self._files.cat([part.path]), columns, None, None)
            return nothing.slice(0, 0)
        return pyarrow.concat_tables(tables)


class _Found(NamedTuple):
    """What there is: manifests, and why some cannot be read."""

    manifests: list[Manifest]
    damaged: list[DataLoss]


def _place_of(dataset: Dataset) -> tuple[str, int, int, int, int]:
    key = dataset.key
    return (
        *(key.instrument.symbol, key.instrument.contract_id, key.bar_size),
        *(key.what_to_show, key.source),
    )
