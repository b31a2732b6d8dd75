"""What was reported to a journal, kept as plain Python, and what a reader of that journal must therefore find."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ktrdr_bridge import Bridge, JournalRead, JournalReader, Position

Point = tuple[int, int, object]


def comparable(value: float) -> object:
    """Return a value that equals itself: NaN as a text."""
    return "nan" if math.isnan(value) else value


@dataclass
class Written:
    """Every row that was reported, in order: its place in the list is its seq."""

    rows: list[tuple[str, int, dict[str, float]]] = field(default_factory=list)

    def report(self, bridge: Bridge, kind: str, step: int, metrics: dict[str, float]) -> None:
        """Report an event to a bridge and remember it."""
        if kind == "batch":
            bridge.on_batch(step, 1_000, metrics)
        elif kind == "epoch":
            bridge.on_epoch(step, metrics)
        else:
            bridge.on_rows(step, rows=step, metrics=metrics)
        self.rows.append((kind, step, dict(metrics)))

    def series_of_rows(self) -> dict[tuple[str, frozenset[str]], list[int]]:
        """Return the seqs of each series: of each kind of rows with one set of names."""
        series: dict[tuple[str, frozenset[str]], list[int]] = {}
        for seq, (kind, _, metrics) in enumerate(self.rows):
            series.setdefault((kind, frozenset(metrics)), []).append(seq)
        return series


@dataclass
class Seen:
    """What one reader has read so far."""

    after: Position | None = None
    points: dict[str, list[Point]] = field(default_factory=dict)
    seqs: set[int] = field(default_factory=set)

    def add(self, found: JournalRead) -> None:
        """Take what was read."""
        for series in found.series:
            values = map(comparable, series.values)
            self.points.setdefault(series.name, []).extend(zip(series.seqs, series.steps, values, strict=True))
            self.seqs.update(series.seqs)
        self.after = found.next

    def check(self, written: Written) -> None:
        """Check that every point was written like that, and that each comes once and in order."""
        for name, points in self.points.items():
            seqs = [seq for seq, _, _ in points]
            assert all(a < b for a, b in itertools.pairwise(seqs)), f"{name} is out of order, or twice"
            for seq, step, value in points:
                _, true_step, metrics = written.rows[seq]
                assert (step, value) == (true_step, comparable(metrics[name]))
        for seq in self.seqs:
            assert all(name in self.points for name in written.rows[seq][2])


def read_all(
    reader: JournalReader, *, after: Position | None = None, max_points: int = 10_000
) -> tuple[Seen, JournalRead]:
    """Read in pages to the end."""
    seen = Seen(after)
    while True:
        found = reader.read(seen.after, max_points=max_points)
        assert found.next != seen.after or not found.more, "the reader stands still"
        seen.add(found)
        if not found.more:
            return seen, found


def check_whole(path: Path, written: Written, *, max_points: int = 10_000) -> JournalRead:
    """Read an undamaged journal and check that what it has is right, and that what it says of the rest is right too."""
    reader = JournalReader(path)
    seen, found = read_all(reader, max_points=max_points)
    reader.close()
    assert found.damage == ""
    seen.check(written)
    check_kept(seen.seqs, found, written)
    return found


def check_kept(seqs: set[int], found: JournalRead, written: Written) -> None:
    """Check which rows are there: all that were not thinned, and of each series the first and the last."""
    end = found.next.seq
    complete_from = 0 if found.thinning is None else found.thinning.complete_from_seq
    with_values = {seq for seq, (_, _, metrics) in enumerate(written.rows[:end]) if metrics}
    assert {seq for seq in with_values if seq >= complete_from} <= seqs <= with_values
    if found.thinning is not None:
        empty = sum(1 for _, _, metrics in written.rows[:complete_from] if not metrics)
        left_out = complete_from - sum(1 for seq in seqs if seq < complete_from) - found.thinning.rows_left_out
        assert 0 <= left_out <= empty
    for seqs_of_series in written.series_of_rows().values():
        present: Sequence[int] = [seq for seq in seqs_of_series if seq < end and seq in with_values]
        if present:
            assert {present[0], present[-1]} <= seqs
