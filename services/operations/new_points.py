"""Find the points of a host's answer that the registry does not have yet."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from ktrdr.host.v1.metrics_pb2 import MetricSeries, MetricValue
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.blocks import pack, seqs_of, series_of, unpack


@dataclass
class JournalPositions:
    """How far the journals of one attempt have been read.

    Attributes:
        next_seq: For each incarnation, in the order in which they were met: rows below this number are in the store.
    """

    next_seq: dict[str, int] = field(default_factory=dict)

    def ordinal(self, incarnation: str) -> int:
        """Return the place of an incarnation among those of the attempt, from 0; a new one comes last."""
        known = list(self.next_seq)
        return known.index(incarnation) if incarnation in self.next_seq else len(known)


@dataclass(frozen=True, slots=True)
class PackedPoints:
    """Points as they are kept: packed, as a message keeps all others alive that came with it."""

    incarnation: str
    first_seq: int
    last_seq: int
    count: int
    data: bytes

    @property
    def series(self) -> list[MetricSeries]:
        """The points, by series."""
        return unpack(self.data)


@dataclass(slots=True)
class NewPoints:
    """Points that the registry did not have.

    Attributes:
        incarnation: Journal that they come from.
        series: The points, by series.
        first_seq: Lowest sequence number.
        last_seq: Highest sequence number.
        count: Points over all series.
    """

    incarnation: str
    series: tuple[MetricSeries, ...]
    first_seq: int
    last_seq: int
    count: int
    _packed: bytes | None = None

    def packed(self) -> bytes:
        """Return the series as one text of bytes: for whoever keeps points, as messages take many times the room."""
        if self._packed is None:
            self._packed = pack(self.series)
        return self._packed

    def kept(self) -> PackedPoints:
        """Return the points for whoever keeps them."""
        return PackedPoints(self.incarnation, self.first_seq, self.last_seq, self.count, self.packed())


def new_points(positions: JournalPositions, incarnation: str, series: Iterable[MetricSeries]) -> NewPoints | None:
    """Return what is new in `series`, or None.

    A host sends the rows of a journal in order and never splits one, so a row is known exactly when it is below the
    position of its journal. What is sent twice (a lost answer, a lost cursor, a restart between answer and commit) is
    therefore dropped here, row by row.
    """
    start = positions.next_seq.get(incarnation, 0)
    kept: list[MetricSeries] = []
    first, last, count = -1, -1, 0
    for one in series:
        begin = one.first_seq
        if begin >= start and not one.seqs and (points := len(one.values)):  # all of it is new, as is usual
            kept.append(one)
            if first < 0 or begin < first:
                first = begin
            if begin + points > last:
                last = begin + points - 1
            count += points
            continue
        seqs = seqs_of(one)
        place = bisect_left(seqs, start)
        if place == len(seqs):
            continue
        kept.append(one if place == 0 else series_of(one.name, seqs, one, place, len(seqs)))
        first = seqs[place] if first < 0 else min(first, seqs[place])
        last = max(last, seqs[-1])
        count += len(seqs) - place
    return NewPoints(incarnation, tuple(kept), first, last, count) if kept else None


def show_latest(record: pb.Operation, points: NewPoints) -> None:
    """Let the newest point of each series that `record` tells, by name, be overtaken by `points`."""
    known = record.latest_metrics
    places = {value.name: value for value in known}
    for one in points.series:
        value = places.get(one.name)
        if value is None:
            value = places[one.name] = MetricValue(name=one.name)
        value.value = one.values[-1]
        value.step = one.steps[-1]
        value.seq = one.seqs[-1] if one.seqs else one.first_seq + len(one.values) - 1
    if len(places) > len(known):
        in_order = [places[name] for name in sorted(places)]
        del known[:]
        known.extend(in_order)
