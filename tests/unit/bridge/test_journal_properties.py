"""Whatever is reported, in whatever order, and however it is read: each reader gets exactly that, once, in order."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from ktrdr_bridge import Bridge, JournalRead, JournalReader, Position

NAMES = st.text(min_size=1, max_size=5) | st.sampled_from(["loss", "accuracy", "val_loss"])
METRICS = st.dictionaries(NAMES, st.floats(), max_size=9)
STEPS = st.integers(0, 100) | st.integers(-(2**63), 2**63 - 1)

# A metric's points as (seq, step, value); NaN is written as a text, because it equals nothing.
Points = dict[str, list[tuple[int, int, object]]]


def comparable(value: float) -> object:
    return "nan" if math.isnan(value) else value


class JournalMachine(RuleBasedStateMachine):
    """One writer that is closed, resumed and reported to, and three readers with rhythms of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal"
        self.bridge = Bridge.create(self.path, segment_bytes=65_536)
        self.incarnation = self.bridge.incarnation
        self.seq = 0
        self.written: Points = {}
        self.readers = [JournalReader(self.path) for _ in range(3)]
        self.after: list[Position | None] = [None, None, None]
        self.seen: list[Points] = [{}, {}, {}]
        self.phase: tuple[str, int | None] = ("", None)

    def note(self, step: int, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            self.written.setdefault(name, []).append((self.seq, step, comparable(value)))
        self.seq += 1

    @rule(step=STEPS, total=st.integers(1, 100), metrics=METRICS, times=st.sampled_from([1, 1, 2, 700]))
    def batch(self, step: int, total: int, metrics: dict[str, float], times: int) -> None:
        for _ in range(times):
            self.bridge.on_batch(step, total, metrics)
            self.note(step, metrics)

    @rule(step=STEPS, metrics=METRICS, times=st.sampled_from([1, 2, 3]))
    def epoch(self, step: int, metrics: dict[str, float], times: int) -> None:
        for _ in range(times):
            self.bridge.on_epoch(step, metrics)
            self.note(step, metrics)

    @rule(step=STEPS, rows=st.integers(0, 2**40), metrics=METRICS, words=st.text(max_size=3))
    def rows(self, step: int, rows: int, metrics: dict[str, float], words: str) -> None:
        self.bridge.on_rows(step, rows=rows, step=words, metrics=metrics)
        self.note(step, metrics)

    @rule(name=st.sampled_from(["prepare", "train"]), total=st.none() | st.integers(0, 100))
    def start_phase(self, name: str, total: int | None) -> None:
        self.bridge.set_phase(name, total=total)
        self.phase = (name, total)

    @rule(words=st.text(max_size=500))
    def wait(self, words: str) -> None:
        self.bridge.wait_reason(words)

    @rule()
    def resume(self) -> None:
        self.bridge.close()
        self.bridge = Bridge.resume(self.path)
        assert self.bridge.incarnation == self.incarnation

    @rule(reader=st.integers(0, 2), most=st.sampled_from([1, 10, 500, 10**6]))
    def read(self, reader: int, most: int) -> None:
        self.read_on(reader, most)

    def read_on(self, reader: int, most: int) -> JournalRead:
        found = self.readers[reader].read(self.after[reader], max_points=most)
        assert (found.damage, found.reset, found.recording) == ("", False, True)
        for series in found.series:
            rows: Any = zip(series.seqs, series.steps, map(comparable, series.values), strict=True)
            self.seen[reader].setdefault(series.name, []).extend(rows)
        self.after[reader] = found.next
        assert (found.progress.phase, found.progress.total) == self.phase
        return found

    @precondition(lambda self: self.seq > 0)
    @rule(reader=st.integers(0, 2), back=st.floats(0, 1))
    def read_again(self, reader: int, back: float) -> None:
        start = int(back * self.seq)
        found = self.readers[reader].read(Position(self.incarnation, start), max_points=10**7)
        expected = {name: [point for point in points if point[0] >= start] for name, points in self.written.items()}
        actual = {
            series.name: list(zip(series.seqs, series.steps, map(comparable, series.values), strict=True))
            for series in found.series
        }
        assert actual == {name: points for name, points in expected.items() if points}

    @invariant()
    def ends_are_known(self) -> None:
        assert self.readers[0].end() == Position(self.incarnation, self.seq)

    def teardown(self) -> None:
        for reader in range(3):
            while self.read_on(reader, 5_000).more:
                pass
            assert self.seen[reader] == self.written
            self.readers[reader].close()
        self.bridge.close()
        self.folder.cleanup()


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
