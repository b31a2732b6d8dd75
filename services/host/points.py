"""Read points out of journals."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ktrdr.host.v1.session_pb2 import Session
from ktrdr_bridge import JournalRead, JournalReader, Position, Series

from services.host.packing import to_columns, to_rows

_LEAST_PART: Final = 500
_LEAST_JOURNALS: Final = 4


@dataclass
class Points:
    """Points of one session, put together from one or more reads.

    Attributes:
        position: Where the reading stands.
        more: Rows are left.
        reset: The position to read from was lost; these points begin at the start.
        damage: What of the journal could not be read.
        series: The points by metric.
    """

    position: Position
    more: bool = True
    reset: bool = False
    damage: str = ""
    series: dict[str, Series] = field(default_factory=dict)

    def add(self, read: JournalRead) -> int:
        """Add what was read.

        Returns:
            How much of the room it takes: a row without values counts as one.
        """
        self.damage = read.damage or self.damage
        if not read.incarnation:
            # Gone or unreadable. What the reader has of it stays true, so its position is kept.
            self.more = False
            return 0
        moved = read.next != self.position
        rows = read.next.seq - (0 if read.reset else self.position.seq)
        self.position = read.next
        self.reset = self.reset or read.reset
        # A journal that says there is more and does not move is damaged: nobody may wait for it.
        self.more = read.more and moved
        values = 0
        for new in read.series:
            values += len(new.seqs)
            known = self.series.get(new.name)
            if known is None:
                self.series[new.name] = new
            else:
                known.seqs.extend(new.seqs)
                known.steps.extend(new.steps)
                known.values.extend(new.values)
                known.times_ns.extend(new.times_ns)
        return max(values, rows)

    def packed(self, *, raw_rows: bool) -> bytes:
        """Return the points as a serialized Session that has nothing else."""
        if raw_rows:
            return Session(metric_rows=to_rows(self.series)).SerializeToString()
        return Session(metrics=to_columns(self.series)).SerializeToString()


@dataclass(frozen=True)
class JournalSource:
    """A journal to read from.

    Attributes:
        path: The journal.
        reader: An open reader of it, for use on the event loop; None to open one.
        after: Where to begin.
    """

    path: Path
    reader: JournalReader | None
    after: Position


def read_fairly(sources: Sequence[JournalSource], max_points: int) -> list[Points]:
    """Read from several journals, and share the room among them.

    Each that is read gets an equal part; what one does not need goes to the others. Parts are not made smaller than is
    worth opening a journal for: where there are very many, the later ones have to wait for the next reading. A row is
    never split, so there may be a few points more than there is room for.

    Args:
        sources: The journals, those first that should not wait.
        max_points: Most points altogether.

    Returns:
        What was read of each, in the same order.
    """
    found = [Points(source.after) for source in sources]
    at_once = max(_LEAST_JOURNALS, max_points // _LEAST_PART)
    room = max_points
    waiting = deque(range(len(sources)))
    readers: dict[int, JournalReader] = {}
    try:
        while room > 0 and (readers or waiting):
            while waiting and len(readers) < at_once:
                index = waiting.popleft()
                readers[index] = sources[index].reader or JournalReader(sources[index].path)
            share = max(1, room // len(readers))
            for index, reader in list(readers.items()):
                if room <= 0:
                    break
                room -= found[index].add(reader.read(found[index].position, max_points=share))
                if not found[index].more:
                    # At once, and not at the end: there may be more journals than descriptors.
                    _close(readers.pop(index), sources[index])
    finally:
        for index, reader in readers.items():
            _close(reader, sources[index])
    return found


def _close(reader: JournalReader, source: JournalSource) -> None:
    if reader is not source.reader:
        reader.close()
