"""What one selection of operations is told of the news, piece by piece."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.change_index import ChangeIndex
from services.operations.watching.encoded_operations import EncodedOperations
from services.operations.watching.news import AnyOperation, News
from services.operations.watching.outsiders import Outsiders
from services.operations.watching.query import Selection
from services.operations.watching.recent_points import ShownPoints
from services.operations.watching.told_blocks import VALUE_BYTES, ToldBlock

_SERIES_BYTES: Final = 48
"""What a series takes beside its points, about."""


class Piece(NamedTuple):
    """Something to tell, at its revision.

    Attributes:
        revision: When it happened.
        size: About how many bytes it will take.
        data: A serialized part of a response; empty for points, which are put together when the message is made.
        points: The points, None for everything else.
    """

    revision: int
    size: int
    data: bytes
    points: ShownPoints | None = None


class Told(NamedTuple):
    """What is told.

    Attributes:
        pieces: All pieces but for the points of merged blocks.
        merged: Blocks whose points are told as far as they belong to the time between.
    """

    pieces: list[Piece]
    merged: list[ToldBlock]


class Reader(NamedTuple):
    """Who is told.

    Attributes:
        follows: It has followed the feed up to where the news begin, so it knows which operations are outside.
        knows_nothing: It has not been told of any operation yet, so none can have left for it.
    """

    follows: bool = False
    knows_nothing: bool = False


class Pieces:
    """Chooses from the news what a selection is told.

    Points are told of each operation that matches now, and of each that does not but has changed since: it may have
    matched when they came, and then they are the last ones. So no point that came while its operation matched is ever
    left out, however long the time that is told at once; some that came just after it had left may come too.

    Args:
        selection: What is wanted.
        index: Operations in memory.
        encoded: Encodes operations.

    Attributes:
        outsiders: Operations that are known to be outside.
    """

    def __init__(self, selection: Selection, index: ChangeIndex, encoded: EncodedOperations) -> None:
        self._selection = selection
        self._index = index
        self._encoded = encoded
        self.outsiders = Outsiders()

    def of(self, news: News, reader: Reader) -> Told:
        """Return what a reader is told of the news."""
        told = Told([], [])
        if self._selection.include_metrics:
            told.pieces.extend(self._points(news, reader))
            told.merged.extend(
                ToldBlock(block, self._selection.series)
                for block in news.merged
                if self._are_told(self._find(block.operation_id, news), news, reader)
            )
        # After the points: from here on it is known who is outside at the end of the time.
        told.pieces.extend(self._operations(news, reader))
        told.pieces.extend(self._deletions(news, reader))
        self.outsiders.trim(self._index)
        return told

    def _operations(self, news: News, reader: Reader) -> Iterator[Piece]:
        named = self._selection.operation_ids
        for operation in news.operations_of(named) if named else news.operations:
            record = operation.record
            # What has changed again since it was looked up is told later, at its new revision.
            if record.revision > news.up_to:
                continue
            if self._selection.wants(record):
                self.outsiders.entered(record.id)
                data = self._encoded.get(operation)
                yield Piece(record.revision, len(data), data)
            else:
                if not reader.knows_nothing and not self._is_outside(record.id, news.after, reader):
                    data = _left(record.id, record.revision)
                    yield Piece(record.revision, len(data), data)
                self.outsiders.left(record.id, record.revision)

    def _points(self, news: News, reader: Reader) -> Iterator[Piece]:
        named, judged = self._selection.operation_ids, dict[str, bool]()
        for points in news.points_of(named) if named else news.points:
            if points.operation_id not in judged:
                operation = self._find(points.operation_id, news) or points.operation
                judged[points.operation_id] = self._are_told(operation, news, reader)
            if judged[points.operation_id] and (series := self._wanted(points.series)):
                size = VALUE_BYTES * points.values + _SERIES_BYTES * len(series)
                yield Piece(points.revision, size, b"", points._replace(series=series))

    def _deletions(self, news: News, reader: Reader) -> Iterator[Piece]:
        for operation_id, revision in news.tombstones:
            known = not reader.knows_nothing and not self._is_outside(operation_id, news.after, reader)
            if known and self._selection.names(operation_id):
                data = _deleted(operation_id, revision)
                yield Piece(revision, len(data), data)
            self.outsiders.entered(operation_id)

    def _find(self, operation_id: str, news: News) -> AnyOperation | None:
        return self._index.get(operation_id) or news.absent.get(operation_id)

    def _are_told(self, operation: AnyOperation | None, news: News, reader: Reader) -> bool:
        """Tell whether the points of an operation are told."""
        if operation is None or not self._selection.names(operation.record.id):
            return False  # deleted, or not asked for
        record = operation.record
        if self._selection.wants(record):
            return True
        return record.revision > news.after and not self._is_outside(record.id, news.after, reader)

    def _is_outside(self, operation_id: str, revision: int, reader: Reader) -> bool:
        return reader.follows and self.outsiders.outside_at(operation_id, revision)

    def _wanted(self, series: Sequence[MetricSeries]) -> Sequence[MetricSeries]:
        names = self._selection.series
        return [one for one in series if one.name in names] if names else series


def _left(operation_id: str, revision: int) -> bytes:
    left = pb.LeftFilter(operation_id=operation_id, revision=revision)
    return pb.WatchOperationsResponse(left_filter=[left]).SerializeToString()


def _deleted(operation_id: str, revision: int) -> bytes:
    deleted = pb.DeletedOperation(operation_id=operation_id, revision=revision)
    return pb.WatchOperationsResponse(deleted=[deleted]).SerializeToString()
