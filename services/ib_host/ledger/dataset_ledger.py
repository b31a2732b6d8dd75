"""The ledger of a dataset: which stretches of time are known, and what came of asking for them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from services.ib_host.ledger.ledger_file import LedgerFile
from services.ib_host.ledger.records import Entry, Invalidation, SpanRecord
from services.ib_host.ledger.spans import merged, without
from services.ib_host.ledger.timeline import Piece, Timeline
from services.ib_host.planning.span import Span

_SPARE_LINES: Final = 500
"""Lines that nothing depends on any more, beyond as many as are in force, before the file is written anew."""


class DatasetLedger:
    """What was asked of the gateway for a dataset, beside its bars. Every method blocks: call it in a thread.

    An instant is known when the gateway was asked for the bars around it, and they are stored or do not exist. Whatever
    is written later overrules what was written before: a failure makes a known stretch unknown again. Other processes,
    and other ledgers of the same folder, may write meanwhile; each question sees what they have written.

    Args:
        file: the lines.
    """

    def __init__(self, file: LedgerFile) -> None:
        self._file = file
        self._timeline = Timeline()
        self._lines = 0

    @classmethod
    def open(cls, folder: Path) -> "DatasetLedger":
        """Return the ledger of a dataset's folder, which need not exist.

        Raises:
            OSError: its file is there and can't be read.
        """
        ledger = cls(LedgerFile(folder))
        ledger._refresh()
        return ledger

    def add(self, record: SpanRecord) -> None:
        """Write a record; durable on return. Where it says that bars are done they have to be stored by now.

        Raises:
            OSError: it can't be written.
            ServiceError: DATASET_BUSY.
        """
        self._write([record])

    def add_all(self, records: Sequence[SpanRecord]) -> None:
        """Write some records, as `add` does, in their order.

        Raises:
            OSError: they can't be written.
            ServiceError: DATASET_BUSY.
        """
        self._write(records)

    def invalidate(self, start: datetime, end: datetime, reason: str) -> None:
        """Forget what is known of [start, end); durable on return.

        Args:
            start: aware.
            end: aware, exclusive.
            reason: why, for people.

        Raises:
            OSError: it can't be written.
            ServiceError: DATASET_BUSY.
        """
        self._write([Invalidation(start=start, end=end, invalid=reason, time=datetime.now(UTC))])

    def known(self, start: datetime, end: datetime) -> list[Span]:
        """Return the parts of [start, end) that are done or empty, merged and ascending."""
        return merged(Span(piece.start, piece.end) for piece in self._pieces(start, end) if piece.record.known)

    def unknown(self, start: datetime, end: datetime) -> list[Span]:
        """Return the rest of [start, end), ascending."""
        return without([Span(start, end)], self.known(start, end))

    def known_to(self, session: str, start: datetime, end: datetime) -> list[Span]:
        """Return the parts of [start, end) that a session itself has found out, merged and ascending."""
        return merged(
            Span(piece.start, piece.end)
            for piece in self._pieces(start, end)
            if piece.record.known and piece.record.session == session
        )

    def records(self, start: datetime, end: datetime) -> list[SpanRecord]:
        """Return what is in force in [start, end), ascending.

        Start and end of each are those of the part of it that is in force and in the range; its counts are those of
        the whole.
        """
        return [_cut(piece) for piece in self._pieces(start, end)]

    def all_records(self) -> list[SpanRecord]:
        """Return everything that is in force, ascending, as `records` does."""
        self._refresh()
        return [_cut(piece) for piece in self._timeline.all()]

    def _pieces(self, start: datetime, end: datetime) -> Iterator[Piece]:
        self._refresh()
        return self._timeline.pieces(start, end)

    def _refresh(self) -> None:
        anew, entries = self._file.fresh()
        if anew:
            self._timeline, self._lines = Timeline(), 0
        for entry in entries:
            self._timeline.put(entry)
        self._lines += len(entries)

    def _write(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        with self._locked():
            self._file.add(entries)
            self._refresh()
            if self._lines > 2 * len(self._timeline) + _SPARE_LINES:
                self._file.rewrite(_cut(piece) for piece in self._timeline.all())
                self._refresh()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._file.locked():
            self._refresh()
            yield


def _cut(piece: Piece) -> SpanRecord:
    return piece.record.model_copy(update={"start": piece.start, "end": piece.end})
